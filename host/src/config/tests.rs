//! The tables of the configuration: which values are accepted, what is refused with which message, and which peers are
//! bound.

use std::time::Duration;

use twin_contract::Cloud;

use super::*;
use crate::{credentials::HeaderForm, ingress::platform::Platform, secrets::Secret};

const MINIMUM: [(&str, &str); 4] = [
    ("TWIN_NAME", "factory-1"),
    ("TWIN_CLOUD", "google"),
    ("TWIN_FUNCTIONS", "writer, reader"),
    ("INTER_CLOUD_TOKEN", "new-key , key-before-it"),
];

/// The minimum, with some variables replaced or added.
fn config(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let vars: BTreeMap<_, _> = MINIMUM.into_iter().chain(changes.iter().copied()).collect();
    Config::from_vars(vars)
}

fn good(changes: &[(&str, &str)]) -> Config {
    config(changes).unwrap_or_else(|error| panic!("{changes:?}: {error}"))
}

fn bad(changes: &[(&str, &str)]) -> String {
    let error = config(changes).err();
    error
        .unwrap_or_else(|| panic!("{changes:?} was accepted"))
        .to_string()
}

#[test]
fn the_minimum_is_enough_and_the_rest_has_its_defaults() {
    let config = good(&[("PORT", ""), ("ROUTE_PREFIX", "")]);
    assert_eq!(
        (config.twin.as_str(), config.cloud),
        ("factory-1", Cloud::Gcp)
    );
    assert_eq!(
        config.functions,
        [FunctionName::Writer, FunctionName::Reader]
    );
    assert_eq!(
        config.keys,
        ["new-key", "key-before-it"].map(|key| Configured::from(Secret::new(key)))
    );
    assert_eq!(config.socket(), "0.0.0.0:8080".parse().unwrap());
    assert_eq!(
        config.code.cache_dir,
        config.storage.data_dir.join("code-cache")
    );
    assert_eq!(config.delivery.function_deadline, Duration::from_secs(25));
    assert_eq!(config.listen.route_prefix, "");
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(config.lanes, cores.min(256));
}

#[test]
fn every_required_variable_is_asked_for_by_name() {
    for (required, _) in MINIMUM {
        let error = bad(&[(required, "")]);
        assert!(
            error.starts_with(&format!("{required} is not set: ")),
            "{error}"
        );
    }
}

