//! A function that cannot read its settings reports this: a default never replaces a value that is set.

use std::sync::Arc;

use async_trait::async_trait;
use twin_capabilities::{
    records::{Entry, Outcome, Page, Selection},
    types::Failure,
};
use twin_host::{
    function::FunctionName,
    providers::{Records, Stores},
};
use twin_tests::{
    Stage, Told,
    bodies::ENVELOPE_L3,
    post,
    routes::{ROUTES, Route},
};

/// The routes whose reply depends on settings.
fn routes() -> impl Iterator<Item = Route> {
    let needs_settings = |route: &Route| match route.function {
        FunctionName::Writer => false,
        FunctionName::Connector => route.method == "POST",
        _ => true,
    };
    ROUTES.into_iter().filter(needs_settings)
}

/// Sends the route's request while a setting cannot be used, and again after it has been corrected.
async fn refused_until_healed(
    route: Route,
    name: &str,
    wrong: impl FnOnce(&Stage),
    right: impl FnOnce(&Stage),
) {
    let stage = route.stage().await;
    wrong(&stage);
    let context = format!("{name}, {}", route.target);
    for _ in 0..2 {
        assert_refused(&stage.call(route.request()).await, &context);
    }
    assert!(stage.peers.arrivals().is_empty(), "{context}");
    assert!(stage.events().await.is_empty(), "{context}");
    assert!(stage.letters().await.is_empty(), "{context}");
    right(&stage);
    let told = stage.call(route.request()).await;
    assert_eq!(told.status, route.status, "{context}: {told:?}");
}

fn assert_refused(told: &Told, context: &str) {
    let answer = (told.status, told.code());
    assert_eq!(answer, (503, "SETTINGS_UNAVAILABLE"), "{context}");
    assert_eq!(told.header("retry-after"), Some("1"), "{context}");
    // The runtime's error text is only for the log.
    assert!(!told.body.to_string().contains("sealed"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_setting_that_cannot_be_read_is_a_503_until_it_can_be_and_never_its_default() {
    for route in routes() {
        // Every setting that the function reads, including settings that are added later.
        let stage = route.stage().await;
        stage.call(route.request()).await;
        let asked = stage.settings.asked();
        assert!(asked.contains(&"TWIN_CLOUD".to_owned()), "{asked:?}");
        assert!(asked.contains(&"RETRY_MAX".to_owned()), "{asked:?}");
        for name in asked {
            let wrong = |stage: &Stage| stage.settings.fail(&name);
            refused_until_healed(route, &name, wrong, |stage| stage.settings.heal()).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_or_cloud_that_is_missing_or_unknown_is_a_503_until_it_is_right() {
    for route in routes() {
        for (name, value, right) in [
            ("TWIN_NAME", None, "test-twin"),
            ("TWIN_CLOUD", None, "aws"),
            ("TWIN_CLOUD", Some("mars"), "aws"),
        ] {
            let wrong = |stage: &Stage| match value {
                Some(value) => stage.settings.set(name, value),
                None => stage.settings.unset(name),
            };
            let right = |stage: &Stage| stage.settings.set(name, right);
            refused_until_healed(route, name, wrong, right).await;
        }
    }
}

/// A store that is full.
struct Full;

#[async_trait]
impl Records for Full {
    async fn put(&self, _: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        vec![Err(Failure::Unavailable("full".to_owned())); entries.len()]
    }

    async fn query(&self, _: String, _: Selection) -> Result<Page, Failure> {
        Err(Failure::Unavailable("full".to_owned()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_system_error_never_tells_of_another_twin_or_cloud() {
    for name in ["TWIN_NAME", "TWIN_CLOUD"] {
        let stage = Stage::of(FunctionName::Writer).watch(|stores: Stores| Stores {
            records: Arc::new(Full),
            ..stores
        });
        let stage = stage.build().await;
        stage.settings.fail(name);
        let told = stage.call(post("/write", ENVELOPE_L3)).await;
        assert_eq!((told.status, told.code()), (503, "STORE_UNAVAILABLE"));
        assert!(stage.events().await.is_empty(), "{name}");
    }
}
