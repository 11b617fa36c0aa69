//! The arithmetic: what each cloud's services cost for a workload.

use twin_contract::Cloud;

use super::{Component, Layer, LayerPrice, Price, Unsupported};
use crate::{
    catalogue::{Catalogue, ColdStorage, MessageTier},
    functions,
    months::Month,
    workload::Workload,
};

/// A workload with prices.
pub(super) struct On<'a> {
    workload: &'a Workload,
    catalogue: &'a Catalogue,
    month: Month,
}

/// Names of L2's functions.
struct ProcessingNames {
    persister: &'static str,
    processors: &'static str,
    workflow: &'static str,
    actions: &'static str,
}

impl<'a> On<'a> {
    pub(super) fn new(workload: &'a Workload, catalogue: &'a Catalogue) -> Self {
        Self {
            workload,
            catalogue,
            month: Month::of(workload),
        }
    }

    fn calls(&self, cloud: Cloud, calls: f64) -> f64 {
        functions::calls(self.catalogue, cloud, calls)
    }

    /// GiB that are stored for so many months.
    fn stored(&self, months: u32) -> f64 {
        self.month.gib * f64::from(months)
    }

    pub(super) fn aws(&self) -> [Price; Layer::COUNT] {
        let (workload, prices, month) = (self.workload, &self.catalogue.aws, &self.month);
        let blocks = if workload.message_kb > 5.0 {
            (workload.message_kb / 5.0).ceil()
        } else {
            1.0
        };
        let billed = month.messages * blocks;
        let iot_core = workload.devices as f64 * prices.iot_core.price_per_device_and_month
            + 2.0 * billed * prices.iot_core.price_rules_triggered
            + of_tiers(prices.iot_core.pricing_tiers.values(), billed);
        let hot = &prices.dynamo_db;
        let dynamo_db = month.messages * hot.write_price
            + month.queries * hot.read_price
            + (self.stored(workload.hot_months) - hot.free_storage).max(0.0) * hot.storage_price;
        let rates = &prices.iot_twin_maker.usage_rates;
        let twin = workload.twin_maker.usable().map(|()| {
            LayerPrice::of([
                (
                    "twinmaker_entities",
                    workload.entities as f64 * rates.entity_price_per_month,
                ),
                ("twinmaker_queries", month.queries * rates.query_price),
                (
                    "twinmaker_api_calls",
                    month.queries * rates.unified_data_access_api_call_price,
                ),
            ])
        });
        let grafana = &prices.aws_managed_grafana;
        let step = prices.step_functions.price_per_state_transition;
        [
            Ok(LayerPrice::of([
                ("iot_core", iot_core),
                ("dispatcher_lambda", self.calls(Cloud::Aws, month.messages)),
            ])),
            Ok(self.processing(
                Cloud::Aws,
                workload.orchestration_actions as f64 * step,
                &ProcessingNames {
                    persister: "persister_lambda",
                    processors: "processor_lambdas",
                    workflow: "step_functions",
                    actions: "event_action_lambdas",
                },
            )),
            Ok(LayerPrice::of([
                ("dynamodb", dynamo_db),
                (
                    "hot_reader_lambda",
                    self.calls(Cloud::Aws, 0.3 * month.queries),
                ),
                (
                    "hot_reader_last_entry_lambda",
                    self.calls(Cloud::Aws, 0.7 * month.queries),
                ),
            ])),
            Ok(self.cold("s3_ia", &prices.s3_infrequent_access, workload.cool_months)),
            Ok(self.cold(
                "s3_glacier",
                &prices.s3_glacier_deep_archive,
                workload.archive_months,
            )),
            twin,
            Ok(LayerPrice::of([(
                "grafana",
                workload.editors as f64 * grafana.editor_price
                    + workload.viewers as f64 * grafana.viewer_price,
            )])),
        ]
    }

    pub(super) fn azure(&self) -> [Price; Layer::COUNT] {
        /// Steps of a workflow.
        const STEPS: f64 = 3.0;
        /// Request units of a write.
        const UNITS_PER_WRITE: f64 = 5.0;
        /// Hours in a month, for what is paid by the hour.
        const HOURS: f64 = 730.0;
        let (workload, prices, month) = (self.workload, &self.catalogue.azure, &self.month);
        let events = month.messages * prices.event_grid.price_per_million_events / 1e6;
        let devices = self.hub().map(|hub| {
            LayerPrice::of([
                ("iot_hub", hub),
                (
                    "dispatcher_function",
                    self.calls(Cloud::Azure, month.messages),
                ),
                ("event_grid_subscription", events),
            ])
        });
        let units = UNITS_PER_WRITE * month.messages + month.queries;
        let cosmos_db = units * prices.cosmos_db.request_price / 1e6
            + self.stored(workload.hot_months) * prices.cosmos_db.storage_price;
        let twins = &prices.azure_digital_twins;
        let operations = month.messages + month.queries * workload.answer_kb.ceil().max(1.0);
        let grafana = &prices.azure_managed_grafana;
        let users = (workload.editors + workload.viewers) as f64;
        [
            devices,
            Ok(self.processing(
                Cloud::Azure,
                STEPS * prices.logic_apps.price_per_state_transition,
                &ProcessingNames {
                    persister: "persister_function",
                    processors: "processor_functions",
                    workflow: "logic_apps",
                    actions: "event_action_functions",
                },
            )),
            Ok(LayerPrice::of([
                ("cosmos_db", cosmos_db),
                (
                    "hot_reader_function",
                    self.calls(Cloud::Azure, month.queries),
                ),
            ])),
            Ok(self.cold("blob_cool", &prices.blob_storage_cool, workload.cool_months)),
            Ok(self.cold(
                "blob_archive",
                &prices.blob_storage_archive,
                workload.archive_months,
            )),
            Ok(LayerPrice::of([
                (
                    "digital_twins_operations",
                    operations * twins.price_per_operation,
                ),
                (
                    "digital_twins_query_units",
                    month.queries * workload.query_units * twins.price_per_query_unit,
                ),
                (
                    "adt_pusher_function",
                    self.calls(Cloud::Azure, month.messages),
                ),
            ])),
            Ok(LayerPrice::of([(
                "grafana",
                users * grafana.user_price + HOURS * grafana.hourly_price,
            )])),
        ]
    }

