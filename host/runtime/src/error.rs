//! The errors of starting functions, and the reasons why a running function cannot answer.

use std::path::PathBuf;

use twin_capabilities::function::FunctionName;

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
    /// The WIT that this binary was built with cannot be parsed.
    #[error("the WIT of this build does not parse: {0}")]
    Wit(String),
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
