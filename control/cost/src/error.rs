//! What can go wrong between a workload and its placement.

use crate::layers::{Layer, Unsupported};
use twin_contract::Cloud;

/// Why there is no placement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CostError {
    /// No cloud can carry a layer.
    #[error("no cloud can carry {layer}: {}", listed(reasons))]
    NoCandidate {
        /// The layer.
        layer: Layer,
        /// Why each cloud cannot.
        reasons: Vec<(Cloud, Unsupported)>,
    },
}

fn listed(reasons: &[(Cloud, Unsupported)]) -> String {
    let words = reasons
        .iter()
        .map(|(cloud, why)| format!("{cloud}: {why} ({})", why.code()));
    words.collect::<Vec<_>>().join("; ")
}
