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

use std::{fmt, ops::Deref, sync::Arc};

use tokio::sync::watch;
use twin_capabilities::{Peers, Settings, Stores, Verifier};
use twin_telemetry::trace::{self, Scope};
use wasmtime::{
    AsContextMut,
    component::{Access, Accessor, HasData, Linker},
};

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

/// What a component can reach during one of its calls.
pub(crate) struct Reach {
    capabilities: Arc<Capabilities>,
    scope: Option<Scope>,
}

impl Deref for Reach {
    type Target = Capabilities;

    fn deref(&self) -> &Capabilities {
        &self.capabilities
    }
}

impl Reach {
    /// Runs what the component asked for, in the trace of the call during which it asked.
    async fn traced<F: Future>(&self, future: F) -> F::Output {
        trace::within(self.scope.clone(), future).await
    }
}

impl Imports {
    /// The capabilities of the calling component, and the scope of its call. To be used before the first `await`: only then
    /// does the store know which call it is.
    fn of<T: Send + 'static>(accessor: &Accessor<T, Self>) -> Reach {
        accessor.with(|mut access| Self::reach(&mut access))
    }

    fn reach<T: Send + 'static>(access: &mut Access<'_, T, Self>) -> Reach {
        let scope = if access.get().has_scopes() {
            // The last one is the call that the host made.
            let mut store = access.as_context_mut();
            let call = store.async_call_stack().ok().and_then(Iterator::last);
            call.and_then(|call| access.get().scope_of(call))
        } else {
            None
        };
        Reach {
            capabilities: access.get().capabilities(),
            scope,
        }
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
