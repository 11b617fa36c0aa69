//! `twin inspect` and `twin demo`, run as a person would.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use twin_contract::digest;
use twin_host::providers::local::Local;

use crate::process::{built, run, twin};

const FUNCTIONS: [&str; 5] = [
    "connector",
    "ingestion",
    "writer",
    "reader",
    "error-reporter",
];

/// A component's file.
fn component(name: &str) -> String {
    let file = built("TWIN_COMPONENTS_DIR", "components").join(format!("{name}.wasm"));
    file.to_str().unwrap().to_owned()
}

#[test]
fn inspect_passes_for_all_five_and_shows_what_they_may_do() {
    for name in FUNCTIONS {
        let told = run(&mut twin(["inspect", &component(name)]));
        assert_eq!(told.code, Some(0), "{told:?}");
        for shown in [
            "Capabilities that its world grants:",
            "twin:multicloud/credentials@",
            "Stubbed out",
            "Nothing else.",
        ] {
            assert!(told.stdout.contains(shown), "{name}: {told:?}");
        }
        let sha256 = digest(&std::fs::read(component(name)).unwrap());
        assert!(told.stdout.contains(&sha256), "{name}: {told:?}");
        // Only functions that send have peers, and only functions that store have records.
        let grants = |interface: &str| {
            told.stdout
                .contains(&format!("twin:multicloud/{interface}@"))
        };
        let sends = name != "writer";
        let stores = matches!(name, "writer" | "reader" | "error-reporter");
        // Only functions that identify messages hash.
        let hashes = name != "reader";
        assert_eq!(
            (grants("peers"), grants("records"), grants("digest")),
            (sends, stores, hashes),
            "{name}: {told:?}"
        );
    }
}

#[test]
fn what_twin_compile_makes_is_inspected_under_the_digest_of_its_component() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("made");
    let out = out.to_str().unwrap();
    let told = run(&mut twin([
        "compile",
        "--functions",
        "writer",
        "--out",
        out,
    ]));
    assert_eq!(told.code, Some(0), "{told:?}");
    let sha256 = digest(&std::fs::read(component("writer")).unwrap());
    assert!(told.stdout.contains(&sha256), "{told:?}");

    let file = format!("{out}/writer.cwasm");
    let told = run(&mut twin(["inspect", &file]));
    assert_eq!(told.code, Some(0), "{told:?}");
    for shown in [&sha256, "twin:multicloud/records@", "Nothing else."] {
        assert!(told.stdout.contains(shown), "{told:?}");
    }

    std::fs::write(&file, "damaged").unwrap();
    let told = run(&mut twin(["inspect", &file]));
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stderr.contains("writer.cwasm is damaged"), "{told:?}");
}

#[test]
fn a_variable_that_is_no_utf_8_is_named_and_not_taken_for_one_that_is_not_set() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let foreign = OsStr::from_bytes(b"/components-\xff");
    for arguments in [
        vec!["up", "--base-port", "0", "--data", folder],
        vec!["dead-letters", "list", "--data", folder],
        vec!["errors", "list", "--data", folder],
    ] {
        for name in ["TWIN_COMPONENTS_DIR", "TWIN_CACHE_DIR"] {
            // A database, so that there is something to inspect.
            Local::open(data.path(), "my-twin").unwrap();
            let told = run(twin(arguments.clone()).env(name, foreign));
            assert_eq!(told.code, Some(2), "{arguments:?}: {told:?}");
            assert_eq!(told.stderr.lines().count(), 1, "{told:?}");
            assert!(told.stderr.contains(name), "{told:?}");
            assert!(told.stderr.contains("UTF-8"), "{told:?}");
        }
    }
    // The key for messages is not used if the operator key is missing. Nothing listens at this address.
    let url = ["--url", "http://127.0.0.1:9", "--cloud", "aws"];
    let mut command = twin(["dead-letters", "list"].into_iter().chain(url));
    let told = run(command
        .env("TWIN_OPERATOR_TOKEN", foreign)
        .env("INTER_CLOUD_TOKEN", "the-key"));
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("TWIN_OPERATOR_TOKEN"), "{told:?}");
    assert!(!told.stderr.contains("components"), "a secret: {told:?}");
}

#[test]
fn inspect_fails_for_a_component_that_exceeds_its_world() {
    for (name, world, excess) in [
        ("connector", "reader", "twin:multicloud/dead-letter-replay@"),
        ("writer", "ingestion", "twin:multicloud/records@"),
        ("ingestion", "writer", "twin:multicloud/peers@"),
    ] {
        let told = run(&mut twin(["inspect", &component(name), "--world", world]));
        assert_eq!(told.code, Some(1), "{told:?}");
        let refused = told.stdout.split_once("Refused:").unwrap().1;
        assert!(refused.contains(excess), "{told:?}");
        assert_eq!(told.stderr.lines().count(), 1, "{told:?}");
    }
    for file in ["/nowhere/writer.wasm", "/dev/null"] {
        let told = run(&mut twin(["inspect", file, "--world", "writer"]));
        assert_eq!(told.code, Some(1), "{told:?}");
        assert!(told.stderr.contains(file), "{told:?}");
    }
}

#[test]
fn the_demo_ends_with_equal_counts() {
    let told = run(&mut twin(["demo"]));
    assert_eq!(told.code, Some(0), "{told:?}");
    // The number after these words, on whichever line they are.
    let number = |words: &str| -> u64 {
        let after = told
            .stdout
            .split_once(words)
            .unwrap_or_else(|| panic!("no `{words}`: {told:?}"))
            .1;
        after.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(number("readings sent") > 4000);
    assert_eq!(number("readings sent"), number("read back"));
    assert!(number("dead letters made") > 0);
    assert_eq!(number("dead letters made"), number("  replayed"));
    assert_eq!((number("duplicates"), number("  altered")), (0, 0));
}
