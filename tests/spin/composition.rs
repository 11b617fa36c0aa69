//! Composes each function with the adapter as Spin does, and checks the remaining imports.

use std::{collections::BTreeSet, path::PathBuf};

use twin_tests::{
    components,
    composition::{compose, imports},
};

const FUNCTIONS: [&str; 5] = [
    "connector",
    "ingestion",
    "writer",
    "reader",
    "error-reporter",
];

fn file(function: &str) -> PathBuf {
    components().join(format!("{function}.wasm"))
}

/// The interfaces that Spin offers to a component.
fn offered() -> BTreeSet<&'static str> {
    include_str!("spin-4.1-interfaces.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

#[test]
fn a_function_composed_with_the_adapter_asks_for_nothing_that_spin_lacks() {
    let offered = offered();
    let adapter = components().join("adapters/spin_adapter.wasm");
    for function in FUNCTIONS {
        let left = compose(&file(function), "twin:multicloud@0.2.0", &adapter).imports;
        let missing: Vec<_> = left
            .iter()
            .filter(|name| !offered.contains(name.as_str()))
            .collect();
        assert!(missing.is_empty(), "{function} needs {missing:?}");
        for needed in ["spin:sqlite/sqlite@3.1.0", "spin:variables/variables@3.0.0"] {
            assert!(left.contains(needed), "{function}: {needed}");
        }
    }
}

#[test]
fn only_the_adapter_asks_for_spin_and_the_network() {
    for function in FUNCTIONS {
        let imports = imports(&file(function));
        let beyond = |name: &&String| {
            name.starts_with("spin:")
                || name.starts_with("wasi:http/client")
                || name.starts_with("wasi:filesystem")
        };
        let asked: Vec<_> = imports.iter().filter(beyond).collect();
        assert!(asked.is_empty(), "{function} asks for {asked:?}");
    }
}
