//! `cargo xtask demo`: runs `twin demo`.

use std::{ffi::OsString, process::Command};

use crate::layout::Layout;

/// Says how long it will take, if nothing is built yet.
pub(crate) fn announce(layout: &Layout) {
    if !layout.twin().exists() {
        println!("The first build takes several minutes, later ones seconds.");
    }
}

/// Runs `twin demo`.
pub(crate) fn run(layout: &Layout, args: &[OsString]) -> anyhow::Result<()> {
    let mut twin = Command::new(layout.twin());
    twin.arg("demo").args(args);
    hand_over(layout.point_at_components(&mut twin))
}

/// Replaces this process, so that signals and the exit code are the demo's own.
#[cfg(unix)]
fn hand_over(twin: &mut Command) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt;

    let why = twin.exec();
    Err(anyhow::Error::new(why).context("cannot start twin demo"))
}

/// If a process cannot be replaced, this one waits for it.
#[cfg(not(unix))]
fn hand_over(twin: &mut Command) -> anyhow::Result<()> {
    crate::process::run(twin)
}
