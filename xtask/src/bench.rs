//! `cargo xtask bench`: builds what is measured, and runs the benchmark.

use std::process::Command;

use crate::{layout::Layout, process};

/// Builds the benchmark and the `twin` command with the profile that is shipped, then runs the benchmark.
pub(crate) fn run(layout: &Layout, quick: bool) -> anyhow::Result<()> {
    let mut cargo = layout.cargo();
    let what = ["--profile", "dist", "-p", "twin-host", "-p", "twin-bench"];
    process::run(cargo.args(["build", "--locked"]).args(what))?;
    let mut bench = Command::new(layout.shipped("twin-bench"));
    bench.arg("run");
    if quick {
        bench.arg("--quick");
    }
    process::run(layout.point_at_components(&mut bench))
}
