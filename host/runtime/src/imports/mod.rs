//! Answers a component's imports: one file per WIT interface, each of which only converts between binding and capability.

mod circuits;
mod convert;
mod credentials;
mod dead_letter_replay;
mod dead_letters;
mod digest;
mod error_topic;
mod lifecycle;
mod log;
mod peers;
mod records;
mod settings;

use std::{fmt, sync::Arc};

use tokio::sync::watch;
use twin_capabilities::{Peers, Settings, Stores, Verifier};
use wasmtime::component::{Accessor, HasData, Linker};

use twin_capabilities::function::FunctionName;

use crate::{State, bindings};

/// Everything that a function can use. Its world decides which of it the component can reach.
#[derive(Clone)]
pub struct Capabilities {
    /// The function, on which its peers and log lines depend.
    pub function: FunctionName,
    /// Its settings.
    pub settings: Arc<dyn Settings>,
    /// Verifies callers.
    pub verifier: Arc<dyn Verifier>,
    /// Sends to other functions.
    pub peers: Arc<dyn Peers>,
    /// The twin's data.
    pub stores: Stores,
    /// Becomes true when the host is stopping.
    pub draining: watch::Receiver<bool>,
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Capabilities")
            .field("function", &self.function)
            .finish_non_exhaustive()
    }
}

/// The type by which the linker finds the capabilities in the data of a store.
pub(crate) struct Imports;

impl HasData for Imports {
    type Data<'a> = &'a mut State;
}

impl Imports {
    /// The capabilities of the calling component.
    fn of<T: 'static>(accessor: &Accessor<T, Self>) -> Arc<Capabilities> {
        accessor.with(|mut access| access.get().capabilities())
    }
}

/// Binds every interface of the package.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    fn state(state: &mut State) -> &mut State {
        state
    }
    bindings::types::add_to_linker::<_, Imports>(linker, state)?;
    bindings::settings::add_to_linker::<_, Imports>(linker, state)?;
    bindings::credentials::add_to_linker::<_, Imports>(linker, state)?;
    bindings::peers::add_to_linker::<_, Imports>(linker, state)?;
    bindings::circuits::add_to_linker::<_, Imports>(linker, state)?;
    bindings::dead_letters::add_to_linker::<_, Imports>(linker, state)?;
    bindings::dead_letter_replay::add_to_linker::<_, Imports>(linker, state)?;
    bindings::error_topic::add_to_linker::<_, Imports>(linker, state)?;
    bindings::records::add_to_linker::<_, Imports>(linker, state)?;
    bindings::log::add_to_linker::<_, Imports>(linker, state)?;
    bindings::digest::add_to_linker::<_, Imports>(linker, state)?;
    bindings::lifecycle::add_to_linker::<_, Imports>(linker, state)
}

impl bindings::types::Host for State {}
