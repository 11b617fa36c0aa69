//! Composes a component with another one that answers its imports, as Spin does with a manifest's dependency.

use std::{collections::BTreeSet, fs, path::Path};

use wac_graph::{CompositionGraph, EncodeOptions, NodeId, types::Package};

/// The result of a composition.
pub struct Composition {
    /// The composed component, which is valid.
    pub bytes: Vec<u8>,
    /// The remaining imports.
    pub imports: BTreeSet<String>,
}

/// Connects every interface of `package`, a name like `twin:multicloud@0.2.0`, that a component imports with the
/// dependency's export. The composition exports what the component exports.
pub fn compose(component: &Path, package: &str, dependency: &Path) -> Composition {
    let mut graph = CompositionGraph::new();
    let dependency = instantiate(&mut graph, "dependency", dependency);
    let component = instantiate(&mut graph, "component", component);
    let (package, version) = package.split_once('@').expect("a package and its version");
    let from_package = |name: &&String| {
        let interface = name.strip_suffix(version);
        interface.is_some_and(|name| name.starts_with(&format!("{package}/")))
    };
    for import in component.imports.iter().filter(from_package) {
        assert!(
            dependency.exports.contains(import),
            "the dependency lacks {import}"
        );
        let export = graph
            .alias_instance_export(dependency.instance, import)
            .unwrap();
        graph
            .set_instantiation_argument(component.instance, import, export)
            .unwrap_or_else(|error| panic!("{import} does not fit: {error}"));
    }
    for name in &component.exports {
        let export = graph
            .alias_instance_export(component.instance, name)
            .unwrap();
        graph.export(export, name).unwrap();
    }
    // Encoding validates: incompatible types would fail here.
    let bytes = graph.encode(EncodeOptions::default());
    let imports = graph.imports().map(|(name, ..)| name.to_owned());
    Composition {
        imports: imports.collect(),
        bytes: bytes.expect("a valid component"),
    }
}

/// The imports of a component.
pub fn imports(component: &Path) -> Vec<String> {
    instantiate(&mut CompositionGraph::new(), "component", component).imports
}

struct Part {
    instance: NodeId,
    imports: Vec<String>,
    exports: Vec<String>,
}

fn instantiate(graph: &mut CompositionGraph, name: &str, file: &Path) -> Part {
    let bytes = fs::read(file)
        .unwrap_or_else(|error| panic!("{}: {error}; cargo xtask build", file.display()));
    let name = format!("test:{name}");
    let package = Package::from_bytes(&name, None, bytes, graph.types_mut()).expect("a component");
    let package = graph.register_package(package).expect("a name used once");
    let world = &graph.types()[graph[package].ty()];
    Part {
        imports: world.imports.keys().cloned().collect(),
        exports: world.exports.keys().cloned().collect(),
        instance: graph.instantiate(package),
    }
}
