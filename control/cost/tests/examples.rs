//! The worked examples of the existing optimizer, run with the same catalogue: every part to 1e-6 or better, as far as they are given.

#![cfg(test)]

use serde_json::{Value, json};
use twin_contract::{
    Cloud::{self, Aws, Azure, Gcp},
    Timestamp,
};
use twin_cost::{Catalogue, Constraints, Edge, Layer, Outcome, Workload, optimize};

struct Example {
    outcome: Outcome,
}

fn example(workload: Value) -> Example {
    let workload = Workload::parse(&workload.to_string(), Timestamp::from_micros(0)).unwrap();
    let catalogue = Catalogue::built_in().unwrap();
    Example {
        outcome: optimize(&workload, &catalogue, &Constraints::default()).unwrap(),
    }
}

fn is(found: f64, expected: f64, within: f64) {
    assert!(
        (found - expected).abs() <= within,
        "{found}, expected {expected}"
    );
}

impl Example {
    /// The costs of a layer, in the order of the clouds, given with six decimals.
    fn costs(&self, layer: Layer, expected: &[f64]) {
        for (&cloud, &expected) in [Aws, Azure, Gcp].iter().zip(expected) {
            let price = self.outcome.layers.price(layer, cloud).unwrap();
            is(price.cost(), expected, 5e-7);
        }
    }

    fn winner(&self, clouds: [Cloud; 7]) {
        let expected = clouds.map(Cloud::as_str).join("|");
        assert_eq!(self.outcome.winner.placement.id(), expected);
    }

    fn edge(&self, edge: Edge) -> (f64, f64) {
        let mut edges = self.outcome.winner.edges.iter();
        let found = edges.find(|found| found.edge == edge);
        found.map_or((0.0, 0.0), |found| (found.egress, found.glue))
    }
}

#[test]
fn e1_a_middling_twin_with_checks_and_feedback() {
    let example = example(json!({
        "numberOfDevices": 250, "deviceSendingIntervalInMinutes": 5, "averageSizeOfMessageInKb": 1.5,
        "hotStorageDurationInMonths": 1, "coolStorageDurationInMonths": 6, "archiveStorageDurationInMonths": 24,
        "needs3DModel": false, "entityCount": 40, "amountOfActiveEditors": 3, "amountOfActiveViewers": 12,
        "dashboardRefreshesPerHour": 20, "dashboardActiveHoursPerDay": 6, "apiCallsPerDashboardRefresh": 2,
        "useEventChecking": true, "returnFeedbackToDevice": true, "numberOfDeviceTypes": 3, "numberOfEventActions": 2,
        "eventTriggerRate": 0.05, "averageDigitalTwinQueryResponseSizeInKb": 2.5,
        "averageDigitalTwinQueryUnitsPerQuery": 1.5, "awsTwinMakerPlan": "STANDARD",
    }));
    assert_eq!(example.outcome.paths, 972);
    example.costs(Layer::L1, &[3.169975, 26.528, 0.184699]);
    example.costs(Layer::L2, &[1.56, 1.56, 1.92]);
    example.costs(Layer::Hot, &[1.648098, 1.403617, 4.172513]);
    example.costs(Layer::Cool, &[2.410282, 21.785394, 56.363934]);
    example.costs(Layer::Archive, &[79.428549, 28.213484, 140.503821]);
    example.costs(Layer::L4, &[2.48988, 7.32922]);
    example.costs(Layer::L5, &[87.0, 122.485]);
    example.winner([Gcp, Azure, Azure, Aws, Azure, Aws, Aws]);
    let winner = &example.outcome.winner;
    is(winner.layers, 123.261962256, 1e-9);
    let (egress, glue) = example.edge(Edge::L1ToL2);
    is(egress, 0.250789, 5e-7);
    is(glue, 0.232, 1e-9);
    let (egress, glue) = example.edge(Edge::CoolToArchive);
    is(egress, 0.0, 1e-12);
    is(glue, 8e-7, 1e-12);
    is(winner.moving(), 0.0, 1e-12);
    assert_eq!(example.outcome.total_usd(), 123.74);
}

