//! What each layer costs on each cloud.

mod pricing;

use std::{fmt, str::FromStr};

use twin_contract::Cloud;

use self::pricing::On;
use crate::{catalogue::Catalogue, workload::Workload};

/// What a placement chooses a cloud for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Devices and their connection.
    L1,
    /// Processing.
    L2,
    /// Storage of the last months.
    Hot,
    /// Storage of what is read seldom.
    Cool,
    /// The archive.
    Archive,
    /// The model of the twin.
    L4,
    /// Dashboards.
    L5,
}

impl Layer {
    /// How many there are.
    pub(crate) const COUNT: usize = 7;

    /// All of them, in the order of a placement.
    pub const ALL: [Self; Self::COUNT] = [
        Self::L1,
        Self::L2,
        Self::Hot,
        Self::Cool,
        Self::Archive,
        Self::L4,
        Self::L5,
    ];

    /// Its name, such as `L3_hot`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::Hot => "L3_hot",
            Self::Cool => "L3_cool",
            Self::Archive => "L3_archive",
            Self::L4 => "L4",
            Self::L5 => "L5",
        }
    }
}

/// A text is not the name of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be L1, L2, L3_hot, L3_cool, L3_archive, L4 or L5")]
pub struct UnknownLayer;

impl FromStr for Layer {
    type Err = UnknownLayer;

    fn from_str(text: &str) -> Result<Self, UnknownLayer> {
        let mut all = Self::ALL.into_iter();
        all.find(|layer| layer.as_str() == text).ok_or(UnknownLayer)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Why a cloud cannot carry a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// The cloud has no such service.
    #[error("there is no service for it")]
    NoService,
    /// More messages than the largest IoT Hub takes.
    #[error("more messages than the largest IoT Hub takes")]
    IotHubTooSmall,
    /// A constraint forbids the cloud.
    #[error("a constraint forbids the cloud")]
    Forbidden,
    /// A constraint pins the layer to another cloud.
    #[error("a constraint pins the layer to another cloud")]
    PinnedElsewhere,
    /// The plan of the account's TwinMaker is not known.
    #[error("the plan of the account for IoT TwinMaker is not known")]
    PlanUnobserved,
    /// It was looked up too long ago.
    #[error("the plan of the account for IoT TwinMaker was looked up more than 7 days ago")]
    PlanStale,
    /// It is about to change.
    #[error("the plan of the account for IoT TwinMaker is about to change")]
    PlanPending,
    /// The plan `BASIC` lacks what a twin needs.
    #[error("IoT TwinMaker's plan BASIC lacks functions that are needed")]
    PlanBasic,
    /// The plan `TIERED_BUNDLE` costs the account and not the twin.
    #[error(
        "IoT TwinMaker's plan TIERED_BUNDLE is paid by the account, and no share of it is known"
    )]
    PlanBundle,
}

impl Unsupported {
    /// A code for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoService => "NO_SERVICE",
            Self::IotHubTooSmall => "AZURE_IOT_HUB_CAPACITY_EXCEEDED",
            Self::Forbidden => "FORBIDDEN",
            Self::PinnedElsewhere => "PINNED_ELSEWHERE",
            Self::PlanUnobserved => "AWS_TWINMAKER_PLAN_UNOBSERVED",
            Self::PlanStale => "AWS_TWINMAKER_PLAN_STALE",
            Self::PlanPending => "AWS_TWINMAKER_PENDING_PLAN_CHANGE",
            Self::PlanBasic => "AWS_TWINMAKER_BASIC_FUNCTIONALLY_INCOMPLETE",
            Self::PlanBundle => "AWS_TWINMAKER_BUNDLE_ALLOCATION_REQUIRED",
        }
    }
}

/// A service that a layer uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Component {
    /// Its name in results.
    pub name: &'static str,
    /// USD a month.
    pub cost: f64,
}

/// The price of a layer on a cloud: its components.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerPrice {
    /// The services that it uses.
    pub components: Vec<Component>,
}

impl LayerPrice {
    fn of<const N: usize>(components: [(&'static str, f64); N]) -> Self {
        let components = components.into_iter();
        let components = components.map(|(name, cost)| Component { name, cost });
        Self {
            components: components.collect(),
        }
    }

    /// USD a month: the sum of the components.
    #[must_use]
    pub fn cost(&self) -> f64 {
        self.components.iter().map(|component| component.cost).sum()
    }
}

/// The price of a layer on a cloud, or the reason why the cloud cannot carry it.
type Price = Result<LayerPrice, Unsupported>;

/// Each layer on each cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerPrices {
    aws: [Price; Layer::COUNT],
    azure: [Price; Layer::COUNT],
    gcp: [Price; Layer::COUNT],
}

impl LayerPrices {
    pub(crate) fn of(workload: &Workload, catalogue: &Catalogue) -> Self {
        let on = On::new(workload, catalogue);
        Self {
            aws: on.aws(),
            azure: on.azure(),
            gcp: on.gcp(),
        }
    }

    /// The price of a layer on a cloud, or why the cloud cannot carry it.
    ///
    /// # Errors
    /// Why the cloud cannot carry the layer.
    pub fn price(&self, layer: Layer, cloud: Cloud) -> Result<&LayerPrice, &Unsupported> {
        let [l1, l2, hot, cool, archive, l4, l5] = match cloud {
            Cloud::Aws => &self.aws,
            Cloud::Azure => &self.azure,
            Cloud::Gcp => &self.gcp,
        };
        let price = match layer {
            Layer::L1 => l1,
            Layer::L2 => l2,
            Layer::Hot => hot,
            Layer::Cool => cool,
            Layer::Archive => archive,
            Layer::L4 => l4,
            Layer::L5 => l5,
        };
        price.as_ref()
    }

    /// USD a month; infinite if the cloud cannot carry the layer.
    pub(crate) fn cost(&self, layer: Layer, cloud: Cloud) -> f64 {
        self.price(layer, cloud)
            .map_or(f64::INFINITY, LayerPrice::cost)
    }
}
