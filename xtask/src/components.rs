//! Builds the function components and puts them where the host looks for them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use sha2::{Digest, Sha256};

use crate::{layout::Layout, process, toolchain::Toolchain};

/// The function components. Package, artefact and file follow from the name: `error-reporter` is the package
/// `twin-error-reporter` and the artefact `error_reporter.wasm`.
pub(crate) const NAMES: [&str; 5] = [
    "connector",
    "ingestion",
    "writer",
    "reader",
    "error-reporter",
];

/// The component that misbehaves, for tests of the runtime. It is loaded in the place of a function.
pub(crate) const ROGUE: &str = "rogue";
const ROGUE_AS: &str = "writer";

/// Builds all components, then prints what came out.
pub(crate) fn build(layout: &Layout, toolchain: &Toolchain) -> anyhow::Result<()> {
    let built = compile(layout, toolchain, &NAMES)?;
    fs::create_dir_all(layout.components()).context("cannot create the components' folder")?;
    for name in NAMES {
        let from = built.join(format!("{}.wasm", name.replace('-', "_")));
        let to = layout.components().join(format!("{name}.wasm"));
        let bytes = place(&from, &to)?;
        let digest = Sha256::digest(&bytes);
        println!("{name:<14} {:>7} bytes  sha256 {digest:x}", bytes.len());
    }
    Ok(())
}

/// Builds the component that misbehaves.
pub(crate) fn build_rogue(layout: &Layout, toolchain: &Toolchain) -> anyhow::Result<()> {
    let built = compile(layout, toolchain, &[ROGUE])?;
    let folder = layout.test_components();
    fs::create_dir_all(&folder).context("cannot create the test components' folder")?;
    let from = built.join(format!("{ROGUE}.wasm"));
    place(&from, &folder.join(format!("{ROGUE_AS}.wasm"))).map(drop)
}

/// Compiles components, and returns the folder with the artefacts.
fn compile(layout: &Layout, toolchain: &Toolchain, names: &[&str]) -> anyhow::Result<PathBuf> {
    let mut cargo = layout.cargo();
    cargo
        .args(["build", "--locked", "--profile", "component"])
        .args(["--target", "wasm32-wasip2", "--target-dir"])
        .arg(layout.guest_target());
    for name in names {
        cargo.arg("-p").arg(format!("twin-{name}"));
    }
    cargo.env("RUSTC", &toolchain.rustc);
    if let Some(tools) = &toolchain.linker_tools {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let all = tools.iter().cloned().chain(env::split_paths(&inherited));
        cargo.env("PATH", env::join_paths(all).context("PATH is unusable")?);
    }
    process::run(&mut cargo)?;
    Ok(layout.guest_target().join("wasm32-wasip2/component"))
}

/// Copies only what differs: an unchanged file keeps its time, and a host that watches it stays calm.
fn place(from: &Path, to: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if !fs::read(to).is_ok_and(|old| old == bytes) {
        // Under another name first: nobody ever loads half a component.
        let part = to.with_extension("wasm.part");
        fs::write(&part, &bytes).with_context(|| format!("cannot write {}", part.display()))?;
        fs::rename(&part, to).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(bytes)
}
