//! The model once more, as plainly as possible and without any of the crate's code, compared on random workloads.

#![cfg(test)]

use proptest::prelude::*;
use serde_json::{Value, json};
use twin_contract::Cloud;
use twin_contract::Timestamp;
use twin_cost::{Catalogue, Constraints, Layer, Workload, optimize};

const PRICES: &str = include_str!("../prices/pricing.json");
const CLOUDS: [&str; 3] = ["aws", "azure", "gcp"];

fn number(value: &Value, path: &str) -> f64 {
    let found = path.split('.').fold(value, |value, name| &value[name]);
    found.as_f64().unwrap_or_else(|| panic!("{path}: {found}"))
}

fn function(prices: &Value, cloud: usize, n: f64, ms: f64, mb: f64) -> f64 {
    let of = ["aws.lambda", "azure.functions", "gcp.functions"][cloud];
    let p = |name: &str| number(prices, &format!("{of}.{name}"));
    p("requestPrice") * f64::max(0.0, n - p("freeRequests"))
        + p("durationPrice") * f64::max(0.0, n * ms / 1000.0 * mb / 1024.0 - p("freeComputeTime"))
}

fn egress(prices: &Value, cloud: usize, bytes: f64) -> f64 {
    let transfer = &prices[CLOUDS[cloud]]["transfer"];
    let quantity = bytes / number(transfer, "bytes_per_billing_unit");
    let mut cost = 0.0;
    for tier in transfer["pricing_tiers"].as_array().unwrap() {
        let (start, end) = (
            number(tier, "start_quantity"),
            tier["end_quantity"].as_f64(),
        );
        if quantity > start {
            let top = end.map_or(quantity, |end| end.min(quantity));
            cost += (top - start) * number(tier, "unit_price");
        }
    }
    cost
}

