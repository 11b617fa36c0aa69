//! Precompiled components: a folder with machine code, `connector.cwasm`, …, and the manifest `precompiled.json`. `twin compile` makes
//! it; a build without the compiler runs nothing else.
//!
//! Code is loaded if the manifest names this build and this kind of machine, and if the file has the digest that the manifest gives. The
//! digest is of the bytes that are then loaded, so that a file that changes in between does no harm. Wasmtime itself also
//! compares the build, the settings of the engine and the features of the processor. Together this finds mix-ups and damage. It
//! does not protect from somebody who can write both files: they belong to the program, and need the same protection.

#[cfg(feature = "compile")]
mod make;
mod manifest;
mod target;

use std::{
    fs,
    path::{Path, PathBuf},
};

use twin_contract::digest;
use wasmtime::{Engine, component::Component};

use crate::{
    RuntimeError,
    code::{self, Code},
};

#[cfg(feature = "compile")]
pub use make::{Compiled, compile};
pub use manifest::Origin;
use manifest::{FILE, Manifest};
pub use target::{Target, UnknownTarget};

/// The ending of the files with machine code.
pub const EXTENSION: &str = "cwasm";

/// A folder of precompiled components that this build can run on this machine.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    manifest: Manifest,
}

impl Folder {
    /// Reads the manifest.
    ///
    /// # Errors
    /// If there is none, if it is not a manifest, or if it is of another build or for another kind of machine.
    pub(crate) fn open(path: &Path) -> Result<Self, RuntimeError> {
        let file = path.join(FILE);
        let text = fs::read(&file).map_err(|source| RuntimeError::ManifestUnreadable {
            path: file.clone(),
            source,
        })?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|source| RuntimeError::ManifestInvalid {
                path: file.clone(),
                source,
            })?;
        let here = Origin::here();
        if manifest.origin != here {
            return Err(RuntimeError::OfAnotherBuild {
                path: file,
                made_for: Box::new(manifest.origin),
                here: Box::new(here),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            manifest,
        })
    }

    /// Loads the machine code of the file `{name}.cwasm`, which is named after its function. Returns it with the digest of the portable
    /// component that it was made of.
    ///
    /// # Errors
    /// If the name is not in the manifest, its file cannot be read or does not have the digest that the manifest
    /// gives, or wasmtime refuses it.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        name: &str,
    ) -> Result<(String, Component), RuntimeError> {
        let entry = self.manifest.functions.get(name);
        let entry = entry.ok_or_else(|| RuntimeError::NotPrecompiled {
            name: name.to_owned(),
            path: self.path.join(FILE),
        })?;
        let path = self.path.join(format!("{name}.{EXTENSION}"));
        let code = fs::read(&path).map_err(|source| RuntimeError::ComponentUnreadable {
            path: path.clone(),
            source,
        })?;
        let found = digest(&code);
        if found != entry.precompiled {
            return Err(RuntimeError::DigestDiffers {
                path,
                expected: entry.precompiled.clone(),
                found,
            });
        }
        let component = code::load(engine, Code::Precompiled(&code))
            .map_err(|source| RuntimeError::ComponentInvalid { path, source })?;
        Ok((entry.component.clone(), component))
    }
}

#[cfg(test)]
#[cfg(feature = "compile")]
mod tests;
