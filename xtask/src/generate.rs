//! `cargo xtask generate`: writes the files that are made from the tables in the code.

use crate::{layout::Layout, process};

/// Runs the tests that compare these files with the tables, and lets them write instead.
pub(crate) fn run(layout: &Layout) -> anyhow::Result<()> {
    let mut cargo = layout.cargo();
    cargo.env("TWIN_GENERATE", "1");
    process::run(cargo.args(["test", "--locked", "--release", "--test", "reference"]))
}
