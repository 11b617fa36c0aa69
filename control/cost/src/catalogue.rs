//! Prices: what each service of each cloud costs for a unit, in USD.
//!
//! The names are those of the catalogue's file, which are not always their units; each field says what it is multiplied by.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use twin_contract::Cloud;

use crate::warnings::{self, Warning};

/// The catalogue that comes with this crate: `prices/README.md` says where it is from.
const BUILT_IN: &str = include_str!("../prices/pricing.json");

/// An immutable set of prices.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue {
    id: String,
    warnings: Vec<Warning>,
    pub(crate) aws: Aws,
    pub(crate) azure: Azure,
    pub(crate) gcp: Gcp,
}

/// Why a text is not a catalogue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// It is not JSON, or lacks a price, or has one that is not a number.
    #[error("the catalogue of prices cannot be read")]
    Json(#[from] serde_json::Error),
    /// A tier begins where none ends, or a price is negative.
    #[error("the catalogue's {service} {problem}")]
    Tiers {
        /// The service, by its path in the file.
        service: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
struct File {
    aws: Aws,
    azure: Azure,
    gcp: Gcp,
}

impl Catalogue {
    /// Reads a catalogue: JSON with `aws`, `azure` and `gcp`. Its id is `pcs_` and the SHA-256 of the text.
    ///
    /// # Errors
    /// If a price that is used is missing or not a number, or tiers do not follow each other.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let all: Value = serde_json::from_str(text)?;
        let warnings = warnings::of(&all);
        let File { aws, azure, gcp } = serde_json::from_value(all)?;
        for (service, prices) in [
            ("aws.transfer", &aws.transfer),
            ("azure.transfer", &azure.transfer),
            ("gcp.transfer", &gcp.transfer),
        ] {
            prices
                .check()
                .map_err(|problem| CatalogueError::Tiers { service, problem })?;
        }
        Ok(Self {
            id: format!("pcs_{:x}", Sha256::digest(text)),
            warnings,
            aws,
            azure,
            gcp,
        })
    }

    /// The catalogue that comes with this crate.
    ///
    /// # Errors
    /// Never, as a test shows; the file is read like any other.
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::parse(BUILT_IN)
    }

    /// `pcs_` and the SHA-256 of its text.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Values that are questionable, and used as they are.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(crate) const fn functions(&self, cloud: Cloud) -> &FunctionPrices {
        match cloud {
            Cloud::Aws => &self.aws.lambda,
            Cloud::Azure => &self.azure.functions,
            Cloud::Gcp => &self.gcp.functions,
        }
    }

    pub(crate) const fn transfer(&self, cloud: Cloud) -> &TransferPrices {
        match cloud {
            Cloud::Aws => &self.aws.transfer,
            Cloud::Azure => &self.azure.transfer,
            Cloud::Gcp => &self.gcp.transfer,
        }
    }
}

/// Functions.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunctionPrices {
    /// A call.
    pub(crate) request_price: f64,
    /// A GB-second.
    pub(crate) duration_price: f64,
    /// Calls a month.
    pub(crate) free_requests: f64,
    /// GB-seconds a month.
    pub(crate) free_compute_time: f64,
}

/// Data that leaves a cloud for another one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct TransferPrices {
    pub(crate) bytes_per_billing_unit: f64,
    pub(crate) pricing_tiers: Vec<TransferTier>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct TransferTier {
    /// Billing units a month.
    pub(crate) start_quantity: f64,
    /// Billing units a month; the last tier has no end.
    pub(crate) end_quantity: Option<f64>,
    /// A billing unit.
    pub(crate) unit_price: f64,
}

impl TransferPrices {
    /// Tiers begin at 0, each where the one before it ends, and the last one does not end.
    fn check(&self) -> Result<(), &'static str> {
        if self.bytes_per_billing_unit <= 0.0 {
            return Err("has a billing unit without bytes");
        }
        let mut end = Some(0.0);
        for tier in &self.pricing_tiers {
            if end != Some(tier.start_quantity) {
                return Err("has tiers that do not follow each other");
            }
            if tier.unit_price < 0.0 {
                return Err("has a negative price");
            }
            end = tier.end_quantity;
        }
        match end {
            None => Ok(()),
            Some(_) => Err("has no tier without an end"),
        }
    }
}

/// A tier of devices' messages.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct MessageTier {
    /// Messages a month up to which it reaches.
    pub(crate) limit: Limit,
    pub(crate) price: f64,
    /// Messages a month of one unit.
    #[serde(default)]
    pub(crate) threshold: f64,
}

