//! Loads a component: reads it, checks it against its world, compiles it.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use twin_contract::digest;
use wasmtime::component::Component;

use super::{
    RuntimeError, RuntimeSettings, Sandbox,
    cache::Cache,
    worlds::{Imports, Worlds},
};
use twin_capabilities::function::FunctionName;

/// A component that was checked and compiled.
pub struct Image {
    pub(super) function: FunctionName,
    pub(super) digest: String,
    pub(super) component: Component,
}

impl fmt::Debug for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Image")
            .field("function", &self.function)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Image {
    /// Loads a function's component from the folder of components.
    ///
    /// # Errors
    /// If the file is missing or broken, or imports more than its world allows.
    pub(super) fn load(
        sandbox: &Sandbox,
        settings: &RuntimeSettings,
        function: FunctionName,
    ) -> Result<Self, RuntimeError> {
        let path = settings.components.join(format!("{function}.wasm"));
        let bytes = read(&path)?;
        let digest = digest(&bytes);
        let cache = settings.cache.as_deref().and_then(Cache::open);
        let compiled = match cache {
            Some(cache) => cache.compile(&sandbox.engine, &digest, &bytes),
            None => Component::new(&sandbox.engine, &bytes),
        };
        let component = compiled.map_err(|source| invalid(&path, source))?;
        let imports = Worlds::parse()?.sort(function, names(sandbox, &component));
        if !imports.refused.is_empty() {
            return Err(RuntimeError::ImportRefused {
                function,
                imports: imports.refused,
            });
        }
        tracing::info!(
            function = function.as_str(),
            sha256 = digest,
            "component loaded"
        );
        Ok(Self {
            function,
            digest,
            component,
        })
    }
}

/// What `twin inspect` shows of a file: its digest, and its imports checked against the world of `function`.
///
/// # Errors
/// If the file cannot be read, or is not a component.
pub fn read_component(
    sandbox: &Sandbox,
    path: &Path,
    function: FunctionName,
) -> Result<(String, Imports), RuntimeError> {
    let bytes = read(path)?;
    let component =
        Component::new(&sandbox.engine, &bytes).map_err(|source| invalid(path, source))?;
    let imports = Worlds::parse()?.sort(function, names(sandbox, &component));
    Ok((digest(&bytes), imports))
}

fn names(sandbox: &Sandbox, component: &Component) -> Vec<String> {
    let engine = &sandbox.engine;
    let ty = component.component_type();
    ty.imports(engine)
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn read(path: &Path) -> Result<Vec<u8>, RuntimeError> {
    fs::read(path).map_err(|source| RuntimeError::ComponentUnreadable {
        path: PathBuf::from(path),
        source,
    })
}

fn invalid(path: &Path, source: wasmtime::Error) -> RuntimeError {
    RuntimeError::ComponentInvalid {
        path: PathBuf::from(path),
        source,
    }
}