/// The smallest score of all placements, and how many there are.
fn restated(w: &Value) -> (f64, usize) {
    let prices: Value = serde_json::from_str(PRICES).unwrap();
    let p = |path: &str| number(&prices, path);
    let w = |name: &str| &w[name];
    let n = |name: &str| w(name).as_f64().unwrap();
    let b = |name: &str| w(name).as_bool().unwrap();
    let mb = [256.0, 128.0, 256.0];
    let f = |cloud: usize, calls: f64| function(&prices, cloud, calls, 100.0, mb[cloud]);

    let (devices, kb) = (n("numberOfDevices"), n("averageSizeOfMessageInKb"));
    let m = devices * (60.0 / n("deviceSendingIntervalInMinutes")) * 24.0 * 30.0;
    let g = m * kb / 1048576.0;
    let q = n("dashboardActiveHoursPerDay")
        * n("dashboardRefreshesPerHour")
        * n("apiCallsPerDashboardRefresh")
        * 30.0;
    let (hg, cg, ag) = (
        g * n("hotStorageDurationInMonths"),
        g * n("coolStorageDurationInMonths"),
        g * n("archiveStorageDurationInMonths"),
    );
    let (rate, answer) = (
        n("eventTriggerRate"),
        n("averageDigitalTwinQueryResponseSizeInKb"),
    );

    let billed = m * if kb > 5.0 { (kb / 5.0).ceil() } else { 1.0 };
    let mut iot = devices * p("aws.iotCore.pricePerDeviceAndMonth")
        + 2.0 * billed * p("aws.iotCore.priceRulesTriggered");
    let mut below = 0.0;
    for tier in ["tier1", "tier2", "tier3"] {
        let tier = &prices["aws"]["iotCore"]["pricing_tiers"][tier];
        let limit = tier["limit"].as_f64().unwrap_or(f64::INFINITY);
        iot += f64::max(0.0, billed.min(limit) - below) * number(tier, "price");
        below = limit;
    }
    let hub = |tier: &str, name: &str| p(&format!("azure.iotHub.pricing_tiers.{tier}.{name}"));
    let mut hubs = Vec::new();
    if m * f64::max(1.0, (kb / 0.5).ceil()) <= hub("freeTier", "limit") {
        hubs.push(0.0);
    }
    for (tier, most) in [("tier1", 200.0), ("tier2", 200.0), ("tier3", 10.0)] {
        let messages = m * f64::max(1.0, (kb / 4.0).ceil());
        let units = f64::max(1.0, (messages / hub(tier, "threshold")).ceil());
        if units <= most {
            hubs.push(units * hub(tier, "price"));
        }
    }
    let hub = hubs.into_iter().reduce(f64::min);
    let l1 = [
        Some(iot + f(0, m)),
        hub.map(|hub| hub + f(1, m) + m * p("azure.eventGrid.pricePerMillionEvents") / 1e6),
        Some(f64::max(g, m * kb.max(1.0) / 1048576.0) * p("gcp.iot.pricePerGiB") + f(2, m)),
    ];
    let l2 = [0, 1, 2].map(|cloud| {
        let mut cost = f(cloud, m) + f(cloud, m * n("numberOfDeviceTypes"));
        if b("useEventChecking") {
            cost += f(cloud, m);
            if b("returnFeedbackToDevice") {
                cost += f(cloud, m * rate);
            }
            if b("triggerNotificationWorkflow") {
                cost += m * match cloud {
                    0 => {
                        n("orchestrationActionsPerMessage")
                            * p("aws.stepFunctions.pricePerStateTransition")
                    }
                    1 => 3.0 * p("azure.logicApps.pricePerStateTransition"),
                    _ => 3.0 * p("gcp.cloudWorkflows.stepPrice"),
                };
            }
        }
        if n("numberOfEventActions") > 0.0 {
            cost += f(cloud, m * rate * n("numberOfEventActions"));
        }
        Some(cost)
    });
    let hot = [
        m * p("aws.dynamoDB.writePrice")
            + q * p("aws.dynamoDB.readPrice")
            + f64::max(0.0, hg - p("aws.dynamoDB.freeStorage")) * p("aws.dynamoDB.storagePrice")
            + f(0, 0.3 * q)
            + f(0, 0.7 * q),
        (5.0 * m + q) * p("azure.cosmosDB.requestPrice") / 1e6
            + hg * p("azure.cosmosDB.storagePrice")
            + f(1, q),
        m * p("gcp.storage_hot.writePrice")
            + q * p("gcp.storage_hot.readPrice")
            + f64::max(0.0, hg - p("gcp.storage_hot.freeStorage"))
                * p("gcp.storage_hot.storagePrice")
            + f(2, q),
    ]
    .map(Some);
    let cold = |gib: f64, names: [(&str, &str); 3]| {
        names.map(|(service, write)| {
            let price = |name: &str| p(&format!("{service}.{name}"));
            Some(gib * price("storagePrice") + m * price(write))
        })
    };
    let cool = cold(
        cg,
        [
            ("aws.s3InfrequentAccess", "requestPrice"),
            ("azure.blobStorageCool", "writePrice"),
            ("gcp.storage_cool", "requestPrice"),
        ],
    );
    let archive = cold(
        ag,
        [
            ("aws.s3GlacierDeepArchive", "lifecycleAndWritePrice"),
            ("azure.blobStorageArchive", "writePrice"),
            ("gcp.storage_archive", "lifecycleAndWritePrice"),
        ],
    );
    let rates = "aws.iotTwinMaker.usageRates";
    let twin_maker = n("entityCount") * p(&format!("{rates}.entityPricePerMonth"))
        + q * p(&format!("{rates}.queryPrice"))
        + q * p(&format!("{rates}.unifiedDataAccessApiCallPrice"));
    let l4 = [
        (w("awsTwinMakerPlan") == "STANDARD").then_some(twin_maker),
        Some(
            (m + q * f64::max(1.0, answer.ceil())) * p("azure.azureDigitalTwins.pricePerOperation")
                + q * n("averageDigitalTwinQueryUnitsPerQuery")
                    * p("azure.azureDigitalTwins.pricePerQueryUnit")
                + f(1, m),
        ),
        None,
    ];
    let (editors, viewers) = (n("amountOfActiveEditors"), n("amountOfActiveViewers"));
    let l5 = [
        Some(
            editors * p("aws.awsManagedGrafana.editorPrice")
                + viewers * p("aws.awsManagedGrafana.viewerPrice"),
        ),
        Some(
            (editors + viewers) * p("azure.azureManagedGrafana.userPrice")
                + 730.0 * p("azure.azureManagedGrafana.hourlyPrice"),
        ),
        None,
    ];

    let layers = [l1, l2, hot, cool, archive, l4, l5];
    let (t, r) = (m * kb * 1024.0, q * answer * 1024.0);
    let edges = [
        (0, 1, t, m),
        (1, 2, t, m),
        (2, 3, t, 30.0),
        (3, 4, t, 4.0),
        (2, 5, r, q),
        (5, 6, r, q),
    ];
    let (mut least, mut count) = (f64::INFINITY, 0);
    for path in 0..3_usize.pow(7) {
        let clouds: Vec<usize> = (0..7).map(|place| path / 3_usize.pow(place) % 3).collect();
        let costs: Option<Vec<f64>> = (0..7).map(|layer| layers[layer][clouds[layer]]).collect();
        let Some(costs) = costs else { continue };
        count += 1;
        let mut score: f64 = costs.iter().sum();
        let (mut out, mut into) = ([0.0; 3], [0.0; 3]);
        for (from, to, bytes, calls) in edges {
            if clouds[from] != clouds[to] {
                out[clouds[from]] += bytes;
                into[clouds[to]] += calls;
            }
        }
        for cloud in 0..3 {
            score += egress(&prices, cloud, out[cloud]) + f(cloud, into[cloud]);
        }
        for (layer, runs) in [(2, 30.0), (3, 4.0)] {
            let mover = [512.0, 128.0, 512.0][clouds[layer]];
            score += function(&prices, clouds[layer], runs, 5000.0, mover);
            if clouds[layer] == 2 {
                score += p("gcp.cloudScheduler.jobPrice");
            }
        }
        least = least.min(score);
    }
    (least, count)
}

