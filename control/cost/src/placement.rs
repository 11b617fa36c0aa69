//! Which cloud carries which layer.

use twin_contract::Cloud;

use crate::layers::Layer;

/// A cloud for each layer, in the order of [`Layer::ALL`]. They are ordered as their ids are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placement(pub(crate) [Cloud; Layer::COUNT]);

impl Placement {
    /// The cloud of a layer.
    #[must_use]
    pub const fn cloud(&self, layer: Layer) -> Cloud {
        let Self([l1, l2, hot, cool, archive, l4, l5]) = self;
        match layer {
            Layer::L1 => *l1,
            Layer::L2 => *l2,
            Layer::Hot => *hot,
            Layer::Cool => *cool,
            Layer::Archive => *archive,
            Layer::L4 => *l4,
            Layer::L5 => *l5,
        }
    }

    /// Its name, such as `gcp|aws|aws|aws|azure|azure|aws`. Of two placements that cost the same, the one with the smaller name wins.
    #[must_use]
    pub fn id(&self) -> String {
        self.0.map(Cloud::as_str).join("|")
    }
}
