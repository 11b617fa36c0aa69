//! The manifest beside precompiled components: which build made them, for which machine, from which bytes.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::Target;
use crate::code;

/// The name of its file.
pub(crate) const FILE: &str = "precompiled.json";

/// The content of `precompiled.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// What the machine code belongs to.
    #[serde(flatten)]
    pub(crate) origin: Origin,
    /// The precompiled components, by function.
    pub(crate) functions: BTreeMap<String, Entry>,
}

/// A build of `twin`, and a kind of machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The version of `twin`.
    pub twin: String,
    /// The version of wasmtime.
    pub wasmtime: String,
    /// The name of the [`Target`].
    pub target: String,
}

impl Origin {
    /// This build, for a machine of this kind.
    pub fn of(target: Target) -> Self {
        Self::named(target.as_str())
    }

    /// This build, on this machine.
    pub(crate) fn here() -> Self {
        Self::named(Target::here().map_or(std::env::consts::ARCH, Target::as_str))
    }

    fn named(target: &str) -> Self {
        Self {
            twin: env!("CARGO_PKG_VERSION").to_owned(),
            wasmtime: code::WASMTIME.to_owned(),
            target: target.to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            twin,
            wasmtime,
            target,
        } = self;
        write!(
            formatter,
            "twin {twin} with wasmtime {wasmtime} on {target}"
        )
    }
}

/// A precompiled component. Digests are lower-case hex SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Of the portable component, as in logs and `twin inspect`.
    pub(crate) component: String,
    /// Of the machine code.
    pub(crate) precompiled: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let entry = Entry {
            component: "aa".to_owned(),
            precompiled: "bb".to_owned(),
        };
        let manifest = Manifest {
            origin: Origin::of(Target::Aarch64Linux),
            functions: [("writer".to_owned(), entry)].into(),
        };
        let text = serde_json::to_string(&manifest).unwrap();
        assert!(
            text.contains(r#""target":"aarch64-unknown-linux-gnu""#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
    }
}
