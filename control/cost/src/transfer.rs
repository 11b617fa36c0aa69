//! What crosses from one cloud to another, and what moves data between the stores of L3.

use twin_contract::Cloud;

use crate::{
    catalogue::{Catalogue, TransferPrices},
    functions,
    layers::Layer,
    months::Month,
    placement::Placement,
};

/// The data that one layer hands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// Messages from L1 to L2.
    L1ToL2,
    /// Messages from L2 to hot storage.
    L2ToHot,
    /// Messages from hot to cool storage.
    HotToCool,
    /// Messages from cool storage to the archive.
    CoolToArchive,
    /// Answers to queries, from hot storage to L4.
    HotToL4,
    /// Answers to queries, from L4 to L5.
    L4ToL5,
}

/// Runs of the functions that move data to cool storage in a month: one a day.
const RUNS_TO_COOL: f64 = 30.0;
/// Runs of those that move data to the archive: one a week.
const RUNS_TO_ARCHIVE: f64 = 4.0;
/// How long a run takes, in milliseconds.
const RUN_MS: f64 = 5000.0;

impl Edge {
    /// All of them, in the order in which pooled costs are shared out.
    pub const ALL: [Self; 6] = [
        Self::L1ToL2,
        Self::L2ToHot,
        Self::HotToCool,
        Self::CoolToArchive,
        Self::HotToL4,
        Self::L4ToL5,
    ];

    /// From which layer to which.
    #[must_use]
    pub const fn ends(self) -> (Layer, Layer) {
        match self {
            Self::L1ToL2 => (Layer::L1, Layer::L2),
            Self::L2ToHot => (Layer::L2, Layer::Hot),
            Self::HotToCool => (Layer::Hot, Layer::Cool),
            Self::CoolToArchive => (Layer::Cool, Layer::Archive),
            Self::HotToL4 => (Layer::Hot, Layer::L4),
            Self::L4ToL5 => (Layer::L4, Layer::L5),
        }
    }

    /// Bytes and calls in a month.
    const fn load(self, month: &Month) -> (f64, f64) {
        match self {
            Self::L1ToL2 | Self::L2ToHot => (month.message_bytes, month.messages),
            Self::HotToCool => (month.message_bytes, RUNS_TO_COOL),
            Self::CoolToArchive => (month.message_bytes, RUNS_TO_ARCHIVE),
            Self::HotToL4 | Self::L4ToL5 => (month.answer_bytes, month.queries),
        }
    }
}

/// What an edge between two clouds costs a month.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EdgeCost {
    /// The edge.
    pub edge: Edge,
    /// Bytes that cross.
    pub bytes: f64,
    /// USD that the source's cloud takes for them: its share in what all edges of that source cost together.
    pub egress: f64,
    /// USD for the calls of the receiving functions: its share in what all edges to that destination cost together.
    pub glue: f64,
}

impl EdgeCost {
    /// Egress and glue together.
    #[must_use]
    pub const fn total(&self) -> f64 {
        self.egress + self.glue
    }
}

/// What a function that moves data costs a month.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MoverCost {
    /// [`Edge::HotToCool`] or [`Edge::CoolToArchive`].
    pub edge: Edge,
    /// USD, on the cloud that the data leaves.
    pub cost: f64,
}

/// A sum for each cloud.
#[derive(Default)]
struct Pools {
    aws: f64,
    azure: f64,
    gcp: f64,
}

impl Pools {
    /// Adds to a cloud's sum, and returns by how much `price` of the sum grows.
    fn grow(&mut self, cloud: Cloud, by: f64, price: impl Fn(f64) -> f64) -> f64 {
        let sum = match cloud {
            Cloud::Aws => &mut self.aws,
            Cloud::Azure => &mut self.azure,
            Cloud::Gcp => &mut self.gcp,
        };
        let before = *sum;
        *sum += by;
        price(*sum) - price(before)
    }
}

/// The edges of a placement that cross from one cloud to another.
pub(crate) fn edges(
    catalogue: &Catalogue,
    month: &Month,
    placement: &Placement,
) -> impl Iterator<Item = EdgeCost> {
    let (mut egress, mut glue) = (Pools::default(), Pools::default());
    Edge::ALL.into_iter().filter_map(move |edge| {
        let (from, to) = edge.ends();
        let (source, destination) = (placement.cloud(from), placement.cloud(to));
        if source == destination {
            return None;
        }
        let (bytes, calls) = edge.load(month);
        let prices = catalogue.transfer(source);
        Some(EdgeCost {
            edge,
            bytes,
            egress: egress.grow(source, bytes, |sum| of_tiers(prices, sum)),
            glue: glue.grow(destination, calls, |sum| {
                functions::calls(catalogue, destination, sum)
            }),
        })
    })
}

/// The functions that move data.
pub(crate) fn movers(catalogue: &Catalogue, placement: &Placement) -> [MoverCost; 2] {
    let mover = |edge: Edge, runs| {
        let cloud = placement.cloud(edge.ends().0);
        let mb = match cloud {
            Cloud::Aws | Cloud::Gcp => 512.0,
            Cloud::Azure => 128.0,
        };
        let job = match cloud {
            Cloud::Gcp => catalogue.gcp.cloud_scheduler.job_price,
            Cloud::Aws | Cloud::Azure => 0.0,
        };
        let cost = functions::price(catalogue.functions(cloud), runs, RUN_MS, mb) + job;
        MoverCost { edge, cost }
    };
    [
        mover(Edge::HotToCool, RUNS_TO_COOL),
        mover(Edge::CoolToArchive, RUNS_TO_ARCHIVE),
    ]
}

/// The price of bytes that leave a cloud in a month: each tier's price for what lies within it.
fn of_tiers(prices: &TransferPrices, bytes: f64) -> f64 {
    let quantity = bytes / prices.bytes_per_billing_unit;
    let within = prices.pricing_tiers.iter().map(|tier| {
        let end = tier.end_quantity.unwrap_or(f64::INFINITY);
        (quantity.min(end) - tier.start_quantity).max(0.0) * tier.unit_price
    });
    within.sum()
}
