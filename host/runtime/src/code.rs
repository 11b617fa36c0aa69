//! Machine code: which build made it, and how it is loaded.

#[cfg(feature = "compile")]
use std::path::Path;

use wasmtime::{Engine, component::Component};

/// The version of wasmtime, which `Cargo.toml` pins exactly.
pub(crate) const WASMTIME: &str = "48.0.8";

/// The build that machine code belongs to: it is written into the code, and wasmtime refuses code with another one. Wasmtime itself
/// would compare only its major version.
pub(crate) fn build() -> String {
    format!("twin {}, wasmtime {WASMTIME}", env!("CARGO_PKG_VERSION"))
}

/// Machine code that is to be loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Code<'a> {
    /// A file of the code cache. It is mapped, so that all hosts share its pages.
    #[cfg(feature = "compile")]
    Cached(&'a Path),
    /// What `twin compile` made: bytes with the digest that its manifest gives.
    Precompiled(&'a [u8]),
}

/// Loads machine code. Wasmtime refuses code of another build, of another processor, with processor features that this one
/// lacks, or with other settings of the engine. It does not notice that instructions were changed.
#[allow(
    unsafe_code,
    reason = "the file is in the code cache, which only this user can write to, or the bytes have the SHA-256 that \
              `twin compile` recorded; in both cases wasmtime made them"
)]
pub(crate) fn load(engine: &Engine, code: Code<'_>) -> wasmtime::Result<Component> {
    unsafe {
        match code {
            #[cfg(feature = "compile")]
            Code::Cached(path) => Component::deserialize_file(engine, path),
            Code::Precompiled(bytes) => Component::deserialize(engine, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_wasmtime_is_the_pinned_one() {
        let workspace = include_str!("../../../Cargo.toml");
        let pinned = format!("\nwasmtime = {{ version = \"={WASMTIME}\"");
        assert!(workspace.contains(&pinned), "{pinned}");
    }
}
