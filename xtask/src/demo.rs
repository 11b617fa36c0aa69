//! `cargo xtask demo`: runs `twin demo`.

use std::{ffi::OsString, process::Command};

use crate::{emulators, layout::Layout, process, selection::Selection, steps::Steps};

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

/// Runs the hosts of a twin over emulators of the clouds' services.
pub(crate) fn run_over_clouds(layout: &Layout, steps: &mut Steps) -> anyhow::Result<()> {
    const DEMO: &str = "three-clouds";
    steps.run("the demo", || {
        let mut cargo = layout.cargo();
        cargo.args(["build", "--locked", "--release", "--bin", DEMO]);
        process::run(Selection::WithClouds.select(&mut cargo))
    })?;
    let running = emulators::start(layout, steps)?;
    let mut demo = Command::new(layout.release(DEMO));
    demo.envs(running.variables.iter().map(|(name, value)| (name, value)));
    process::run(layout.point_at_components(&mut demo))
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
