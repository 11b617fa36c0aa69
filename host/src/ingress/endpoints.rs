//! Where events come in over HTTP, beside the paths of the functions.

use std::sync::Arc;

use http::{HeaderMap, request::Parts};

use super::{
    azure_functions,
    events::{
        Settle, Topic,
        forms::FormError,
        webhook::{self, Delivery},
    },
    platform::Platform,
};
use crate::dispatch::{Dispatch, Reply};

/// The endpoints of a host.
pub(super) struct Endpoints {
    platform: Option<Platform>,
    settle: Option<Arc<dyn Settle>>,
}

/// The endpoint to which a request leads.
pub(super) enum Endpoint {
    /// Of the host of Azure Functions, which asks whether this process answers.
    Ping,
    /// Of events.
    Events(EventEndpoint),
}

/// Where events are delivered.
pub(super) struct EventEndpoint {
    pub(super) sender: Sender,
    pub(super) topic: Topic,
    pub(super) settle: Arc<dyn Settle>,
}

/// Who delivers, and so in which form, and with which answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The host of Azure Functions, which has no credential: nobody else reaches this endpoint.
    FunctionsHost,
    /// A service, which has one.
    Service,
}

impl Endpoints {
    /// Without `settle` there are none for events.
    pub(super) fn new(platform: Option<Platform>, settle: Option<Arc<dyn Settle>>) -> Self {
        Self { platform, settle }
    }

    /// The endpoint of a request; `None` if it is for `dispatch`. An endpoint whose function is not mounted does not exist.
    pub(super) fn find(&self, head: &Parts, dispatch: &Dispatch) -> Option<Endpoint> {
        let on_functions = self.platform == Some(Platform::AzureFunctions);
        if on_functions && azure_functions::is_ping(head) {
            return Some(Endpoint::Ping);
        }
        let trigger = || {
            on_functions
                .then(|| azure_functions::trigger(head))
                .flatten()
        };
        let (sender, topic) = match webhook::topic(dispatch.path(head)) {
            Some(topic) => (Sender::Service, topic),
            None => (Sender::FunctionsHost, trigger()?),
        };
        let settle = Arc::clone(self.settle.as_ref()?);
        dispatch.mounts(topic.function()).then(|| {
            Endpoint::Events(EventEndpoint {
                sender,
                topic,
                settle,
            })
        })
    }
}

impl EventEndpoint {
    /// Reads what was delivered.
    pub(super) fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, FormError> {
        match self.sender {
            Sender::FunctionsHost => azure_functions::read(self.topic, body).map(Delivery::Events),
            Sender::Service => webhook::read(self.topic, headers, body),
        }
    }

    /// The answer that acknowledges the events.
    pub(super) fn acknowledged(&self) -> Reply {
        match self.sender {
            Sender::FunctionsHost => azure_functions::succeeded(),
            Sender::Service => webhook::acknowledged(),
        }
    }
}
