//! The same components in a stock runtime, through `wasi:http`: where there is one, and a component that it can run.

use std::{
    env,
    process::{Command, Stdio},
};

use crate::places::Places;

/// Why the stock runtime is not among the figures.
pub(crate) fn absent() -> anyhow::Result<String> {
    let program = env::var("WASMTIME").unwrap_or_else(|_| "wasmtime".to_owned());
    let mut wasmtime = Command::new(&program);
    wasmtime
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if !wasmtime.status().is_ok_and(|status| status.success()) {
        return Ok(format!(
            "`{program} serve`: not installed here (on PATH, or named by WASMTIME)"
        ));
    }
    let composed = Places::find()?.components.join("composed/writer.wasm");
    Ok(if composed.is_file() {
        format!(
            "`{program} serve`: there is {}, but the bench cannot run it yet",
            composed.display()
        )
    } else {
        format!("`{program} serve`: installed, but no component is composed with adapters for it")
    })
}