/// A number, or the word `Infinity`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Limit {
    Number(f64),
    Word(Infinity),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Infinity {
    Infinity,
}

impl Limit {
    pub(crate) const fn value(self) -> f64 {
        match self {
            Self::Number(value) => value,
            Self::Word(Infinity::Infinity) => f64::INFINITY,
        }
    }
}

/// Storage that is written once.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ColdStorage {
    /// A GiB and month.
    pub(crate) storage_price: f64,
    /// A message written.
    #[serde(alias = "requestPrice", alias = "lifecycleAndWritePrice")]
    pub(crate) write_price: f64,
}

/// A store of messages with a price for each read and write.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HotStorage {
    /// A message written.
    pub(crate) write_price: f64,
    /// A query.
    pub(crate) read_price: f64,
    /// A GiB and month.
    pub(crate) storage_price: f64,
    /// GiB.
    pub(crate) free_storage: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Aws {
    pub(crate) lambda: FunctionPrices,
    pub(crate) iot_core: IotCore,
    pub(crate) step_functions: Transitions,
    #[serde(rename = "dynamoDB")]
    pub(crate) dynamo_db: HotStorage,
    pub(crate) s3_infrequent_access: ColdStorage,
    pub(crate) s3_glacier_deep_archive: ColdStorage,
    pub(crate) iot_twin_maker: TwinMaker,
    pub(crate) aws_managed_grafana: GrafanaUsers,
    pub(crate) transfer: TransferPrices,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IotCore {
    pub(crate) price_per_device_and_month: f64,
    /// A rule that is triggered, or an action of one.
    pub(crate) price_rules_triggered: f64,
    /// By name, whose order is that of their limits.
    #[serde(rename = "pricing_tiers")]
    pub(crate) pricing_tiers: BTreeMap<String, MessageTier>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transitions {
    /// A transition.
    pub(crate) price_per_state_transition: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TwinMaker {
    pub(crate) usage_rates: TwinMakerRates,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TwinMakerRates {
    pub(crate) entity_price_per_month: f64,
    pub(crate) query_price: f64,
    pub(crate) unified_data_access_api_call_price: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrafanaUsers {
    /// An editor and month.
    pub(crate) editor_price: f64,
    /// A viewer and month.
    pub(crate) viewer_price: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Azure {
    pub(crate) functions: FunctionPrices,
    pub(crate) iot_hub: IotHub,
    pub(crate) event_grid: EventGrid,
    pub(crate) logic_apps: Transitions,
    #[serde(rename = "cosmosDB")]
    pub(crate) cosmos_db: CosmosDb,
    pub(crate) blob_storage_cool: ColdStorage,
    pub(crate) blob_storage_archive: ColdStorage,
    pub(crate) azure_digital_twins: DigitalTwins,
    pub(crate) azure_managed_grafana: GrafanaHours,
    pub(crate) transfer: TransferPrices,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct IotHub {
    pub(crate) pricing_tiers: HubTiers,
}

/// Prices are for a unit and month.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HubTiers {
    pub(crate) free_tier: MessageTier,
    pub(crate) tier1: MessageTier,
    pub(crate) tier2: MessageTier,
    pub(crate) tier3: MessageTier,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventGrid {
    pub(crate) price_per_million_events: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CosmosDb {
    /// A million request units.
    pub(crate) request_price: f64,
    /// A GiB and month.
    pub(crate) storage_price: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DigitalTwins {
    pub(crate) price_per_operation: f64,
    pub(crate) price_per_query_unit: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrafanaHours {
    /// A user and month.
    pub(crate) user_price: f64,
    /// An hour.
    pub(crate) hourly_price: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Gcp {
    pub(crate) functions: FunctionPrices,
    pub(crate) iot: Iot,
    pub(crate) cloud_workflows: Workflows,
    #[serde(rename = "storage_hot")]
    pub(crate) storage_hot: HotStorage,
    #[serde(rename = "storage_cool")]
    pub(crate) storage_cool: ColdStorage,
    #[serde(rename = "storage_archive")]
    pub(crate) storage_archive: ColdStorage,
    pub(crate) cloud_scheduler: Scheduler,
    pub(crate) transfer: TransferPrices,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Iot {
    #[serde(rename = "pricePerGiB")]
    pub(crate) price_per_gib: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Workflows {
    /// A step.
    pub(crate) step_price: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scheduler {
    /// A job and month.
    pub(crate) job_price: f64,
}