    pub(super) fn gcp(&self) -> [Price; Layer::COUNT] {
        /// Steps of a workflow.
        const STEPS: f64 = 3.0;
        let (workload, prices, month) = (self.workload, &self.catalogue.gcp, &self.month);
        let received = month.gib.max(month.gib_of_at_least_a_kb(workload));
        let hot = &prices.storage_hot;
        let firestore = month.messages * hot.write_price
            + month.queries * hot.read_price
            + (self.stored(workload.hot_months) - hot.free_storage).max(0.0) * hot.storage_price;
        [
            Ok(LayerPrice::of([
                ("pubsub", received * prices.iot.price_per_gib),
                (
                    "dispatcher_function",
                    self.calls(Cloud::Gcp, month.messages),
                ),
            ])),
            Ok(self.processing(
                Cloud::Gcp,
                STEPS * prices.cloud_workflows.step_price,
                &ProcessingNames {
                    persister: "persister_function",
                    processors: "processor_functions",
                    workflow: "cloud_workflows",
                    actions: "event_action_functions",
                },
            )),
            Ok(LayerPrice::of([
                ("firestore", firestore),
                ("hot_reader_function", self.calls(Cloud::Gcp, month.queries)),
            ])),
            Ok(self.cold("gcs_nearline", &prices.storage_cool, workload.cool_months)),
            Ok(self.cold(
                "gcs_archive",
                &prices.storage_archive,
                workload.archive_months,
            )),
            Err(Unsupported::NoService),
            Err(Unsupported::NoService),
        ]
    }

    /// L2. `workflow` is the price of one run of the workflow.
    fn processing(&self, cloud: Cloud, workflow: f64, names: &ProcessingNames) -> LayerPrice {
        let (workload, messages) = (self.workload, self.month.messages);
        let mut components = vec![
            (names.persister, self.calls(cloud, messages)),
            (
                names.processors,
                self.calls(cloud, messages * workload.device_types as f64),
            ),
        ];
        if workload.checks_events {
            components.push(("event_checker", self.calls(cloud, messages)));
            if workload.returns_feedback {
                let events = messages * workload.event_rate;
                components.push(("event_feedback", self.calls(cloud, events)));
            }
            if workload.triggers_workflow {
                components.push((names.workflow, messages * workflow));
            }
        }
        if workload.event_actions > 0 {
            let actions = messages * workload.event_rate * workload.event_actions as f64;
            components.push((names.actions, self.calls(cloud, actions)));
        }
        let components = components.into_iter();
        LayerPrice {
            components: components
                .map(|(name, cost)| Component { name, cost })
                .collect(),
        }
    }

    fn cold(&self, name: &'static str, prices: &ColdStorage, months: u32) -> LayerPrice {
        let stored = self.stored(months) * prices.storage_price;
        LayerPrice::of([(name, stored + self.month.messages * prices.write_price)])
    }

    /// The price of the cheapest IoT Hub that takes the messages.
    fn hub(&self) -> Result<f64, Unsupported> {
        /// The block in which messages are counted, in KB: of the free hub, and of the others.
        const BLOCKS: (f64, f64) = (0.5, 4.0);
        /// The most units of S1 and S2, and of S3.
        const UNITS: (f64, f64) = (200.0, 10.0);
        let tiers = &self.catalogue.azure.iot_hub.pricing_tiers;
        let billed = |block: f64| {
            let blocks = (self.workload.message_kb / block).ceil().max(1.0);
            self.month.messages * blocks
        };
        let free = billed(BLOCKS.0) <= tiers.free_tier.limit.value();
        let paid = |tier: &MessageTier, most: f64| {
            let units = (billed(BLOCKS.1) / tier.threshold).ceil().max(1.0);
            (units <= most).then_some(units * tier.price)
        };
        let costs = [
            free.then_some(tiers.free_tier.price),
            paid(&tiers.tier1, UNITS.0),
            paid(&tiers.tier2, UNITS.0),
            paid(&tiers.tier3, UNITS.1),
        ];
        let costs = costs.into_iter().flatten();
        costs
            .min_by(f64::total_cmp)
            .ok_or(Unsupported::IotHubTooSmall)
    }
}

/// The price of so many messages: each tier's price for those between its limit and the one before.
fn of_tiers<'a>(tiers: impl Iterator<Item = &'a MessageTier>, messages: f64) -> f64 {
    let (mut cost, mut from) = (0.0, 0.0);
    for tier in tiers {
        let to = tier.limit.value();
        cost += (messages.min(to) - from).max(0.0) * tier.price;
        from = to;
    }
    cost
}
