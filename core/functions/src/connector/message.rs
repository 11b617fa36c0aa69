//! What a connector delivers, and to whom.

use twin_capabilities::{Log, peers::Peer};
use twin_contract::{Layer, MessageId, registry::component};

use crate::Call;

/// A message with everything that each attempt needs.
#[derive(Debug)]
pub(super) struct Message {
    /// The layer that it is for.
    pub(super) layer: Layer,
    /// Its identity.
    pub(super) id: MessageId,
    /// Its trace, for its letter.
    pub(super) trace_id: Option<String>,
    /// Its bytes.
    pub(super) envelope: Vec<u8>,
}

impl Message {
    /// The peer that gets it.
    pub(super) const fn peer(&self) -> Peer {
        peer_of(self.layer)
    }

    /// The connector's name in system errors.
    pub(super) const fn component(&self) -> &'static str {
        component::connector_before(self.layer)
    }

    /// The fields of a log line about it.
    pub(super) fn fields<'a>(&'a self, cause: &'a str) -> [(&'static str, &'a str); 4] {
        [
            ("id", self.id.as_str()),
            ("trace", self.trace_id.as_deref().unwrap_or_default()),
            ("peer", self.peer().as_str()),
            ("cause", cause),
        ]
    }

    /// The one log line of a delivery that failed.
    pub(super) fn log(&self, call: &Call<'_, impl Log>, what: &str, cause: &str) {
        call.warn(what, &self.fields(cause));
    }
}

/// The peer that receives messages for a layer.
pub(super) const fn peer_of(layer: Layer) -> Peer {
    match layer {
        Layer::L2 => Peer::Ingestion,
        Layer::L3 => Peer::Writer,
    }
}

/// The layer that a peer is in; `None` if no connector sends to it.
pub(super) fn layer_of(peer: &str) -> Option<Layer> {
    let mut layers = Layer::ALL.iter().copied();
    layers.find(|layer| peer_of(*layer).as_str() == peer)
}
