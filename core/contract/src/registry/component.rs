//! The `component` of system errors: the layer and the function (spec §4).

use crate::{Layer, Peer};

/// The receiver of L2.
pub const INGESTION: &str = "L2-Ingestion";
/// The receiver of L3.
pub const WRITER: &str = "L3-Writer";
/// Who answers queries.
pub const READER: &str = "L3-Reader";

/// The connector that sends to a layer: it is in the layer before it.
#[must_use]
pub const fn connector_before(layer: Layer) -> &'static str {
    match layer {
        Layer::L2 => "L1-Connector",
        Layer::L3 => "L2-Connector",
    }
}

/// The connector that sent to a peer, by the name that a dead letter has of it.
#[must_use]
pub fn connector_of(peer: &str) -> &'static str {
    connector_before(if peer == Peer::Ingestion.as_str() {
        Layer::L2
    } else {
        Layer::L3
    })
}
