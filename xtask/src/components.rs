//! Builds the function components and copies them to where the host looks for them.

use std::{env, fs, path::Path};

use anyhow::Context;
use sha2::{Digest, Sha256};

use crate::{layout::Layout, progress, strip, toolchain::Toolchain};

/// The function components. Package, artefact and file follow from the name: `error-reporter` is the package
/// `twin-error-reporter` and the artefact `error_reporter.wasm`.
pub(crate) const NAMES: [&str; 5] = [
    "connector",
    "ingestion",
    "writer",
    "reader",
    "error-reporter",
];

/// The component that misbehaves, for tests of the runtime. It is loaded instead of a function.
pub(crate) const ROGUE: &str = "rogue";
const ROGUE_AS: &str = "writer";

/// The adapters, by package and artefact.
const ADAPTERS: [(&str, &str); 2] = [
    ("twin-adapter-spin", "spin_adapter.wasm"),
    ("twin-adapter-wasi", "wasi_adapter.wasm"),
];

/// Builds all functions, then prints their sizes and digests.
pub(crate) fn build(layout: &Layout, toolchain: &Toolchain) -> anyhow::Result<()> {
    compile(
        layout,
        toolchain,
        NAMES.iter().map(|name| format!("twin-{name}")),
    )?;
    fs::create_dir_all(layout.components()).context("cannot create the components' folder")?;
    for name in NAMES {
        let built = layout
            .built()
            .join(format!("{}.wasm", name.replace('-', "_")));
        publish(
            name,
            &built,
            &layout.components().join(format!("{name}.wasm")),
        )?;
    }
    Ok(())
}

/// Builds the adapters. They are not built together with the functions: cargo would give both the same features, and a
/// function's bytes must not depend on what is built together with it.
pub(crate) fn build_adapters(layout: &Layout, toolchain: &Toolchain) -> anyhow::Result<()> {
    compile(
        layout,
        toolchain,
        ADAPTERS.iter().map(|(package, _)| (*package).to_owned()),
    )?;
    fs::create_dir_all(layout.adapters()).context("cannot create the adapters' folder")?;
    for (package, file) in ADAPTERS {
        publish(
            package,
            &layout.built().join(file),
            &layout.adapters().join(file),
        )?;
    }
    Ok(())
}

/// Builds the component that misbehaves, under the name of a function.
pub(crate) fn build_rogue(layout: &Layout, toolchain: &Toolchain) -> anyhow::Result<()> {
    let package = format!("twin-{ROGUE}");
    compile(layout, toolchain, std::iter::once(package))?;
    let folder = layout.test_components();
    fs::create_dir_all(&folder).context("cannot create the test components' folder")?;
    let built = layout.built().join(format!("{ROGUE}.wasm"));
    publish(ROGUE, &built, &folder.join(format!("{ROGUE_AS}.wasm")))
}

/// Builds the cost optimizer, which is no component: it has to build for wherever it may be used.
pub(crate) fn build_cost(layout: &Layout, toolchain: &Toolchain) -> anyhow::Result<()> {
    compile(layout, toolchain, std::iter::once("twin-cost".to_owned()))
}

fn compile(
    layout: &Layout,
    toolchain: &Toolchain,
    packages: impl Iterator<Item = String>,
) -> anyhow::Result<()> {
    let mut cargo = layout.cargo();
    cargo
        .args(["build", "--locked", "--profile", "component"])
        .args(["--target", "wasm32-wasip2", "--target-dir"])
        .arg(layout.guest_target());
    for package in packages {
        cargo.args(["-p", &package]);
    }
    cargo.env("RUSTC", &toolchain.rustc);
    if let Some(tools) = &toolchain.linker_tools {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let all = tools.iter().cloned().chain(env::split_paths(&inherited));
        cargo.env("PATH", env::join_paths(all).context("PATH is unusable")?);
    }
    progress::show(&mut cargo)
}

/// Copies a built file, stripped, to its final place, and prints its size and digest.
fn publish(name: &str, from: &Path, to: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    let bytes = strip::custom_sections(&bytes)
        .with_context(|| format!("cannot strip {}", from.display()))?;
    place(to, &bytes)?;
    let digest = Sha256::digest(&bytes);
    println!("{name:<17} {:>7} bytes  sha256 {digest:x}", bytes.len());
    Ok(())
}

/// Writes a file only if it differs, so an unchanged file keeps its time, and a host that watches it does not react.
pub(crate) fn place(to: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if !fs::read(to).is_ok_and(|old| old == bytes) {
        // Written under another name first, so that a partly written component is never loaded.
        let part = to.with_extension("wasm.part");
        fs::write(&part, bytes).with_context(|| format!("cannot write {}", part.display()))?;
        fs::rename(&part, to).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}
