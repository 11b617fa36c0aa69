//! A component can use only the capabilities of its world.

use std::fs;

use twin_host::{
    function::FunctionName,
    runtime::{RuntimeError, read_component},
};
use twin_tests::{Stage, components};

/// The imports that all components have from their worlds. Clock and random numbers are for the id of a request that has
/// none.
const COMMON: [&str; 5] = ["credentials", "log", "random", "settings", "system-clock"];

/// The other imports of each component: only those that it uses. Types are only names.
const CAPABILITIES: [(FunctionName, &[&str]); 5] = [
    (
        FunctionName::Connector,
        &[
            "circuits",
            "dead-letter-replay",
            "dead-letters",
            "digest",
            "error-topic",
            "lifecycle",
            "monotonic-clock",
            "peers",
        ],
    ),
    (
        FunctionName::Ingestion,
        &["digest", "error-topic", "monotonic-clock", "peers"],
    ),
    (
        FunctionName::Writer,
        &["digest", "error-topic", "monotonic-clock", "records"],
    ),
    (
        FunctionName::Reader,
        &["error-topic", "monotonic-clock", "peers", "records"],
    ),
    (FunctionName::ErrorReporter, &["digest", "peers", "records"]),
];

#[test]
fn each_component_imports_what_its_table_says_and_nothing_that_is_refused() {
    for (function, expected) in CAPABILITIES {
        let path = components().join(format!("{function}.wasm"));
        let (_, imports) = read_component(&path, function).unwrap();
        assert_eq!(imports.refused, [""; 0], "{function}");
        let mut names: Vec<_> = imports
            .capabilities
            .iter()
            .map(|(import, _)| import.rsplit_once('/').unwrap().1)
            .map(|import| import.split_once('@').unwrap().0)
            .filter(|import| *import != "types")
            .collect();
        names.sort_unstable();
        let mut expected = [&COMMON, expected].concat();
        expected.sort_unstable();
        assert_eq!(names, expected, "{function}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_component_that_imports_more_than_its_world_does_not_run() {
    // Which component replaces which function, and which import is refused there.
    for (component, place, refused) in [
        (FunctionName::Reader, FunctionName::Writer, "peers"),
        (FunctionName::Writer, FunctionName::Ingestion, "records"),
        (
            FunctionName::Writer,
            FunctionName::ErrorReporter,
            "error-topic",
        ),
        (FunctionName::Connector, FunctionName::Reader, "circuits"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let from = components().join(format!("{component}.wasm"));
        fs::copy(from, folder.path().join(format!("{place}.wasm"))).unwrap();
        let path = folder.path().to_owned();
        let stage = Stage::of(place).runtime(|settings| settings.components = path);
        let Err(error) = stage.try_build().await else {
            panic!("{component} runs as {place}");
        };
        let said = error.to_string();
        assert!(said.contains(place.as_str()), "{said}");
        let RuntimeError::ImportRefused { function, imports } = error else {
            panic!("{error:?}");
        };
        assert_eq!(function, place);
        let name = format!("twin:multicloud/{refused}@0.2.0");
        assert!(imports.contains(&name), "{imports:?}");
        assert!(said.contains(&name), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_component_that_is_missing_or_none_is_told_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let path = folder.path().to_owned();
        Stage::of(FunctionName::Writer).runtime(|settings| settings.components = path)
    };
    let missing = start().try_build().await.err().unwrap();
    assert!(matches!(missing, RuntimeError::ComponentUnreadable { .. }));
    assert!(missing.to_string().contains("writer.wasm"), "{missing}");
    fs::write(folder.path().join("writer.wasm"), b"\0asm nonsense").unwrap();
    let broken = start().try_build().await.err().unwrap();
    assert!(matches!(broken, RuntimeError::ComponentInvalid { .. }));
    assert!(broken.to_string().contains("writer.wasm"), "{broken}");
}
