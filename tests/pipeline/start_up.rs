//! What prevents a start: one line that names the cause, and an exit code.

use std::net::TcpListener;

use twin_contract::Cloud::Aws;
use twin_host::config::variables;

use crate::{
    house::Host,
    process::{Told, run, twin},
};

/// Runs `twin serve`, which must not start, and returns its one line.
#[track_caller]
fn refusal(host: &Host, code: i32) -> String {
    let told = run(&mut host.command(["serve"]));
    assert_eq!(told.code, Some(code), "{told:?}");
    let Told { stdout, stderr, .. } = told;
    assert_eq!(stdout, "");
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{stderr}");
    assert!(lines[0].starts_with("twin: "), "{stderr}");
    lines[0].to_owned()
}

fn writer() -> Host {
    Host::of(Aws, "writer")
}

#[test]
fn a_host_with_the_compiler_runs_no_machine_code_from_the_folder_of_components() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().to_str().unwrap();
    let told = run(&mut twin([
        "compile",
        "--functions",
        "writer",
        "--out",
        made,
    ]));
    assert_eq!(told.code, Some(0), "{told:?}");
    let line = refusal(&writer().set("TWIN_COMPONENTS_DIR", made), 2);
    assert!(line.contains("writer.wasm cannot be read"), "{line}");
}

