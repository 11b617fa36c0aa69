//! The machines that components are compiled for.

use std::{env, fmt, str::FromStr};

/// A kind of machine. Code for it uses only what every processor of its kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Linux on x86-64: SSE2, and no later extension.
    X86_64Linux,
    /// Linux on 64-bit ARM: ARMv8.0-A.
    Aarch64Linux,
}

impl Target {
    /// All targets.
    pub const ALL: [Self; 2] = [Self::X86_64Linux, Self::Aarch64Linux];

    /// The kind of this machine; `None` if it is none of these.
    pub fn here() -> Option<Self> {
        match (env::consts::OS, env::consts::ARCH) {
            ("linux", "x86_64") => Some(Self::X86_64Linux),
            ("linux", "aarch64") => Some(Self::Aarch64Linux),
            _ => None,
        }
    }

    /// Its name, as Rust and LLVM have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X86_64Linux => "x86_64-unknown-linux-gnu",
            Self::Aarch64Linux => "aarch64-unknown-linux-gnu",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A name that belongs to no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown target `{0}`: use x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu")]
pub struct UnknownTarget(pub String);

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|target| target.as_str() == name)
            .ok_or_else(|| UnknownTarget(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_known_by_its_name() {
        for target in Target::ALL {
            assert_eq!(target.to_string().parse(), Ok(target));
            let error = UnknownTarget("z80".to_owned()).to_string();
            assert!(error.contains(target.as_str()), "{error}");
        }
        assert_eq!(
            "z80".parse::<Target>(),
            Err(UnknownTarget("z80".to_owned()))
        );
    }
}
