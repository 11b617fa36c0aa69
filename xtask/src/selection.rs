//! Which packages are built and tested together, and with which features.
//!
//! Cargo gives a dependency the features that all selected packages ask for. The command, the tests and the examples are
//! therefore selected in the same way each time: another selection would build wasmtime again.

use std::process::Command;

use crate::components;

/// The providers of the clouds.
pub(crate) const PROVIDERS: [&str; 3] = ["twin-aws", "twin-azure", "twin-gcp"];

/// The stores of the clouds, as features of the command.
pub(crate) const FEATURES: &str = "twin-host/aws,twin-host/azure,twin-host/gcp";

/// The program that packs packages.
pub(crate) const PACKAGER: &str = "twin-package";

/// Members of the workspace that are built in another way: for wasm, for measuring, or with features that the command must
/// not have.
const APART: [&str; 7] = [
    "twin-guest",
    "twin-adapter-spin",
    "twin-rogue",
    "twin-bench",
    "twin-guard",
    "twin-cosmos-emulator",
    PACKAGER,
];

/// What is built and tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The workspace's default members.
    Default,
    /// These, the providers of the clouds, and the command with their stores.
    WithClouds,
}

impl Selection {
    /// With or without the clouds.
    pub(crate) const fn with(clouds: bool) -> Self {
        if clouds {
            Self::WithClouds
        } else {
            Self::Default
        }
    }

    /// Selects in a command of cargo.
    pub(crate) fn select(self, cargo: &mut Command) -> &mut Command {
        if self == Self::Default {
            return cargo;
        }
        cargo.args(["--workspace", "--features", FEATURES]);
        let functions = components::NAMES.iter().map(|name| format!("twin-{name}"));
        for package in APART.iter().map(|&name| name.to_owned()).chain(functions) {
            cargo.args(["--exclude", &package]);
        }
        cargo
    }
}
