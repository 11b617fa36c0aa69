//! Loads a component: reads it, compiles it if necessary, checks it against its world.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use twin_capabilities::function::FunctionName;
use twin_contract::digest;
use wasmparser::{BinaryReaderError, Parser, Payload};
use wasmtime::{Engine, component::Component};

#[cfg(feature = "compile")]
use super::cache::Cache;
use super::{
    Form, RuntimeError, RuntimeSettings, Sandbox,
    engine::settings,
    precompiled::{EXTENSION, Folder},
    worlds::{self, Imports},
};

/// A component that was compiled and checked.
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
    /// If the file is missing or broken, or imports more than its world allows. This is read from what will run, also if it
    /// was compiled elsewhere.
    pub(super) fn load(
        sandbox: &Sandbox,
        settings: &RuntimeSettings,
        function: FunctionName,
    ) -> Result<Self, RuntimeError> {
        let engine = &sandbox.engine;
        let (digest, component) = match settings.form {
            #[cfg(feature = "compile")]
            Form::Portable => compiled(engine, settings, function)?,
            Form::Precompiled => {
                Folder::open(&settings.components)?.load(engine, function.as_str())?
            }
        };
        let imports = worlds::sort(function, names(engine, &component));
        imports.permitted(function)?;
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

#[cfg(feature = "compile")]
fn compiled(
    engine: &Engine,
    settings: &RuntimeSettings,
    function: FunctionName,
) -> Result<(String, Component), RuntimeError> {
    let path = settings.components.join(format!("{function}.wasm"));
    let bytes = read(&path)?;
    let digest = digest(&bytes);
    let cache = settings.cache.as_deref().and_then(Cache::open);
    let compiled = match cache {
        Some(cache) => cache.compile(engine, &digest, &bytes),
        None => Component::new(engine, &bytes),
    };
    let component = compiled.map_err(|source| RuntimeError::ComponentInvalid { path, source })?;
    Ok((digest, component))
}

/// What `twin inspect` shows of a file: the digest of the portable component, and its imports checked against the world of `function`.
/// A file `….cwasm` is machine code with its manifest beside it.
///
/// # Errors
/// If the file cannot be read, is not a component, or is machine code that this build cannot run.
pub fn read_component(
    path: &Path,
    function: FunctionName,
) -> Result<(String, Imports), RuntimeError> {
    let (digest, imports) = if path.extension().is_some_and(|ending| ending == EXTENSION) {
        let engine = settings().and_then(|settings| Engine::new(&settings));
        let engine = engine.map_err(RuntimeError::Engine)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let (digest, component) = Folder::open(folder)?.load(&engine, &name)?;
        (digest, names(&engine, &component))
    } else {
        let bytes = read(path)?;
        (digest(&bytes), imports(path, &bytes)?)
    };
    Ok((digest, worlds::sort(function, imports)))
}

/// The imports of a component that is compiled or precompiled.
fn names(engine: &Engine, component: &Component) -> Vec<String> {
    let ty = component.component_type();
    ty.imports(engine)
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// The imports of a portable component, read without compiling it.
pub(crate) fn imports(path: &Path, bytes: &[u8]) -> Result<Vec<String>, RuntimeError> {
    let invalid = |source: Option<BinaryReaderError>| RuntimeError::NotAComponent {
        path: path.to_owned(),
        source,
    };
    if !Parser::is_component(bytes) {
        return Err(invalid(None));
    }
    let mut names = Vec::new();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| invalid(Some(error)))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.push(
                        import
                            .map_err(|error| invalid(Some(error)))?
                            .name
                            .name
                            .to_owned(),
                    );
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

/// Reads a component's file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, RuntimeError> {
    fs::read(path).map_err(|source| RuntimeError::ComponentUnreadable {
        path: PathBuf::from(path),
        source,
    })
}
