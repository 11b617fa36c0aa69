//! Composes each function with the adapter as Spin does, and looks at what is left to import.

use std::{collections::BTreeSet, fs};

use twin_tests::components;
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, types::Package};

const FUNCTIONS: [&str; 5] = [
    "connector",
    "ingestion",
    "writer",
    "reader",
    "error-reporter",
];

/// What Spin gives a component.
fn offered() -> BTreeSet<&'static str> {
    include_str!("spin-4.1-interfaces.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

fn instantiate(graph: &mut CompositionGraph, name: &str, file: &str) -> (NodeId, Names) {
    let path = components().join(file);
    let bytes = fs::read(&path).expect("`cargo xtask build` made it");
    let name = format!("test:{name}");
    let package = Package::from_bytes(&name, None, bytes, graph.types_mut()).expect("a component");
    let package = graph.register_package(package).expect("a name used once");
    let world = &graph.types()[graph[package].ty()];
    let names = Names {
        imports: world.imports.keys().cloned().collect(),
        exports: world.exports.keys().cloned().collect(),
    };
    (graph.instantiate(package), names)
}

struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

/// The dependency `twin:multicloud@0.1.0`: every interface of the package that the function imports comes from the adapter.
/// Returns what the whole still imports.
fn compose(function: &str) -> BTreeSet<String> {
    let mut graph = CompositionGraph::new();
    let adapter = "adapters/spin_adapter.wasm";
    let (adapter, offers) = instantiate(&mut graph, "adapter", adapter);
    let file = format!("{function}.wasm");
    let (instance, names) = instantiate(&mut graph, function, &file);
    let from_package = |name: &&String| name.starts_with("twin:multicloud/");
    for import in names.imports.iter().filter(from_package) {
        assert!(
            offers.exports.contains(import),
            "the adapter lacks {import}"
        );
        let export = graph.alias_instance_export(adapter, import).unwrap();
        graph
            .set_instantiation_argument(instance, import, export)
            .unwrap_or_else(|error| panic!("{import} does not fit: {error}"));
    }
    for name in &names.exports {
        let export = graph.alias_instance_export(instance, name).unwrap();
        graph.export(export, name).unwrap();
    }
    // Encoding validates: types that do not fit together would show here.
    graph
        .encode(EncodeOptions::default())
        .expect("a valid component");
    let left = graph.imports().map(|(name, ..)| name.to_owned());
    left.collect()
}

#[test]
fn a_function_composed_with_the_adapter_asks_for_nothing_that_spin_lacks() {
    let offered = offered();
    for function in FUNCTIONS {
        let left = compose(function);
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
        let mut graph = CompositionGraph::new();
        let (_, names) = instantiate(&mut graph, function, &format!("{function}.wasm"));
        let beyond = |name: &&String| {
            name.starts_with("spin:")
                || name.starts_with("wasi:http/client")
                || name.starts_with("wasi:filesystem")
        };
        let asked: Vec<_> = names.imports.iter().filter(beyond).collect();
        assert!(asked.is_empty(), "{function} asks for {asked:?}");
    }
}