#[test]
fn a_missing_variable_is_named() {
    // An empty one counts as missing.
    for name in [
        "TWIN_NAME",
        "TWIN_CLOUD",
        "TWIN_FUNCTIONS",
        "INTER_CLOUD_TOKEN",
    ] {
        let line = refusal(&writer().set(name, ""), 2);
        assert!(
            line.starts_with(&format!("twin: {name} is not set")),
            "{line}"
        );
    }
    for (functions, name) in [
        ("connector", "REMOTE_INGESTION_URL or REMOTE_WRITER_URL"),
        ("ingestion", "REMOTE_WRITER_URL"),
        ("ingestion,connector", "REMOTE_WRITER_URL"),
    ] {
        let line = refusal(&Host::of(Aws, functions), 2);
        assert!(line.contains(name), "{functions}: {line}");
    }
    for (platform, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", "x"),
        ("FUNCTIONS_WORKER_RUNTIME", "custom"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"),
        ("K_SERVICE", "x"),
    ] {
        let local = writer().set("TWIN_STORE", "local");
        let line = refusal(&local.set(platform, value), 2);
        assert!(
            line.contains(platform) && line.contains("TWIN_EPHEMERAL=1"),
            "{line}"
        );
    }
}

#[test]
fn a_bad_value_is_named_with_its_variable_and_shown_unless_secret() {
    for (name, value) in [
        ("TWIN_NAME", "no spaces"),
        ("TWIN_CLOUD", "ibm"),
        ("TWIN_FUNCTIONS", "writer,archiver"),
        ("TWIN_FUNCTIONS", "writer,writer"),
        ("INTER_CLOUD_TOKEN", "key,,another"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("TWIN_BIND", "localhost"),
        ("ROUTE_PREFIX", "/a//b"),
        ("BODY_TIMEOUT_MS", "1"),
        ("DRAIN_TIMEOUT_MS", "10s"),
        ("TWIN_EPHEMERAL", "maybe"),
        ("TWIN_DATA_MAX_BYTES", "1000000"),
        ("RECORD_DAYS", "0"),
        ("LETTER_DAYS", "never"),
        ("REMOTE_AUTH_TOKEN", "with space"),
        ("TWIN_HTTP_PROXY", "proxy:3128"),
        ("TWIN_EXTRA_CA_FILE", "/nowhere/ca.pem"),
        ("TWIN_EXTRA_CA_FILE", "/dev/null"),
        ("REMOTE_INGESTION_URL", "ftp://host/ingest"),
        ("REMOTE_WRITER_URL", "/write"),
        ("REMOTE_READER_URL", "https://user:password@host/"),
        ("REMOTE_CONNECTOR_URL", "http://"),
        ("REMOTE_ERROR_REPORTER_URL", "host"),
        ("MANAGEMENT_URL", "https://host/#part"),
        ("REMOTE_WRITER_TOKEN", "\u{e4}"),
        ("REMOTE_WRITER_CLOUD", "oracle"),
        ("RETRY_INITIAL_MS", "0"),
        ("RETRY_MULTIPLIER", "0.5"),
        ("RETRY_MAX", "-1"),
        ("RETRY_JITTER_PERCENT", "101"),
        ("CIRCUIT_FAILING_SECONDS", "0"),
        ("CIRCUIT_OPEN_SECONDS", "five minutes"),
        ("ATTEMPT_TIMEOUT_MS", "9"),
        ("FUNCTION_DEADLINE_MS", "99999999"),
        ("MAX_CONCURRENT_CALLS", "0"),
        ("DEBUG_MODE", "yes"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "twin=loud"),
    ] {
        let line = refusal(&writer().set(name, value), 2);
        assert!(
            line.starts_with(&format!("twin: {name}")),
            "{value}: {line}"
        );
        assert!(line.contains(" must be "), "{line}");
        let secret = variables().any(|variable| variable.name == name && variable.secret);
        assert!(!(secret && line.contains(value)), "{line}");
    }
}

#[test]
fn a_slip_in_a_name_is_no_silent_default() {
    for (name, meant) in [
        ("TWIN_DATADIR", "TWIN_DATA_DIR"),
        ("RETRY_MAXIMUM", "RETRY_MAX"),
        ("CIRCUIT_OPEN_SECOND", "CIRCUIT_OPEN_SECONDS"),
        ("REMOTE_WRITE_URL", "REMOTE_WRITER_URL"),
    ] {
        let line = refusal(&writer().set(name, "1"), 2);
        assert!(line.contains(name) && line.contains(meant), "{line}");
    }
}

#[test]
fn a_folder_file_or_address_of_no_use_is_named_with_its_variable() {
    let line = refusal(&writer().set("TWIN_COMPONENTS_DIR", "/nowhere"), 2);
    assert!(line.contains("/nowhere/writer.wasm"), "{line}");
    assert!(line.contains("TWIN_COMPONENTS_DIR"), "{line}");

    let host = writer();
    let _taken = TcpListener::bind(("127.0.0.1", host.port)).unwrap();
    let line = refusal(&host, 2);
    assert!(line.contains(&host.port.to_string()), "{line}");
    assert!(line.contains("PORT"), "{line}");

    let file = writer();
    let folder = file.data().join("file");
    std::fs::write(&folder, "").unwrap();
    let file = file.set("TWIN_DATA_DIR", folder.to_str().unwrap());
    let line = refusal(&file, 2);
    assert!(line.contains("TWIN_DATA_DIR"), "{line}");
    assert!(line.contains(folder.to_str().unwrap()), "{line}");
}

#[test]
fn a_reference_that_cannot_be_used_is_named_with_its_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let reference = format!("file:{}", file.display());
    let remote = || writer().set("REMOTE_AUTH_TOKEN", &reference);
    for host in [writer().set("INTER_CLOUD_TOKEN", &reference), remote()] {
        let line = refusal(&host, 2);
        assert!(
            line.contains("_TOKEN") && line.contains(&reference),
            "{line}"
        );
        assert!(line.contains("does not exist"), "{line}");
    }
    std::fs::write(&file, "a-key,,another-key").unwrap();
    let line = refusal(&remote(), 2);
    assert!(line.contains("REMOTE_AUTH_TOKEN"), "{line}");
    assert!(!line.contains("another-key"), "{line}");
    std::fs::write(&file, "a-key").unwrap();
    let host = writer().set("TWIN_OPERATOR_TOKEN", &reference);
    let line = refusal(&host.set("INTER_CLOUD_TOKEN", "a-key"), 2);
    assert!(
        line.contains("TWIN_OPERATOR_TOKEN must be keys other than"),
        "{line}"
    );
    // What is no reference, but begins like one, is not taken for a key.
    for slip in [
        "file:run/secrets/token",
        "arn:aws:secretsmanager:x",
        "https://example.com/secrets/x",
    ] {
        let line = refusal(&writer().set("INTER_CLOUD_TOKEN", slip), 2);
        assert!(line.contains("INTER_CLOUD_TOKEN must be"), "{line}");
        assert!(!line.contains(slip), "{line}");
    }
}

#[test]
fn help_lists_every_variable_with_its_words() {
    let told = run(&mut twin(["serve", "--help"]));
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(variables().count() > 30);
    let shown = one_spaced(&told.stdout);
    for variable in variables() {
        let line = format!("{} {}", variable.name, one_spaced(variable.help));
        assert!(shown.contains(&line), "{line}: {}", told.stdout);
    }
}

/// The text with line breaks replaced by spaces.
fn one_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
