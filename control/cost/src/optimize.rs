//! Every placement is priced, and the cheapest wins.

use twin_contract::Cloud;

use crate::{
    catalogue::Catalogue,
    constraints::Constraints,
    error::CostError,
    layers::{Layer, LayerPrices, Unsupported},
    months::Month,
    placement::Placement,
    transfer::{self, EdgeCost, MoverCost},
    workload::Workload,
};

/// Scores that differ by less are the same: the order of additions must not decide.
const TIE: f64 = 1e-9;

/// A placement with what it costs a month, in USD.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Where each layer is.
    pub placement: Placement,
    /// The sum of the layers.
    pub layers: f64,
    /// What crosses from one cloud to another.
    pub edges: Vec<EdgeCost>,
    /// What moves data between the stores of L3.
    pub movers: [MoverCost; 2],
}

impl Path {
    fn of(
        placement: Placement,
        layers: &LayerPrices,
        catalogue: &Catalogue,
        month: &Month,
    ) -> Self {
        let costs = Layer::ALL.map(|layer| layers.cost(layer, placement.cloud(layer)));
        Self {
            placement,
            layers: costs.iter().sum(),
            edges: transfer::edges(catalogue, month, &placement).collect(),
            movers: transfer::movers(catalogue, &placement),
        }
    }

    /// All edges together: egress and glue.
    #[must_use]
    pub fn transfer(&self) -> f64 {
        self.edges.iter().map(EdgeCost::total).sum()
    }

    /// Both movers together.
    #[must_use]
    pub fn moving(&self) -> f64 {
        self.movers.iter().map(|mover| mover.cost).sum()
    }

    /// What placements are compared by: everything together.
    #[must_use]
    pub fn score(&self) -> f64 {
        self.layers + self.transfer() + self.moving()
    }
}

/// A layer on another cloud than the cheapest one, with the other layers where they are then cheapest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WhatIf {
    /// The layer.
    pub layer: Layer,
    /// Its cloud.
    pub cloud: Cloud,
    /// How much more that costs a month in USD, or why it cannot be.
    pub more: Result<f64, Unsupported>,
}

/// What a workload costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Each layer on each cloud.
    pub layers: LayerPrices,
    /// The cheapest placement.
    pub winner: Path,
    /// The cheapest of the others, if there are any.
    pub runner_up: Option<Path>,
    /// For each layer, what it would cost to have it on each cloud. 0 for the winner's.
    pub what_if: Vec<WhatIf>,
    /// How many placements were compared.
    pub paths: usize,
}

impl Outcome {
    /// The total of the cheapest placement in USD a month, rounded to cents.
    #[must_use]
    pub fn total_usd(&self) -> f64 {
        cents(self.winner.score())
    }

    /// The total in EUR a month: the rounded one in USD by `eur_per_usd`, rounded again, as the existing optimizer does.
    #[must_use]
    pub fn total_eur(&self, eur_per_usd: f64) -> f64 {
        cents(self.total_usd() * eur_per_usd)
    }
}

/// Rounds to two decimals; of an exact half to the even digit.
fn cents(amount: f64) -> f64 {
    // Formatting rounds the exact value of the number; multiplying by 100 first would round twice.
    format!("{amount:.2}").parse().unwrap_or(amount)
}

/// Prices every placement that keeps to the constraints, and chooses the cheapest. Of several within 1e-9 USD of it, the one with the
/// smallest id wins.
///
/// # Errors
/// If no cloud can or may carry a layer.
pub fn optimize(
    workload: &Workload,
    catalogue: &Catalogue,
    constraints: &Constraints,
) -> Result<Outcome, CostError> {
    let month = Month::of(workload);
    let layers = LayerPrices::of(workload, catalogue);
    let candidates = Candidates::of(&layers, constraints)?;
    let mut scored = Vec::with_capacity(candidates.count());
    candidates.each(|placement| {
        let path = Path::of(placement, &layers, catalogue, &month);
        scored.push((path.score(), path));
    });
    let (least, winner) = best(&scored, |_| true).ok_or_else(|| candidates.nothing())?;
    let second = best(&scored, |placement| *placement != winner.placement);
    let what_if = Layer::ALL.into_iter().flat_map(|layer| {
        let (layers, scored) = (&layers, &scored);
        Cloud::ALL.iter().map(move |&cloud| WhatIf {
            layer,
            cloud,
            more: possible(layers, constraints, layer, cloud).and_then(|()| {
                let there = best(scored, |placement| placement.cloud(layer) == cloud);
                let (score, _) = there.ok_or(Unsupported::PinnedElsewhere)?;
                Ok((score - least).max(0.0))
            }),
        })
    });
    let what_if = what_if.collect();
    Ok(Outcome {
        winner: winner.clone(),
        runner_up: second.map(|(_, path)| path.clone()),
        what_if,
        paths: scored.len(),
        layers,
    })
}

/// The cheapest of those placements that are `wanted`, with its score; of those that cost the same, the one with the smallest id.
fn best(scored: &[(f64, Path)], wanted: impl Fn(&Placement) -> bool) -> Option<(f64, &Path)> {
    let wanted = || scored.iter().filter(|(_, path)| wanted(&path.placement));
    let least = wanted().map(|(score, _)| *score).min_by(f64::total_cmp)?;
    let tied = wanted().filter(|(score, _)| *score <= least + TIE);
    let (score, path) = tied.min_by_key(|(_, path)| path.placement)?;
    Some((*score, path))
}

/// Whether a layer can be, and may be, on a cloud.
fn possible(
    layers: &LayerPrices,
    constraints: &Constraints,
    layer: Layer,
    cloud: Cloud,
) -> Result<(), Unsupported> {
    layers.price(layer, cloud).map_err(|why| *why)?;
    constraints.permit(layer, cloud)
}

/// The clouds that can and may carry each layer.
struct Candidates([Vec<Cloud>; Layer::COUNT]);

impl Candidates {
    fn of(layers: &LayerPrices, constraints: &Constraints) -> Result<Self, CostError> {
        for layer in Layer::ALL {
            let reasons = Cloud::ALL.iter().filter_map(|&cloud| {
                let why = possible(layers, constraints, layer, cloud).err()?;
                Some((cloud, why))
            });
            let reasons: Vec<_> = reasons.collect();
            if reasons.len() == Cloud::ALL.len() {
                return Err(CostError::NoCandidate { layer, reasons });
            }
        }
        Ok(Self(Layer::ALL.map(|layer| {
            let able = Cloud::ALL.iter().copied();
            able.filter(|&cloud| possible(layers, constraints, layer, cloud).is_ok())
                .collect()
        })))
    }

    /// How many placements there are.
    fn count(&self) -> usize {
        self.0.iter().map(Vec::len).product()
    }

    /// Calls with each placement.
    fn each(&self, mut with: impl FnMut(Placement)) {
        let Self([l1, l2, hot, cool, archive, l4, l5]) = self;
        for &l1 in l1 {
            for &l2 in l2 {
                for &hot in hot {
                    for &cool in cool {
                        for &archive in archive {
                            for &l4 in l4 {
                                for &l5 in l5 {
                                    with(Placement([l1, l2, hot, cool, archive, l4, l5]));
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// There is a placement wherever each layer has a cloud, so this is not reached.
    const fn nothing(&self) -> CostError {
        CostError::NoCandidate {
            layer: Layer::L1,
            reasons: Vec::new(),
        }
    }
}
