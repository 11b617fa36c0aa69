//! Runs `tools/debian-wasm`, which makes a toolchain from Debian's own packages, for machines where rustup cannot download
//! a target.

use std::{path::PathBuf, process::Command};

use anyhow::Context;

use crate::{layout::Layout, process};

/// The toolchain, whether it is made or not.
pub(crate) struct Debian<'a> {
    layout: &'a Layout,
    home: PathBuf,
}

impl<'a> Debian<'a> {
    /// The toolchain in a target folder.
    pub(crate) fn new(layout: &'a Layout) -> Self {
        let home = layout.made_toolchain();
        Self { layout, home }
    }

    /// Whether it has been made. If the recipe has changed since, `make` makes it again.
    pub(crate) fn is_made(&self) -> bool {
        self.home.join("stamp").is_file()
    }

    /// Whether it can be made on this machine.
    pub(crate) fn is_supported(&self) -> anyhow::Result<bool> {
        Ok(process::read(self.tool().arg("supported"))?.trim() == "yes")
    }

    /// Makes it, unless it exists, and returns its compiler.
    pub(crate) fn make(&self) -> anyhow::Result<PathBuf> {
        process::run(self.tool().arg("make").arg(&self.home))
            .context("cannot make a toolchain of Debian's packages")?;
        Ok(self.home.join("rustc"))
    }

    fn tool(&self) -> Command {
        let mut cargo = self.layout.cargo();
        cargo.args(["run", "--quiet", "--locked", "--release"]);
        cargo.args(["-p", "twin-debian-wasm", "--"]);
        cargo
    }
}
