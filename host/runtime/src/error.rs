//! The errors of starting functions, and the reasons why a running function cannot answer.

use std::path::PathBuf;

use twin_capabilities::function::FunctionName;

use crate::precompiled::{Origin, Target};

/// Why a component cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The WebAssembly engine cannot be set up on this machine.
    #[error("the WebAssembly engine cannot be set up")]
    Engine(#[source] wasmtime::Error),
    /// A component's file cannot be read.
    #[error("the component {} cannot be read (TWIN_COMPONENTS_DIR names its folder)", path.display())]
    ComponentUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not a component that this engine can run.
    #[error("{} is not a WebAssembly component that this host can run", path.display())]
    ComponentInvalid {
        /// The file.
        path: PathBuf,
        /// Why.
        source: wasmtime::Error,
    },
    /// A file is not a component.
    #[error("{} is not a WebAssembly component", path.display())]
    NotAComponent {
        /// The file.
        path: PathBuf,
        /// Why, if it begins like one.
        source: Option<wasmparser::BinaryReaderError>,
    },
    /// The manifest of precompiled components cannot be read.
    #[error(
        "{} cannot be read: `twin compile --out DIR` makes precompiled components, and TWIN_COMPONENTS_DIR names that folder",
        path.display()
    )]
    ManifestUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not a manifest of precompiled components.
    #[error("{} is not a manifest of precompiled components: run `twin compile` again", path.display())]
    ManifestInvalid {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Precompiled components belong to another build, or to another kind of machine.
    #[error(
        "{} is for {made_for}, but this is {here}: run `twin compile --target {}` of this version",
        path.display(),
        here.target
    )]
    OfAnotherBuild {
        /// The manifest.
        path: PathBuf,
        /// What it is for.
        made_for: Box<Origin>,
        /// What is needed.
        here: Box<Origin>,
    },
    /// A function is not among the precompiled components.
    #[error("{} does not list {name}: run `twin compile` with this function", path.display())]
    NotPrecompiled {
        /// The name of the function, or of another file.
        name: String,
        /// The manifest.
        path: PathBuf,
    },
    /// A precompiled component is not the one that its manifest describes.
    #[error(
        "{} is damaged or belongs to another precompiled.json: its SHA-256 is {found} and should be {expected}; copy the whole \
         folder again, or run `twin compile` again",
        path.display()
    )]
    DigestDiffers {
        /// The file.
        path: PathBuf,
        /// The lower-case hex SHA-256 in the manifest.
        expected: String,
        /// That of the file.
        found: String,
    },
    /// This build cannot compile for a target.
    #[error(
        "this build cannot compile for {target}: other processors than the own one need the feature `all-targets`"
    )]
    Target {
        /// The target.
        target: Target,
        /// Why.
        source: wasmtime::Error,
    },
    /// A precompiled component or its manifest cannot be written.
    #[error("{} cannot be written", path.display())]
    NotWritten {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A component imports more than its world grants.
    #[error("the component {function} imports what its world does not grant: {}", imports.join(", "))]
    ImportRefused {
        /// The function.
        function: FunctionName,
        /// The interfaces.
        imports: Vec<String>,
    },
    /// A component could not be linked to the host, or its first instance could not be created.
    #[error("the component {function} cannot be instantiated")]
    Instantiation {
        /// The function.
        function: FunctionName,
        /// Why.
        source: wasmtime::Error,
    },
}

/// Why a mounted function cannot answer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswering {
    /// It has no instance, and none can be created.
    #[error("no instance of {0} is running")]
    NoInstance(FunctionName),
    /// It accepts no call now: as many calls as allowed are in progress.
    #[error("{0} is at its limit of calls at once")]
    AtLimit(FunctionName),
    /// Its instances are lost one after another, with their calls.
    #[error("{0} keeps losing its instances")]
    LosingInstances(FunctionName),
    /// It has instances, but none of them answers.
    #[error("{0} does not answer")]
    Silent(FunctionName),
}