#[test]
fn e2_a_large_twin_with_a_workflow() {
    let example = example(json!({
        "numberOfDevices": 12000, "deviceSendingIntervalInMinutes": 1, "averageSizeOfMessageInKb": 6,
        "hotStorageDurationInMonths": 2, "coolStorageDurationInMonths": 6, "archiveStorageDurationInMonths": 12,
        "needs3DModel": true, "entityCount": 500, "amountOfActiveEditors": 4, "amountOfActiveViewers": 40,
        "dashboardRefreshesPerHour": 30, "dashboardActiveHoursPerDay": 10, "apiCallsPerDashboardRefresh": 1,
        "useEventChecking": true, "triggerNotificationWorkflow": true, "orchestrationActionsPerMessage": 4,
        "eventTriggerRate": 0.2,
    }));
    assert_eq!(example.outcome.paths, 486);
    example.costs(Layer::L1, &[1715.519752, 2011.8, 353.831429]);
    example.costs(Layer::L2, &[52778.441256, 195002.28, 39593.88]);
    example.costs(Layer::Hot, &[2203.012232, 1634.527622, 1733.891290]);
    example.costs(Layer::Cool, &[758.670996, 5361.978516, 13674.176367]);
    example.costs(Layer::Archive, &[19463.303320, 6803.272266, 33745.833984]);
    assert_eq!(
        example
            .outcome
            .layers
            .price(Layer::L4, Aws)
            .unwrap_err()
            .code(),
        "AWS_TWINMAKER_PLAN_UNOBSERVED"
    );
    is(
        example
            .outcome
            .layers
            .price(Layer::L4, Azure)
            .unwrap()
            .cost(),
        1885.5951,
        5e-7,
    );
    example.costs(Layer::L5, &[236.0, 296.485]);
    example.winner([Gcp, Gcp, Gcp, Aws, Azure, Azure, Aws]);
    let winner = &example.outcome.winner;
    is(winner.layers, 51365.141081475, 1e-8);
    let of = |edge| {
        let (egress, glue) = example.edge(edge);
        egress + glue
    };
    is(of(Edge::HotToCool), 336.413945, 5e-7);
    is(of(Edge::CoolToArchive), 277.654464, 5e-7);
    is(of(Edge::HotToL4), 0.000944, 5e-7);
    is(winner.moving(), 0.1, 1e-12);
    assert_eq!(example.outcome.total_usd(), 51979.31);
}

#[test]
fn e3_a_small_twin_within_the_free_amounts() {
    let example = example(json!({
        "numberOfDevices": 20, "deviceSendingIntervalInMinutes": 60, "averageSizeOfMessageInKb": 3,
        "hotStorageDurationInMonths": 1, "coolStorageDurationInMonths": 3, "archiveStorageDurationInMonths": 6,
        "needs3DModel": false, "entityCount": 5, "amountOfActiveEditors": 1, "amountOfActiveViewers": 0,
        "dashboardRefreshesPerHour": 0, "dashboardActiveHoursPerDay": 0, "awsTwinMakerPlan": "STANDARD",
    }));
    assert_eq!(example.outcome.paths, 972);
    example.costs(Layer::L1, &[0.019614, 0.00864, 0.001609]);
    example.costs(Layer::L2, &[0.0, 0.0, 0.0]);
    example.costs(Layer::Hot, &[0.01098, 0.014504, 0.02592]);
    example.costs(Layer::Cool, &[0.016069, 0.145236, 0.375760]);
    example.costs(Layer::Archive, &[0.523962, 0.187645, 0.936346]);
    example.costs(Layer::L4, &[0.2625, 0.0468]);
    example.costs(Layer::L5, &[9.0, 38.485]);
    // The three clouds cost the same in L2: the smallest id decides.
    example.winner([Gcp, Aws, Aws, Aws, Azure, Azure, Aws]);
    is(example.outcome.winner.layers, 9.263102820, 1e-9);
    assert_eq!(example.outcome.winner.transfer(), 0.0);
    assert_eq!(example.outcome.total_usd(), 9.26);
}

#[test]
fn a_total_in_euros_is_the_rounded_one_in_dollars_by_the_rate() {
    let example = example(json!({
        "numberOfDevices": 150_000, "deviceSendingIntervalInMinutes": 0.5, "averageSizeOfMessageInKb": 2,
        "hotStorageDurationInMonths": 2, "coolStorageDurationInMonths": 8, "archiveStorageDurationInMonths": 12,
        "needs3DModel": false, "entityCount": 1000, "amountOfActiveEditors": 20, "amountOfActiveViewers": 300,
        "dashboardRefreshesPerHour": 60, "dashboardActiveHoursPerDay": 12, "currency": "EUR",
    }));
    let winner = &example.outcome.winner;
    example.winner([Gcp, Azure, Azure, Aws, Azure, Azure, Aws]);
    is(winner.layers, 267077.633169, 5e-7);
    is(
        winner.edges.iter().map(|edge| edge.egress).sum(),
        6901.166530,
        5e-7,
    );
    is(
        winner.edges.iter().map(|edge| edge.glue).sum(),
        5177.400002,
        5e-7,
    );
    is(winner.score(), 279156.1997000098, 1e-8);
    assert_eq!(example.outcome.total_eur(0.858861), 239756.37);
}
