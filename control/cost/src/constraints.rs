//! Rules for placements, which apply even if they make the twin more expensive.

use twin_contract::Cloud;

use crate::{
    layers::{Layer, Unsupported},
    placement::Placement,
};

/// Clouds that must or must not be used. Without any, all placements are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    pinned: [Option<Cloud>; Layer::COUNT],
    forbidden: Vec<Cloud>,
}

impl Constraints {
    /// A layer must be on a cloud. Of several for one layer, the last counts.
    #[must_use]
    pub fn pin(mut self, layer: Layer, cloud: Cloud) -> Self {
        for (place, pinned) in Layer::ALL.into_iter().zip(&mut self.pinned) {
            if place == layer {
                *pinned = Some(cloud);
            }
        }
        self
    }

    /// No layer may be on a cloud.
    #[must_use]
    pub fn forbid(mut self, cloud: Cloud) -> Self {
        self.forbidden.push(cloud);
        self
    }

    /// Whether a layer may be on a cloud.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn permit(&self, layer: Layer, cloud: Cloud) -> Result<(), Unsupported> {
        if self.forbidden.contains(&cloud) {
            return Err(Unsupported::Forbidden);
        }
        let mut pinned = Layer::ALL.into_iter().zip(self.pinned);
        match pinned.find(|(place, _)| *place == layer) {
            Some((_, Some(pinned))) if pinned != cloud => Err(Unsupported::PinnedElsewhere),
            _ => Ok(()),
        }
    }

    /// Whether a whole placement keeps to them.
    #[must_use]
    pub fn permit_placement(&self, placement: &Placement) -> bool {
        Layer::ALL
            .into_iter()
            .all(|layer| self.permit(layer, placement.cloud(layer)).is_ok())
    }
}
