//! Constraints, and what cannot be placed.

#![cfg(test)]

use serde_json::json;
use twin_contract::{
    Cloud::{Aws, Azure, Gcp},
    Timestamp,
};
use twin_cost::{Catalogue, Constraints, CostError, Layer, Outcome, Workload, optimize};

fn with(devices: u64, constraints: &Constraints) -> Result<Outcome, CostError> {
    let workload = json!({
        "numberOfDevices": devices, "deviceSendingIntervalInMinutes": 1, "averageSizeOfMessageInKb": 1,
        "hotStorageDurationInMonths": 1, "coolStorageDurationInMonths": 1, "archiveStorageDurationInMonths": 6,
        "needs3DModel": false, "entityCount": 0, "amountOfActiveEditors": 0, "amountOfActiveViewers": 0,
        "dashboardRefreshesPerHour": 0, "dashboardActiveHoursPerDay": 0,
    });
    let workload = Workload::parse(&workload.to_string(), Timestamp::from_micros(0)).unwrap();
    optimize(&workload, &Catalogue::built_in().unwrap(), constraints)
}

#[test]
fn a_layer_that_is_pinned_is_where_it_must_be() {
    let pinned = Constraints::default()
        .pin(Layer::Hot, Gcp)
        .pin(Layer::Hot, Azure)
        .pin(Layer::L1, Aws);
    let outcome = with(100, &pinned).unwrap();
    let placement = outcome.winner.placement;
    assert_eq!(placement.cloud(Layer::Hot), Azure);
    assert_eq!(placement.cloud(Layer::L1), Aws);
    assert!(pinned.permit_placement(&placement));
    assert_eq!(outcome.paths, 486 / 9);
    let more = |layer, cloud| {
        let mut all = outcome.what_if.iter();
        let found = all.find(|what_if| (what_if.layer, what_if.cloud) == (layer, cloud));
        found.unwrap().more
    };
    assert_eq!(more(Layer::Hot, Azure), Ok(0.0));
    assert_eq!(
        more(Layer::Hot, Aws).unwrap_err().code(),
        "PINNED_ELSEWHERE"
    );
    assert_eq!(more(Layer::L5, Gcp).unwrap_err().code(), "NO_SERVICE");
    assert!(more(Layer::L2, Aws).unwrap() >= 0.0);
}

#[test]
fn what_cannot_be_placed_is_said_for_each_cloud() {
    // Without AWS's plan, L4 can only be on Azure.
    let error = with(100, &Constraints::default().forbid(Azure)).unwrap_err();
    let message = error.to_string();
    for words in [
        "no cloud can carry L4",
        "aws: the plan of the account for IoT TwinMaker is not known (AWS_TWINMAKER_PLAN_UNOBSERVED)",
        "azure: a constraint forbids the cloud (FORBIDDEN)",
        "gcp: there is no service for it (NO_SERVICE)",
    ] {
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn an_iot_hub_that_would_have_to_be_larger_than_there_are_is_no_end_of_the_calculation() {
    let outcome = with(10_000_000, &Constraints::default()).unwrap();
    let azure = outcome.layers.price(Layer::L1, Azure);
    assert_eq!(azure.unwrap_err().code(), "AZURE_IOT_HUB_CAPACITY_EXCEEDED");
    assert_eq!(outcome.paths, 486 * 2 / 3);
}

#[test]
fn a_layer_is_named_as_in_results() {
    for layer in Layer::ALL {
        assert_eq!(layer.as_str().parse(), Ok(layer));
    }
    assert!("L3".parse::<Layer>().is_err());
}
