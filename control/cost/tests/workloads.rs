//! How workloads are read, and what is reported about those that cannot be used.

#![cfg(test)]

use serde_json::{Value, json};
use twin_contract::Timestamp;
use twin_cost::{Currency, TwinMakerPlan, Workload, WorkloadError};

/// 2026-01-10T00:00:00Z
const NOW: Timestamp = Timestamp::from_micros(1_768_003_200_000_000);

fn smallest() -> Value {
    json!({
        "numberOfDevices": 1, "deviceSendingIntervalInMinutes": 1, "averageSizeOfMessageInKb": 1,
        "hotStorageDurationInMonths": 1, "coolStorageDurationInMonths": 1, "archiveStorageDurationInMonths": 6,
        "needs3DModel": false, "entityCount": 0, "amountOfActiveEditors": 0, "amountOfActiveViewers": 0,
        "dashboardRefreshesPerHour": 0, "dashboardActiveHoursPerDay": 0,
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut workload = smallest();
    workload[field] = value;
    workload
}

fn read(workload: &Value) -> Result<Workload, WorkloadError> {
    Workload::parse(&workload.to_string(), NOW)
}

/// The fields that are wrong, with what is wrong with them.
fn wrong(workload: &Value) -> Vec<(String, String)> {
    match read(workload) {
        Err(WorkloadError::Fields(errors)) => errors
            .into_iter()
            .map(|error| (error.field, error.problem))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_said_has_its_default() {
    let workload = read(&smallest()).unwrap();
    assert_eq!(workload.orchestration_actions, 3);
    assert_eq!((workload.calls_per_refresh, workload.device_types), (1, 1));
    assert_eq!((workload.event_actions, workload.event_rate), (0, 0.1));
    assert_eq!((workload.query_units, workload.answer_kb), (1.0, 1.0));
    assert_eq!(workload.currency, Currency::Usd);
    assert_eq!(workload.twin_maker, TwinMakerPlan::Unobserved);
    let flags = [
        workload.checks_events,
        workload.triggers_workflow,
        workload.returns_feedback,
    ];
    assert_eq!(flags, [false; 3]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let mut workload = smallest();
    workload["numberOfDevices"] = json!(0);
    workload["averageSizeOfMessageInKb"] = json!("1");
    workload["numberOfSensors"] = json!(1);
    workload.as_object_mut().unwrap().remove("entityCount");
    let found = wrong(&workload);
    let expected = [
        ("numberOfDevices", "must be a whole number, at least 1"),
        ("averageSizeOfMessageInKb", "must be a number above 0"),
        ("entityCount", "is missing: a whole number, at least 0"),
        ("numberOfSensors", "is not known"),
    ];
    assert_eq!(
        found,
        expected.map(|(field, problem)| (field.to_owned(), problem.to_owned()))
    );
    let message = read(&workload).unwrap_err().to_string();
    assert!(
        message.contains("`numberOfSensors` is not known"),
        "{message}"
    );
}

#[test]
fn each_field_keeps_to_its_range() {
    for (field, good, bad) in [
        (
            "numberOfDevices",
            json!([1, 5.0, 1_000_000]),
            json!([0, -1, 1.5, "1", null, true]),
        ),
        (
            "deviceSendingIntervalInMinutes",
            json!([0.001, 1]),
            json!([0, -1, "1", null]),
        ),
        ("hotStorageDurationInMonths", json!([1]), json!([0, 1.5])),
        (
            "archiveStorageDurationInMonths",
            json!([6, 120]),
            json!([5]),
        ),
        (
            "dashboardActiveHoursPerDay",
            json!([0, 24]),
            json!([25, -1]),
        ),
        ("eventTriggerRate", json!([0, 0.5, 1]), json!([1.01, -0.1])),
        ("orchestrationActionsPerMessage", json!([1]), json!([0])),
        ("eventsPerMessage", json!([1]), json!([0])),
        ("numberOfEventActions", json!([0]), json!([-1])),
        ("average3DModelSizeInMB", json!([1]), json!([0])),
        ("useEventChecking", json!([true]), json!([1, "true", null])),
        ("currency", json!(["USD", "EUR"]), json!(["usd", "GBP", 1])),
        ("integrateErrorHandling", json!([false]), json!([true])),
        ("allowGcpSelfHostedL4", json!([false]), json!([true])),
        (
            "optimizationProfileId",
            json!(["cost_minimization_v1"]),
            json!(["x", 1]),
        ),
        (
            "awsTwinMakerPlan",
            json!(["BASIC", "STANDARD", "TIERED_BUNDLE"]),
            json!(["standard"]),
        ),
    ] {
        for value in good.as_array().unwrap() {
            let found = read(&with(field, value.clone()));
            assert!(found.is_ok(), "{field}: {value}: {found:?}");
        }
        for value in bad.as_array().unwrap() {
            let found = wrong(&with(field, value.clone()));
            assert!(
                found.iter().any(|(name, _)| name == field),
                "{field}: {value}: {found:?}"
            );
        }
    }
}

#[test]
fn nothing_is_kept_shorter_in_a_colder_store() {
    let mut workload = with("hotStorageDurationInMonths", json!(7));
    workload["coolStorageDurationInMonths"] = json!(8);
    let found = wrong(&workload);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "archiveStorageDurationInMonths");
    workload["coolStorageDurationInMonths"] = json!(6);
    assert_eq!(wrong(&workload)[0].0, "coolStorageDurationInMonths");
}

#[test]
fn what_is_no_object_is_said_to_be_none() {
    for text in ["", "[]", "1", "{\"numberOfDevices\":NaN}"] {
        let error = Workload::parse(text, NOW).unwrap_err();
        assert!(matches!(error, WorkloadError::Json(_)), "{text}: {error:?}");
    }
}

#[test]
fn an_observed_plan_counts_for_seven_days() {
    let plan = |context: Value| {
        let contexts = json!({ "awsTwinMaker": context });
        read(&with("providerPricingContexts", contexts)).map(|workload| workload.twin_maker)
    };
    let observed = |mode: &str, pending: Value, at: &str| json!({"status": "OBSERVED", "currentPlan": {"mode": mode}, "pendingPlan": pending, "observedAt": at});
    let recent = "2026-01-03T00:00:00Z";
    for (context, expected) in [
        (
            observed("STANDARD", Value::Null, recent),
            TwinMakerPlan::Standard,
        ),
        (observed("BASIC", Value::Null, recent), TwinMakerPlan::Basic),
        (
            observed("STANDARD", Value::Null, "2026-01-02T23:59:59Z"),
            TwinMakerPlan::Stale,
        ),
        (
            observed("STANDARD", json!({"mode": "BASIC"}), recent),
            TwinMakerPlan::Pending,
        ),
        (Value::Null, TwinMakerPlan::Unobserved),
        (json!({"status": "UNAVAILABLE"}), TwinMakerPlan::Unobserved),
    ] {
        assert_eq!(plan(context.clone()).unwrap(), expected, "{context}");
    }
    for bad in [
        observed("GOLD", Value::Null, recent),
        observed("STANDARD", Value::Null, "yesterday"),
    ] {
        assert!(plan(bad.clone()).is_err(), "{bad}");
    }
    let mut both = with("awsTwinMakerPlan", json!("STANDARD"));
    both["providerPricingContexts"] = json!({});
    assert_eq!(wrong(&both)[0].0, "awsTwinMakerPlan");
}
