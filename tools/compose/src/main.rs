//! Composes a function with the WASI adapter into one component, which runs on any runtime with WASI 0.3.
//!
//! ```text
//! twin-compose FUNCTION ADAPTER EMPTY OUT
//! ```
//!
//! EMPTY is `components/adapters/wasi/empty.wat`.
//! The function gets its capabilities from the adapter and an empty environment from EMPTY. Only the adapter can reach the
//! runtime's environment, folder and network. The function's own bytes are not changed.
//!
//! `cargo xtask build --wasi` runs it for each function.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use wac_graph::{
    CompositionGraph, EncodeOptions, NodeId, PackageId,
    types::{Package, are_semver_compatible},
};

/// What a function may import from the runtime itself: clocks, random numbers, streams for panic messages, and the types of
/// door 2. None of these gives access to a file, a variable or a network.
const OPEN: [&str; 11] = [
    "wasi:cli/exit@",
    "wasi:cli/stderr@",
    "wasi:cli/stdin@",
    "wasi:cli/stdout@",
    "wasi:cli/terminal-",
    "wasi:clocks/",
    "wasi:http/types@",
    "wasi:io/error@",
    "wasi:io/poll@",
    "wasi:io/streams@",
    "wasi:random/",
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If even stderr is gone, the exit code still reports the failure.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [function, adapter, empty, out] = arguments.as_slice() else {
        bail!("expected FUNCTION ADAPTER EMPTY OUT");
    };
    let empty = wat::parse_file(empty).context("the empty environment")?;
    let composed = compose(&read(function)?, &read(adapter)?, &empty).with_context(|| {
        let name = function.display();
        format!("cannot compose {name} with the WASI adapter")
    })?;
    fs::write(out, composed).with_context(|| format!("cannot write {}", out.display()))
}

fn compose(function: &[u8], adapter: &[u8], empty: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let function = register(&mut graph, "function", function)?;
    let adapter = register(&mut graph, "adapter", adapter)?;
    let empty = register(&mut graph, "empty", empty)?;

    let empty = (graph.instantiate(empty), exports(&graph, empty));
    let adapter_imports = imports(&graph, adapter);
    let adapter = (graph.instantiate(adapter), exports(&graph, adapter));
    connect(&mut graph, adapter.0, &adapter_imports, &[&empty])?;

    let (needs, offers) = (imports(&graph, function), exports(&graph, function));
    let function = graph.instantiate(function);
    for name in connect(&mut graph, function, &needs, &[&adapter, &empty])? {
        if !OPEN.iter().any(|prefix| name.starts_with(prefix)) {
            bail!("the function imports {name}, which neither the adapter nor a sandbox offers");
        }
    }
    for name in offers {
        let export = graph.alias_instance_export(function, &name)?;
        graph.export(export, &name)?;
    }
    Ok(graph.encode(EncodeOptions::default())?)
}

fn register(graph: &mut CompositionGraph, name: &str, bytes: &[u8]) -> anyhow::Result<PackageId> {
    let package = Package::from_bytes(&format!("twin:{name}"), None, bytes, graph.types_mut())?;
    Ok(graph.register_package(package)?)
}

/// Connects the imports of an instance with exports of the same names. Returns the names that remain open.
fn connect(
    graph: &mut CompositionGraph,
    instance: NodeId,
    imports: &[String],
    others: &[&(NodeId, Vec<String>)],
) -> anyhow::Result<Vec<String>> {
    let mut open = Vec::new();
    for import in imports {
        let offer = others.iter().find_map(|(other, exports)| {
            let export = exports.iter().find(|export| fits(export, import))?;
            Some((*other, export))
        });
        match offer {
            Some((other, export)) => {
                let export = graph.alias_instance_export(other, export)?;
                graph.set_instantiation_argument(instance, import, export)?;
            }
            None => open.push(import.clone()),
        }
    }
    Ok(open)
}

/// Whether an export satisfies an import. Any compatible version is accepted, because std does not stay at 0.2.6.
fn fits(export: &str, import: &str) -> bool {
    export == import || are_semver_compatible(export, import)
}

fn imports(graph: &CompositionGraph, package: PackageId) -> Vec<String> {
    let world = &graph.types()[graph[package].ty()];
    world.imports.keys().cloned().collect()
}

fn exports(graph: &CompositionGraph, package: PackageId) -> Vec<String> {
    let world = &graph.types()[graph[package].ty()];
    world.exports.keys().cloned().collect()
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
