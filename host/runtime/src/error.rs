//! What can go wrong before a function takes its first call.

use std::path::PathBuf;

use twin_capabilities::function::FunctionName;

/// Why a component does not run.
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
    /// A file is no component that this engine can run.
    #[error("{} is not a WebAssembly component that this host can run", path.display())]
    ComponentInvalid {
        /// The file.
        path: PathBuf,
        /// Why.
        source: wasmtime::Error,
    },
    /// A component asks for more than its world grants.
    #[error("the component {function} imports what its world does not grant: {}", imports.join(", "))]
    ImportRefused {
        /// The function.
        function: FunctionName,
        /// The interfaces.
        imports: Vec<String>,
    },
    /// A component could not be linked to the host, or its first instance not be made.
    #[error("the component {function} cannot be instantiated")]
    Instantiation {
        /// The function.
        function: FunctionName,
        /// Why.
        source: wasmtime::Error,
    },
    /// The WIT that this binary was built with does not parse.
    #[error("the WIT of this build does not parse: {0}")]
    Wit(String),
}

/// Why a function that runs here cannot answer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswering {
    /// No instance of it can be made, or all are gone.
    #[error("no instance of {0} is running")]
    NoInstance(FunctionName),
    /// It takes no call now: as many as it may have are under way.
    #[error("{0} is at its limit of calls at once")]
    AtLimit(FunctionName),
    /// Instance after instance is lost with its calls.
    #[error("{0} keeps losing its instances")]
    LosingInstances(FunctionName),
    /// It has instances, and none of them answers.
    #[error("{0} does not answer")]
    Silent(FunctionName),
}
