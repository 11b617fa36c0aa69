//! Checks licences, bans and sources of the dependencies against `deny.toml`.

use crate::{layout::Layout, process, steps::Check};

/// Runs cargo-deny if it is installed. Its check of advisories is left out, because it downloads a database.
pub(crate) fn run(layout: &Layout) -> anyhow::Result<Check> {
    if process::read(layout.cargo().args(["deny", "--version"])).is_err() {
        return Ok(Check::Skipped("cargo-deny is not installed".to_owned()));
    }
    let mut cargo = layout.cargo();
    cargo.args(["deny", "--locked", "check"]);
    process::run(cargo.args(["licenses", "bans", "sources"]))?;
    Ok(Check::Done)
}
