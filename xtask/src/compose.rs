//! `--wasi`: composes every function with the WASI adapter into one file that runs on any runtime with WASI 0.3.
//!
//! The separate program `tools/compose` does this, so its dependencies are built only where something is composed.

use std::{fs, process::Command};

use anyhow::Context;

use crate::{components, layout::Layout, process, progress};

/// Composes all functions.
pub(crate) fn build(layout: &Layout) -> anyhow::Result<()> {
    let mut cargo = layout.cargo();
    cargo.args(["build", "--locked", "--release", "--bin", "twin-compose"]);
    progress::show(&mut cargo)?;
    fs::create_dir_all(layout.composed()).context("cannot create the composed files' folder")?;
    for name in components::NAMES {
        let file = format!("{name}.wasm");
        let composed = layout.composed().join(&file);
        let new = composed.with_extension("composed");
        let mut compose = Command::new(layout.release("twin-compose"));
        compose
            .arg(layout.components().join(&file))
            .arg(layout.adapters().join("wasi_adapter.wasm"))
            .arg(layout.root.join("components/adapters/wasi/empty.wat"))
            .arg(&new);
        process::run(&mut compose)?;
        let bytes = fs::read(&new).with_context(|| format!("cannot read {}", new.display()))?;
        components::place(&composed, &bytes)?;
        fs::remove_file(&new).with_context(|| format!("cannot remove {}", new.display()))?;
        println!("{name:<14} {:>7} bytes", bytes.len());
    }
    Ok(())
}
