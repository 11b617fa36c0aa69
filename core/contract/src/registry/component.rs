//! The `component` of system errors: the layer and the function (spec §4).

use crate::{Layer, Peer};

/// The function that receives envelopes for L2.
pub const INGESTION: &str = "L2-Ingestion";
/// The function that receives envelopes for L3.
pub const WRITER: &str = "L3-Writer";
/// The function that answers queries.
pub const READER: &str = "L3-Reader";

/// The connector that sends to a layer. It belongs to the layer before it.
#[must_use]
pub const fn connector_before(layer: Layer) -> &'static str {
    match layer {
        Layer::L2 => "L1-Connector",
        Layer::L3 => "L2-Connector",
    }
}

/// The connector that sent to a peer, by the peer's name in a dead letter.
#[must_use]
pub fn connector_of(peer: &str) -> &'static str {
    connector_before(if peer == Peer::Ingestion.as_str() {
        Layer::L2
    } else {
        Layer::L3
    })
}
