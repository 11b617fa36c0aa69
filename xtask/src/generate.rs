//! `cargo xtask generate`: writes the files that are generated from tables in the code.

use crate::{layout::Layout, process};

/// Runs the tests that compare these files with the tables, and makes them write the files instead.
pub(crate) fn run(layout: &Layout) -> anyhow::Result<()> {
    let mut cargo = layout.cargo();
    cargo.env("TWIN_GENERATE", "1");
    process::run(cargo.args(["test", "--locked", "--release", "--test", "reference"]))
}
