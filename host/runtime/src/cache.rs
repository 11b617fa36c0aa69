//! Precompiled code on disk: compiling takes half a second, loading a few milliseconds.
//!
//! Precompiled code is machine code that runs with the host's own rights, so only files that this host wrote are loaded:
//! from a folder that belongs to the same user and that no other user can write to, under a name that contains the
//! component's digest and the engine's version and settings. A build without the compiler has no cache: see
//! [`crate::precompiled`].

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use wasmtime::{Engine, component::Component};

use super::code::{self, Code};

/// A folder of precompiled code.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens the folder, and creates it if necessary. `None`, with a warning, if it is not private.
    pub fn open(folder: &Path) -> Option<Self> {
        let opened = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .and_then(|()| is_private(folder));
        match opened {
            Ok(true) => Some(Self {
                folder: folder.to_owned(),
            }),
            Ok(false) => {
                tracing::warn!(folder = %folder.display(), "code cache not used: others can write to it");
                None
            }
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "code cache not used");
                None
            }
        }
    }

    /// The compiled component: read from the folder, or compiled now and stored there. `digest` is the lower-case hex
    /// SHA-256 of `bytes`.
    ///
    /// # Errors
    /// If the bytes are not a component.
    pub fn compile(
        &self,
        engine: &Engine,
        digest: &str,
        bytes: &[u8],
    ) -> wasmtime::Result<Component> {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let version = env!("CARGO_PKG_VERSION");
        let name = format!("{digest}-{version}-{:016x}.cwasm", hasher.finish());
        let path = self.folder.join(name);
        if path.exists() {
            match code::load(engine, Code::Cached(&path)) {
                Ok(component) => return Ok(component),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "precompiled code not used");
                }
            }
        }
        let component = Component::new(engine, bytes)?;
        if let Err(error) = component.serialize().map(|code| keep(&path, &code)) {
            tracing::warn!(path = %path.display(), %error, "precompiled code not kept");
        }
        Ok(component)
    }
}

/// Writes under another name first, so that an incomplete file is never loaded and two processes can write at once.
fn keep(path: &Path, code: &[u8]) -> io::Result<()> {
    let part = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&part, code)?;
    fs::set_permissions(&part, fs::Permissions::from_mode(0o600))?;
    fs::rename(part, path)
}

/// Whether the folder belongs to this process's user and no other user can write to it.
fn is_private(folder: &Path) -> io::Result<bool> {
    let folder = fs::metadata(folder)?;
    let own = rustix::process::geteuid().as_raw();
    Ok(folder.uid() == own && folder.mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("made");
        assert!(Cache::open(&cache).is_some());
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Cache::open(&cache).is_none());
    }

    #[test]
    fn code_is_compiled_once_and_broken_code_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache")).unwrap();
        let engine = Engine::default();
        let compile = || {
            cache
                .compile(&engine, "digest", b"\0asm\x0d\0\x01\0")
                .map(drop)
        };
        compile().unwrap();
        let files: Vec<_> = fs::read_dir(&cache.folder).unwrap().collect();
        assert_eq!(files.len(), 1);
        let path = files[0].as_ref().unwrap().path();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        compile().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
        fs::write(&path, b"broken").unwrap();
        compile().unwrap();
        assert!(fs::read(&path).unwrap().len() > 6);
    }
}
