//! `cargo xtask bench`: builds what is measured and hands over to the bench.

use std::process::Command;

use crate::{layout::Layout, process};

/// Builds the bench, then runs it.
pub(crate) fn run(layout: &Layout, quick: bool) -> anyhow::Result<()> {
    let mut cargo = layout.cargo();
    process::run(cargo.args(["build", "--locked", "--release", "-p", "twin-bench"]))?;
    let mut bench = Command::new(layout.release("twin-bench"));
    bench.arg("run");
    if quick {
        bench.arg("--quick");
    }
    process::run(layout.point_at_components(&mut bench))
}
