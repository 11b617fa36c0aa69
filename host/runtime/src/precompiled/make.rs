//! Makes precompiled components.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use twin_capabilities::function::FunctionName;
use twin_contract::digest;
use wasmtime::Engine;

use super::{
    EXTENSION, Target,
    manifest::{Entry, FILE, Manifest, Origin},
};
use crate::{RuntimeError, engine, image, worlds};

/// A precompiled component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Which function it is.
    pub function: FunctionName,
    /// The lower-case hex SHA-256 of the portable component.
    pub component: String,
    /// The lower-case hex SHA-256 of the machine code.
    pub precompiled: String,
    /// The size of the machine code, in bytes.
    pub size: usize,
}

/// Compiles the functions' components, `connector.wasm`, …, of a folder for a kind of machine. Writes them and their manifest into the
/// folder `out`, which is created if necessary. What another run wrote there is replaced.
///
/// The same components give the same bytes: code for a named target does not depend on the processor that compiles.
///
/// # Errors
/// If a component is missing, broken, or imports more than its world allows; if this build cannot compile for the target; or if
/// the files cannot be written.
pub fn compile(
    components: &Path,
    functions: &[FunctionName],
    target: Target,
    out: &Path,
) -> Result<Vec<Compiled>, RuntimeError> {
    let engine = engine_for(target).map_err(|source| RuntimeError::Target { target, source })?;
    let mut compiled = Vec::with_capacity(functions.len());
    write(out, || fs::create_dir_all(out))?;
    // A manifest is there only once all that it names is.
    let manifest = out.join(FILE);
    write(&manifest, || match fs::remove_file(&manifest) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    })?;
    for &function in functions {
        let path = components.join(format!("{function}.wasm"));
        let bytes = image::read(&path)?;
        let imports = image::imports(&path, &bytes)?;
        worlds::sort(function, imports).permitted(function)?;
        let code = engine
            .precompile_component(&bytes)
            .map_err(|source| RuntimeError::ComponentInvalid { path, source })?;
        let file = out.join(function.as_str()).with_extension(EXTENSION);
        write(&file, || fs::write(&file, &code))?;
        compiled.push(Compiled {
            function,
            component: digest(&bytes),
            precompiled: digest(&code),
            size: code.len(),
        });
    }
    let text = manifest_of(target, &compiled)?;
    write(&manifest, || fs::write(&manifest, text))?;
    Ok(compiled)
}

/// An engine with the settings of those that run components, which compiles for a named target. Naming it also keeps the
/// features of this machine's processor out of the code.
fn engine_for(target: Target) -> wasmtime::Result<Engine> {
    let mut config = engine::settings()?;
    config.target(target.as_str())?;
    Engine::new(&config)
}

fn manifest_of(target: Target, compiled: &[Compiled]) -> Result<String, RuntimeError> {
    let entries = compiled.iter().map(|compiled| {
        let entry = Entry {
            component: compiled.component.clone(),
            precompiled: compiled.precompiled.clone(),
        };
        (compiled.function.as_str().to_owned(), entry)
    });
    let manifest = Manifest {
        origin: Origin::of(target),
        functions: entries.collect(),
    };
    serde_json::to_string_pretty(&manifest)
        .map(|text| text + "\n")
        .map_err(|source| RuntimeError::ManifestInvalid {
            path: PathBuf::from(FILE),
            source,
        })
}

fn write(path: &Path, work: impl FnOnce() -> io::Result<()>) -> Result<(), RuntimeError> {
    work().map_err(|source| RuntimeError::NotWritten {
        path: path.to_owned(),
        source,
    })
}
