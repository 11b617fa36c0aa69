//! `cargo xtask generate`: writes the files that are generated from tables in the code.

use crate::{layout::Layout, process, selection::Selection};

/// Runs the tests that compare these files with the tables, and makes them write the files instead. The tables are those of the
/// build that has everything.
pub(crate) fn run(layout: &Layout) -> anyhow::Result<()> {
    let mut cargo = layout.cargo();
    cargo.env("TWIN_GENERATE", "1");
    cargo.args(["test", "--locked", "--release", "--test", "reference"]);
    process::run(Selection::WithClouds.select(&mut cargo))
}