prop_compose! {
    fn workloads()(
        (devices, interval, kb) in (1_u64..2_000_000, 0.05..10_000.0_f64, 0.01..300.0_f64),
        (hot, cool, archive) in (1_u32..12, 0_u32..24, 6_u32..60),
        (entities, editors, viewers) in (0_u64..20_000, 0_u64..100, 0_u64..1_000),
        (refreshes, hours, calls) in (0_u64..4_000, 0_u64..=24, 1_u64..20),
        (types, actions, transitions, rate) in (1_u64..10, 0_u64..5, 1_u64..12, 0.0..=1.0_f64),
        (units, answer) in (0.1..50.0_f64, 0.1..500.0_f64),
        (checking, workflow, feedback, standard) in any::<(bool, bool, bool, bool)>(),
    ) -> Value {
        let cool = hot + cool;
        let mut workload = json!({
            "numberOfDevices": devices, "deviceSendingIntervalInMinutes": interval, "averageSizeOfMessageInKb": kb,
            "hotStorageDurationInMonths": hot, "coolStorageDurationInMonths": cool,
            "archiveStorageDurationInMonths": cool + archive, "needs3DModel": false, "entityCount": entities,
            "amountOfActiveEditors": editors, "amountOfActiveViewers": viewers, "dashboardRefreshesPerHour": refreshes,
            "dashboardActiveHoursPerDay": hours, "apiCallsPerDashboardRefresh": calls, "numberOfDeviceTypes": types,
            "numberOfEventActions": actions, "orchestrationActionsPerMessage": transitions, "eventTriggerRate": rate,
            "averageDigitalTwinQueryUnitsPerQuery": units, "averageDigitalTwinQueryResponseSizeInKb": answer,
            "useEventChecking": checking, "triggerNotificationWorkflow": workflow, "returnFeedbackToDevice": feedback,
        });
        if standard {
            workload["awsTwinMakerPlan"] = "STANDARD".into();
        }
        workload
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(130))]

    #[test]
    fn the_cheapest_placement_costs_what_a_plain_restatement_says(workload in workloads()) {
        let (expected, paths) = restated(&workload);
        let read = Workload::parse(&workload.to_string(), Timestamp::from_micros(0)).unwrap();
        let outcome = optimize(&read, &Catalogue::built_in().unwrap(), &Constraints::default()).unwrap();
        prop_assert_eq!(outcome.paths, paths);
        let found = outcome.winner.score();
        // Sums of other orders differ by the last digits.
        prop_assert!((found - expected).abs() <= 1e-9 * expected.max(1.0), "{} and {}", found, expected);
    }

    #[test]
    fn the_score_is_the_sum_of_its_parts(workload in workloads()) {
        let read = Workload::parse(&workload.to_string(), Timestamp::from_micros(0)).unwrap();
        let outcome = optimize(&read, &Catalogue::built_in().unwrap(), &Constraints::default()).unwrap();
        let winner = &outcome.winner;
        let mut parts = 0.0;
        for layer in Layer::ALL {
            let price = outcome.layers.price(layer, winner.placement.cloud(layer)).unwrap();
            parts += price.components.iter().map(|component| component.cost).sum::<f64>();
        }
        parts += winner.edges.iter().map(|edge| edge.egress + edge.glue).sum::<f64>();
        parts += winner.movers.iter().map(|mover| mover.cost).sum::<f64>();
        prop_assert!((parts - winner.score()).abs() <= 1e-9 * parts.max(1.0));
    }

    #[test]
    fn a_constraint_never_makes_it_cheaper_and_what_if_says_by_how_much_more(workload in workloads(), place in 0_usize..7) {
        let read = Workload::parse(&workload.to_string(), Timestamp::from_micros(0)).unwrap();
        let catalogue = Catalogue::built_in().unwrap();
        let free = optimize(&read, &catalogue, &Constraints::default()).unwrap();
        let layer = Layer::ALL[place];
        for what_if in free.what_if.iter().filter(|what_if| what_if.layer == layer) {
            let pinned = Constraints::default().pin(layer, what_if.cloud);
            let pinned = optimize(&read, &catalogue, &pinned);
            match what_if.more {
                Ok(more) => {
                    let found = pinned.unwrap().winner;
                    prop_assert_eq!(found.placement.cloud(layer), what_if.cloud);
                    let difference = found.score() - free.winner.score();
                    prop_assert!(difference >= -1e-9);
                    prop_assert!((difference - more).abs() <= 1e-9 * found.score().max(1.0));
                }
                Err(_) => prop_assert!(pinned.is_err()),
            }
        }
        for &cloud in Cloud::ALL {
            if let Ok(without) = optimize(&read, &catalogue, &Constraints::default().forbid(cloud)) {
                prop_assert!(without.winner.score() >= free.winner.score() - 1e-9);
                prop_assert!(Layer::ALL.into_iter().all(|layer| without.winner.placement.cloud(layer) != cloud));
            }
        }
        let second = free.runner_up.unwrap();
        prop_assert!(second.placement != free.winner.placement);
        prop_assert!(second.score() >= free.winner.score() - 1e-9);
    }

    #[test]
    fn more_devices_never_cost_less(workload in workloads(), more in 1_u64..1_000_000) {
        let catalogue = Catalogue::built_in().unwrap();
        let score = |workload: &Value| {
            let read = Workload::parse(&workload.to_string(), Timestamp::from_micros(0)).unwrap();
            optimize(&read, &catalogue, &Constraints::default()).unwrap().winner.score()
        };
        let mut larger = workload.clone();
        larger["numberOfDevices"] = (workload["numberOfDevices"].as_u64().unwrap() + more).into();
        let (before, after) = (score(&workload), score(&larger));
        prop_assert!(after >= before * (1.0 - 1e-12), "{} and {}", before, after);
    }
}