#[test]
fn every_bad_value_is_refused_by_name_in_one_line_that_shows_no_secret() {
    for (name, value) in [
        ("TWIN_NAME", "a b"),
        ("TWIN_NAME", &"x".repeat(65)),
        ("TWIN_CLOUD", "AWS\n"),
        ("TWIN_FUNCTIONS", "writer,writer"),
        ("TWIN_FUNCTIONS", "writer,"),
        ("TWIN_FUNCTIONS", "dispatcher"),
        ("INTER_CLOUD_TOKEN", "hidden,"),
        ("INTER_CLOUD_TOKEN", "hidden key"),
        ("TWIN_OPERATOR_TOKEN", "hidden,"),
        ("TWIN_OPERATOR_TOKEN", "key-before-it"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("TWIN_BIND", "localhost"),
        ("ROUTE_PREFIX", "/a//b"),
        ("ROUTE_PREFIX", "/a?b"),
        ("BODY_TIMEOUT_MS", "0"),
        ("DRAIN_TIMEOUT_MS", "-1"),
        ("WRITE_TIMEOUT_MS", "9"),
        ("MAX_CONNECTIONS", "0"),
        ("BODY_MEMORY_BYTES", "1048575"),
        ("TWIN_EPHEMERAL", "yes"),
        ("REMOTE_AUTH_TOKEN", "hidden\u{e9}"),
        ("TWIN_HTTP_PROXY", "hidden.example:3128"),
        ("REMOTE_WRITER_URL", "/hidden"),
        ("REMOTE_WRITER_URL", "ftp://hidden"),
        ("REMOTE_WRITER_URL", "https://hidden:key@example"),
        ("REMOTE_WRITER_URL", "https://example/#hidden"),
        ("MANAGEMENT_URL", "hidden"),
        ("REMOTE_READER_TOKEN", "hidden key"),
        ("REMOTE_READER_CLOUD", "ibm"),
        ("RETRY_INITIAL_MS", "0"),
        ("RETRY_MULTIPLIER", "0.5"),
        ("RETRY_MAX", "11"),
        ("RETRY_JITTER_PERCENT", "101"),
        ("CIRCUIT_FAILING_SECONDS", "0"),
        ("CIRCUIT_OPEN_SECONDS", "5m"),
        ("FUNCTION_DEADLINE_MS", "1"),
        ("ATTEMPT_TIMEOUT_MS", ""),
        ("TWIN_LANES", "0"),
        ("TWIN_LANES", "257"),
        ("MAX_CONCURRENT_CALLS", "0"),
        ("DEBUG_MODE", "TRUE"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "twin_host=loud"),
        ("RUST_LOG", "info,"),
        ("RUST_LOG", "=trace"),
        ("RUST_LOG", "twin[request]=debug"),
    ] {
        if value.is_empty() {
            good(&[(name, value)]);
            continue;
        }
        let error = bad(&[(name, value)]);
        assert!(
            error.starts_with(name) && error.contains(" must be "),
            "{error}"
        );
        assert!(
            !error.contains('\n') && !error.contains("hidden"),
            "{error}"
        );
    }
}

#[test]
fn a_slip_in_a_name_is_refused_and_foreign_names_are_not() {
    for (slip, meant) in [
        ("TWIN_FUNCTION", "TWIN_FUNCTIONS"),
        ("RETRY_INTIAL_MS", "RETRY_INITIAL_MS"),
        ("CIRCUIT_OPEN_SECOND", "CIRCUIT_OPEN_SECONDS"),
        ("REMOTE_WRITTER_URL", "REMOTE_WRITER_URL"),
    ] {
        let expected = format!("unknown variable {slip}; did you mean {meant}?");
        assert_eq!(bad(&[(slip, "x")]), expected);
    }
    assert_eq!(
        bad(&[("TWIN_SOMETHING_ELSE", "x")]),
        "unknown variable TWIN_SOMETHING_ELSE"
    );
    good(&[
        ("REMOTE_HOST", "x"),
        ("REMOTE_CONTAINERS", "true"),
        ("HTTP_PROXY", "x"),
        ("RETRY", "x"),
    ]);
}

#[test]
fn the_service_links_of_kubernetes_are_foreign_whatever_the_service_is_called() {
    for service in [
        "TWIN",
        "TWIN_WRITER",
        "TWIN_DATA",
        "RETRY",
        "CIRCUIT",
        "TWIN_2",
    ] {
        let link = |rest: &str, value: &'static str| (format!("{service}_{rest}"), value);
        let links = [
            link("SERVICE_HOST", "10.0.0.1"),
            link("SERVICE_PORT", "8080"),
            link("SERVICE_PORT_HTTP", "8080"),
            link("SERVICE_PORT_METRICS_URL", "9090"),
            link("PORT", "tcp://10.0.0.1:8080"),
            link("PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            link("PORT_8080_TCP_PROTO", "tcp"),
            link("PORT_8080_TCP_PORT", "8080"),
            link("PORT_8080_TCP_ADDR", "10.0.0.1"),
            link("PORT_53_UDP_ADDR", "fd00::1"),
            link("PORT_9_SCTP", "sctp://10.0.0.1:9"),
        ];
        let links: Vec<_> = links
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        good(&links);
    }
    good(&[("REMOTE_SERVICE_PORT_URL", "8080")]);
    // Names that only look similar are mistakes.
    for (slip, value, meant) in [
        ("TWIN_PORT", "8080", "; did you mean PORT?"),
        ("TWIN_PORT", "http://10.0.0.1", "; did you mean PORT?"),
        ("TWIN_DATA_PORT", "8080", "; did you mean TWIN_DATA_DIR?"),
        ("TWIN_PORT_8080", "x", ""),
        ("TWIN_PORT_A_TCP", "x", ""),
        ("TWIN_PORT_80_TCP_NAME", "x", ""),
        ("TWIN_SERVICE_HOSTS", "x", ""),
    ] {
        let expected = format!("unknown variable {slip}{meant}");
        assert_eq!(bad(&[(slip, value)]), expected);
    }
    // The name of a Service cannot give a link of this name.
    assert_eq!(
        bad(&[("PORT", "tcp://10.0.0.1:8080")]),
        r#"PORT is "tcp://10.0.0.1:8080", but must be an integer from 0 to 65535"#
    );
}

#[test]
fn no_variable_of_ours_has_a_name_that_a_service_link_has() {
    // Azure has named this one.
    let ours = variables().filter(|variable| variable.name != "FUNCTIONS_CUSTOMHANDLER_PORT");
    for variable in ours {
        for value in ["tcp://10.0.0.1:80", "80"] {
            assert!(
                !needs::is_service_link(variable.name, value),
                "{}",
                variable.name
            );
        }
    }
}

#[test]
fn who_hands_on_needs_a_next_hop() {
    let functions = "TWIN_FUNCTIONS";
    let url = "http://127.0.0.1/x";
    for (mounted, remote, missing) in [
        ("connector", "", "REMOTE_INGESTION_URL or REMOTE_WRITER_URL"),
        (
            "connector,reader",
            "REMOTE_READER_URL",
            "REMOTE_INGESTION_URL or REMOTE_WRITER_URL",
        ),
        ("connector", "REMOTE_WRITER_URL", ""),
        ("connector", "REMOTE_INGESTION_URL", ""),
        ("connector,writer", "", ""),
        ("ingestion", "", "REMOTE_WRITER_URL"),
        ("ingestion", "REMOTE_WRITER_URL", ""),
        ("ingestion", "REMOTE_CONNECTOR_URL", ""),
        ("ingestion,writer", "", ""),
        ("connector,ingestion", "", "REMOTE_WRITER_URL"),
        ("connector,ingestion", "REMOTE_WRITER_URL", ""),
        ("reader,error-reporter", "", ""),
    ] {
        let other = match remote {
            "" => ("REMOTE_AUTH_TOKEN", "a-key"),
            remote => (remote, url),
        };
        let changes = [(functions, mounted), other];
        if missing.is_empty() {
            good(&changes);
        } else {
            let error = bad(&changes);
            assert!(
                error.starts_with(&format!("{missing} must be set: ")),
                "{error}"
            );
        }
    }
}

#[test]
fn a_functions_own_disk_is_no_store_unless_allowed() {
    for (platform, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", "x"),
        ("FUNCTIONS_WORKER_RUNTIME", "custom"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"),
        ("K_SERVICE", "x"),
    ] {
        let local = [(platform, value), ("TWIN_STORE", "local")];
        let error = bad(&local);
        assert!(
            error.starts_with("TWIN_EPHEMERAL=1 must be set: ") && error.contains(platform),
            "{error}"
        );
        good(&[local[0], local[1], ("TWIN_EPHEMERAL", "1")]);
    }
}

const LOCAL: [(&str, &str); 2] = [("TWIN_STORE", "local"), ("TWIN_EPHEMERAL", "1")];

#[test]
fn a_platform_has_its_own_defaults_and_what_is_set_wins() {
    let on = |more: &[(&'static str, &'static str)]| good(&[&LOCAL[..], more].concat());
    let elsewhere = on(&[]);
    assert_eq!(elsewhere.listen.platform, None);
    assert_eq!(elsewhere.socket(), "0.0.0.0:8080".parse().unwrap());
    assert_eq!(elsewhere.listen.drain_timeout, Duration::from_secs(10));

    let functions = ("FUNCTIONS_CUSTOMHANDLER_PORT", "51234");
    let config = on(&[functions, ("PORT", "80"), ("K_SERVICE", "x")]);
    assert_eq!(config.listen.platform, Some(Platform::AzureFunctions));
    assert_eq!(config.socket(), "127.0.0.1:51234".parse().unwrap());
    let config = on(&[functions, ("TWIN_BIND", "::1")]);
    assert_eq!(config.socket(), "[::1]:51234".parse().unwrap());

    let run = ("K_SERVICE", "twin");
    let config = on(&[run, ("PORT", "9000")]);
    assert_eq!(config.listen.platform, Some(Platform::CloudRun));
    assert_eq!(config.socket(), "0.0.0.0:9000".parse().unwrap());
    assert_eq!(config.listen.drain_timeout, Duration::from_secs(8));
    let config = on(&[run, ("DRAIN_TIMEOUT_MS", "3000")]);
    assert_eq!(config.listen.drain_timeout, Duration::from_secs(3));
}

#[test]
fn nobody_else_reaches_the_port_that_the_functions_host_calls() {
    let functions = ("FUNCTIONS_CUSTOMHANDLER_PORT", "51234");
    let changes = [&LOCAL[..], &[functions, ("TWIN_BIND", "0.0.0.0")]].concat();
    assert_eq!(
        bad(&changes),
        r#"TWIN_BIND is "0.0.0.0", but must be a loopback address on Azure Functions, whose host calls without a credential"#
    );
    for port in ["0", "x"] {
        let changes = [&LOCAL[..], &[("FUNCTIONS_CUSTOMHANDLER_PORT", port)]].concat();
        let error = bad(&changes);
        assert!(
            error.starts_with("FUNCTIONS_CUSTOMHANDLER_PORT is "),
            "{error}"
        );
    }
}

#[cfg(not(any(feature = "azure", feature = "gcp")))]
#[test]
fn the_store_of_a_platform_that_is_not_compiled_in_is_asked_for() {
    for (variable, platform, store) in [
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "Azure Functions", "azure"),
        ("K_SERVICE", "Cloud Run", "gcp"),
    ] {
        let error = bad(&[(variable, "8080"), ("TWIN_EPHEMERAL", "1")]);
        let expected = format!("TWIN_STORE must be set: its default on {platform} is {store}, and");
        assert!(error.starts_with(&expected), "{error}");
        assert!(
            error.contains(&format!("cargo feature `{store}`")),
            "{error}"
        );
    }
}

#[cfg(all(feature = "azure", feature = "gcp"))]
#[test]
fn the_store_of_a_platform_is_its_clouds() {
    let config = good(&[("K_SERVICE", "x"), ("TWIN_GCP_PROJECT", "p")]);
    assert_eq!(config.storage.kind.name(), "gcp");
    let config = good(&[
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "51234"),
        (
            "TWIN_AZURE_COSMOS_ENDPOINT",
            "https://x.documents.azure.com/",
        ),
        (
            "TWIN_AZURE_TOPIC_ENDPOINT",
            "https://x.westeurope-1.eventgrid.azure.net/api/events",
        ),
    ]);
    assert_eq!(config.storage.kind.name(), "azure");
    assert_eq!(
        bad(&[("K_SERVICE", "x")]),
        "TWIN_GCP_PROJECT must be set: TWIN_STORE is gcp"
    );
}

#[test]
fn prefixes_are_brought_to_one_form() {
    for (given, prefix) in [
        ("/", ""),
        ("api", "/api"),
        ("/api/", "/api"),
        ("prod/v1.0", "/prod/v1.0"),
    ] {
        assert_eq!(good(&[("ROUTE_PREFIX", given)]).listen.route_prefix, prefix);
    }
}

#[test]
fn components_see_settings_and_nothing_else() {
    let config = good(&[
        ("RETRY_INITIAL_MS", "0050"),
        ("RETRY_MULTIPLIER", "1.50"),
        ("DEBUG_MODE", "1"),
        ("REMOTE_AUTH_TOKEN", "k"),
    ]);
    for (name, value) in [
        ("TWIN_NAME", "factory-1"),
        ("TWIN_CLOUD", "gcp"),
        ("RETRY_INITIAL_MS", "50"),
        ("RETRY_MULTIPLIER", "1.5"),
        ("RETRY_MAX", "3"),
        ("RETRY_JITTER_PERCENT", "10"),
        ("CIRCUIT_FAILING_SECONDS", "60"),
        ("CIRCUIT_OPEN_SECONDS", "300"),
        ("FUNCTION_DEADLINE_MS", "25000"),
        ("ATTEMPT_TIMEOUT_MS", "10000"),
    ] {
        assert_eq!(config.setting(name).as_deref(), Some(value), "{name}");
    }
    for name in variables()
        .filter(|variable| variable.secret)
        .map(|variable| variable.name)
    {
        assert_eq!(config.setting(name), None, "{name}");
    }
    // Log settings belong to the runtime, so functions do not see them.
    for name in ["DEBUG_MODE", "PATH"] {
        assert_eq!(config.setting(name), None, "{name}");
    }
    let shown = format!(
        "{:?}",
        good(&[("REMOTE_WRITER_URL", "https://w.example/?code=hidden")])
    );
    assert!(
        !shown.contains("hidden") && !shown.contains("key-before-it"),
        "{shown}"
    );
}

#[test]
fn the_table_names_each_variable_once_and_its_defaults_are_valid() {
    let mut names: Vec<_> = variables().map(|variable| variable.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(variables().all(|variable| !variable.help.is_empty() && !variable.help.contains('\n')));
}

#[test]
fn a_peer_is_its_url_or_the_function_here_and_never_the_caller() {
    use FunctionName::{Connector, Ingestion, Reader, Writer};
    let all = (
        "TWIN_FUNCTIONS",
        "connector,ingestion,writer,reader,error-reporter",
    );
    let here = good(&[all]);
    for (caller, peer, expected) in [
        (Connector, Peer::Ingestion, Some(Ingestion)),
        (Connector, Peer::Writer, Some(Writer)),
        (Connector, Peer::Connector, None),
        (Ingestion, Peer::Connector, Some(Connector)),
        (Ingestion, Peer::Ingestion, None),
        (Reader, Peer::Reader, None),
        (Connector, Peer::Reader, None),
        (
            Connector,
            Peer::ErrorReporter,
            Some(FunctionName::ErrorReporter),
        ),
        (FunctionName::ErrorReporter, Peer::ErrorReporter, None),
        (FunctionName::ErrorReporter, Peer::Management, None),
    ] {
        assert_eq!(
            here.binding(caller, peer),
            expected.map(Binding::Local),
            "{caller} to {peer}"
        );
    }
    assert_eq!(good(&[]).binding(Writer, Peer::ErrorReporter), None);
    for (variable, caller, peer) in [
        ("REMOTE_INGESTION_URL", Connector, Peer::Ingestion),
        ("REMOTE_WRITER_URL", Ingestion, Peer::Writer),
        ("REMOTE_READER_URL", Reader, Peer::Reader),
        ("REMOTE_CONNECTOR_URL", Ingestion, Peer::Connector),
        (
            "MANAGEMENT_URL",
            FunctionName::ErrorReporter,
            Peer::Management,
        ),
    ] {
        let config = good(&[all, (variable, "http://127.0.0.1:1/a?b=c")]);
        let Some(Binding::Remote { url, .. }) = config.binding(caller, peer) else {
            panic!("{variable}");
        };
        assert_eq!(url.expose().as_str(), "http://127.0.0.1:1/a?b=c");
    }
    // Errors stay in their cloud if possible.
    let elsewhere = ("REMOTE_ERROR_REPORTER_URL", "http://127.0.0.1:1/errors");
    let bound = |config: Config| match config.binding(Writer, Peer::ErrorReporter) {
        Some(Binding::Local(_)) => "here",
        Some(Binding::Remote { .. }) => "there",
        None => "nowhere",
    };
    assert_eq!(bound(good(&[all, elsewhere])), "here");
    assert_eq!(bound(good(&[elsewhere])), "there");
}

#[test]
fn the_receiving_cloud_decides_the_header_and_the_nearest_key_is_sent() {
    let bound = |changes: &[(&str, &str)]| {
        let config = good(changes);
        let Some(Binding::Remote { form, key, .. }) =
            config.binding(FunctionName::Ingestion, Peer::Writer)
        else {
            panic!("{changes:?}");
        };
        (form, key.unwrap().value().unwrap().expose().to_owned())
    };
    for (url, form) in [
        (
            "https://x.execute-api.us-east-1.amazonaws.com/prod/write",
            HeaderForm::ApiKey,
        ),
        ("https://x.lambda-url.eu-west-1.on.aws/", HeaderForm::ApiKey),
        (
            "https://F.AzureWebsites.net/api/write",
            HeaderForm::FunctionsKey,
        ),
        (
            "https://us-central1-project.cloudfunctions.net/writer",
            HeaderForm::Bearer,
        ),
        ("https://writer-x.a.run.app/", HeaderForm::Bearer),
        ("https://amazonaws.com.example/write", HeaderForm::Bearer),
        ("http://127.0.0.1:8103/write", HeaderForm::Bearer),
    ] {
        assert_eq!(
            bound(&[("REMOTE_WRITER_URL", url)]),
            (form, "new-key".to_owned()),
            "{url}"
        );
    }
    let url = ("REMOTE_WRITER_URL", "https://x.on.aws/");
    let (cloud, common, own) = (
        ("REMOTE_WRITER_CLOUD", "azure"),
        ("REMOTE_AUTH_TOKEN", "common"),
        ("REMOTE_WRITER_TOKEN", "own"),
    );
    assert_eq!(bound(&[url, cloud]).0, HeaderForm::FunctionsKey);
    assert_eq!(bound(&[url, common]).1, "common");
    assert_eq!(bound(&[url, common, own]).1, "own");
}

#[test]
fn a_misspelt_reference_is_no_key_and_its_form_is_named() {
    for (variable, value, form) in [
        ("INTER_CLOUD_TOKEN", "key,file:hidden", "file:/PATH with"),
        (
            "TWIN_OPERATOR_TOKEN",
            "arn:aws:secretsmanager:eu-central-1:hidden:secret:token",
            "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME",
        ),
        (
            "REMOTE_AUTH_TOKEN",
            "https://hidden.example/secrets/token",
            "https://VAULT.vault.azure.net/secrets/NAME, or that with /VERSION",
        ),
        (
            "REMOTE_WRITER_TOKEN",
            "projects/hidden/secrets/token",
            "projects/PROJECT/secrets/NAME/versions/VERSION, with",
        ),
    ] {
        let error = bad(&[(variable, value)]);
        let begins = error.starts_with(&format!("{variable} must be "));
        assert!(begins && error.contains(form), "{error}");
        assert!(!error.contains("hidden"), "{error}");
    }
    let config = good(&[("INTER_CLOUD_TOKEN", "key,file:/run/secrets/token")]);
    assert_eq!(config.keys[0].reference(), None);
    assert!(config.keys[1].reference().is_some());
}

#[test]
fn an_operators_key_is_nobody_elses() {
    let config = good(&[("TWIN_OPERATOR_TOKEN", "op-1, op-2")]);
    assert_eq!(
        config.operator_keys,
        ["op-1", "op-2"].map(|key| Configured::from(Secret::new(key)))
    );
    assert!(good(&[]).operator_keys.is_empty());
    for other in [
        "REMOTE_AUTH_TOKEN",
        "REMOTE_WRITER_TOKEN",
        "INTER_CLOUD_TOKEN",
    ] {
        let error = bad(&[("TWIN_OPERATOR_TOKEN", "op-1,op-2"), (other, "op-2")]);
        assert!(
            error.starts_with("TWIN_OPERATOR_TOKEN must be keys other than"),
            "{error}"
        );
        assert!(!error.contains("op-2"), "{error}");
    }
}

#[test]
fn times_that_leave_none_for_an_attempt_are_refused_with_the_arithmetic() {
    let remote = ("REMOTE_WRITER_URL", "http://127.0.0.1:1");
    let all = "connector,ingestion,writer,reader,error-reporter";
    for (functions, deadline, attempt, expected) in [
        (
            "connector",
            "132",
            "10000",
            "FUNCTION_DEADLINE_MS must be larger: a message that passes connector: FUNCTION_DEADLINE_MS gives 132 ms, and 33 ms are kept to store a dead letter: 99 ms are left, ",
        ),
        (
            "ingestion,connector",
            "200",
            "10000",
            "FUNCTION_DEADLINE_MS or ATTEMPT_TIMEOUT_MS must be larger: a message that passes ingestion, connector: the sender waits 150 ms ",
        ),
        (
            all,
            "25000",
            "200",
            "FUNCTION_DEADLINE_MS or ATTEMPT_TIMEOUT_MS must be larger: a message that passes connector, ingestion, connector: the sender waits 113 ms ",
        ),
    ] {
        let changes = [
            ("TWIN_FUNCTIONS", functions),
            ("FUNCTION_DEADLINE_MS", deadline),
            ("ATTEMPT_TIMEOUT_MS", attempt),
            remote,
        ];
        let changes = &changes[..if functions == all { 3 } else { 4 }];
        let error = bad(changes);
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    for (functions, deadline, attempt) in [
        ("connector", "134", "10"),
        ("ingestion,connector", "500", "10000"),
        (all, "25000", "2000"),
        (all, "1500", "10000"),
    ] {
        good(&[
            ("TWIN_FUNCTIONS", functions),
            ("FUNCTION_DEADLINE_MS", deadline),
            ("ATTEMPT_TIMEOUT_MS", attempt),
            remote,
        ]);
    }
    // A function that sends nothing needs no time for attempts.
    good(&[("FUNCTION_DEADLINE_MS", "100")]);
    let asks = ("REMOTE_READER_URL", "http://127.0.0.1:1");
    bad(&[("FUNCTION_DEADLINE_MS", "100"), asks]);
}

#[test]
fn tokens_need_both_an_audience_and_callers() {
    let audience = ("TWIN_OIDC_AUDIENCE", "twin");
    let callers = (
        "TWIN_OIDC_CALLERS",
        "https://accounts.google.com|a@b.example, https://i.example/|role/r",
    );
    let oidc = good(&[audience, callers]).oidc;
    assert_eq!(oidc.audience.as_deref(), Some("twin"));
    let known: Vec<_> = oidc
        .callers
        .iter()
        .map(|caller| (caller.issuer(), caller.subject()))
        .collect();
    assert_eq!(
        known,
        [
            ("https://accounts.google.com", "a@b.example"),
            ("https://i.example/", "role/r")
        ]
    );
    assert_eq!(
        bad(&[audience]),
        "TWIN_OIDC_CALLERS must be set: TWIN_OIDC_AUDIENCE is set, and a caller's token is checked by both"
    );
    assert_eq!(
        bad(&[callers]),
        "TWIN_OIDC_AUDIENCE must be set: TWIN_OIDC_CALLERS is set, and a caller's token is checked by both"
    );
    for wrong in [
        "http://i.example|s",
        "https://i.example",
        "https://i.example|s,",
        "https://i.example|s,https://i.example|s",
    ] {
        let error = bad(&[audience, ("TWIN_OIDC_CALLERS", wrong)]);
        assert!(
            error.starts_with("TWIN_OIDC_CALLERS is ") && error.contains("ISSUER|SUBJECT"),
            "{error}"
        );
    }
}

#[test]
fn a_key_is_not_mistaken_for_a_token() {
    // A header with an algorithm, an empty object and a signature.
    let jwt = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";
    let oidc = [
        ("TWIN_OIDC_AUDIENCE", "twin"),
        ("TWIN_OIDC_CALLERS", "https://i.example|s"),
    ];
    for variable in ["INTER_CLOUD_TOKEN", "TWIN_OPERATOR_TOKEN"] {
        let key = (variable, jwt);
        let error = bad(&[oidc[0], oidc[1], key]);
        assert!(
            error.starts_with(&format!("{variable} must be keys that are not JWTs")),
            "{error}"
        );
        // Where only one of the two can be in the header, nothing is mistaken.
        good(&[oidc[0], oidc[1], key, ("TWIN_CLOUD", "aws")]);
        good(&[key]);
    }
}

#[test]
fn how_the_host_authenticates_to_a_peer_and_the_rest_must_agree() {
    const URL: (&str, &str) = (
        "REMOTE_WRITER_URL",
        "https://abc.lambda-url.eu-central-1.on.aws/write",
    );
    let config = good(&[URL, ("REMOTE_WRITER_AUTH", "key")]);
    assert_eq!(
        config.peers.remotes[&Peer::Writer].auth,
        Authentication::Key
    );
    for (changes, expected) in [
        (
            &[URL, ("REMOTE_WRITER_AUTH", "mtls")][..],
            "REMOTE_WRITER_AUTH is \"mtls\", but must be key, sigv4 or oidc",
        ),
        (
            &[URL, ("REMOTE_WRITER_AUDIENCE", "a")],
            "REMOTE_WRITER_AUDIENCE is set, but REMOTE_WRITER_AUTH is key: \
             set REMOTE_WRITER_AUTH=oidc, or do not set REMOTE_WRITER_AUDIENCE",
        ),
        (
            &[
                URL,
                ("REMOTE_WRITER_AUTH", "sigv4"),
                ("REMOTE_WRITER_AUDIENCE", "a"),
            ],
            "REMOTE_WRITER_AUDIENCE is set, but REMOTE_WRITER_AUTH is sigv4: \
             set REMOTE_WRITER_AUTH=oidc, or do not set REMOTE_WRITER_AUDIENCE",
        ),
        (
            &[
                URL,
                ("REMOTE_WRITER_AUTH", "oidc"),
                ("REMOTE_WRITER_AUDIENCE", "a"),
                ("REMOTE_WRITER_TOKEN", "k"),
            ],
            "REMOTE_WRITER_TOKEN is set, but REMOTE_WRITER_AUTH is oidc: \
             set REMOTE_WRITER_AUTH=key, or do not set REMOTE_WRITER_TOKEN",
        ),
        (
            &[("REMOTE_READER_AUTH", "sigv4")],
            "REMOTE_READER_URL must be set: REMOTE_READER_AUTH is sigv4",
        ),
    ] {
        assert_eq!(bad(changes), expected);
    }
}

#[cfg(not(any(feature = "aws", feature = "gcp")))]
#[test]
fn authentication_without_its_cargo_feature_is_refused_by_name() {
    const URL: (&str, &str) = ("REMOTE_WRITER_URL", "https://abc.example/write");
    let built_without = |auth, feature| {
        format!(
            "REMOTE_WRITER_AUTH is {auth}, which this program was built without: \
             build it with the cargo feature `{feature}`"
        )
    };
    let signed = [URL, ("REMOTE_WRITER_AUTH", "sigv4")];
    assert_eq!(bad(&signed), built_without("sigv4", "aws"));
    // The host's own cloud issues the tokens, whatever the receiver's is.
    let token = [
        URL,
        ("REMOTE_WRITER_AUTH", "oidc"),
        ("REMOTE_WRITER_AUDIENCE", "a"),
        ("REMOTE_WRITER_CLOUD", "azure"),
    ];
    assert_eq!(bad(&token), built_without("oidc", "gcp"));
}

#[cfg(all(feature = "aws", feature = "gcp"))]
#[test]
fn authentication_with_its_cargo_feature_needs_what_it_works_with() {
    const SIGNED: (&str, &str) = ("REMOTE_WRITER_AUTH", "sigv4");
    const TOKEN: (&str, &str) = ("REMOTE_WRITER_AUTH", "oidc");
    let url = |url| ("REMOTE_WRITER_URL", url);
    let config = good(&[url("https://abc.lambda-url.eu-central-1.on.aws/"), SIGNED]);
    // The common key is not sent to a peer that gets a signature.
    let binding = config.binding(FunctionName::Reader, Peer::Writer);
    assert!(matches!(binding, Some(Binding::Remote { key: None, .. })));
    let refused = bad(&[url("https://writer.example.com/"), SIGNED]);
    let expected = "REMOTE_WRITER_URL must be https://ID.lambda-url.REGION.on.aws or ";
    assert!(refused.starts_with(expected), "{refused}");
    let refused = bad(&[url("https://writer.example.com/"), TOKEN]);
    let expected = "REMOTE_WRITER_AUDIENCE must be set: REMOTE_WRITER_AUTH is oidc";
    assert_eq!(refused, expected);
    good(&[
        url("https://writer.example.com/"),
        TOKEN,
        ("REMOTE_WRITER_AUDIENCE", "https://writer.example.com"),
    ]);
}
