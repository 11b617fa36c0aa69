//! Events and what becomes of them, with functions that answer as they are told and a store in memory.

use std::sync::Mutex;

use tokio::sync::watch;
use twin_capabilities::{
    Health, Stores,
    dead_letters::Letter,
    function::{Functions, Request, Verdict},
};
use twin_memory::{Capability, Memory};

use std::sync::Arc;

use super::*;
use crate::{
    config::Config,
    credentials::Credentials,
    dispatch::{Dispatch, DispatchSettings, Readiness},
    scripted::{Scripted, response},
    secrets::Secret,
};

struct Ready(Arc<dyn Health>);

#[async_trait]
impl Readiness for Ready {
    async fn ready(&self) -> Result<(), String> {
        self.0.check().await.map_err(|failure| failure.to_string())
    }
}

/// A host that keeps what its functions got.
struct Scene {
    events: Events,
    memory: Memory,
    stores: Stores,
    got: Arc<Mutex<Vec<(FunctionName, Request)>>>,
}

impl Scene {
    /// With functions that answer this.
    fn answering(status: u16, body: &'static str) -> Self {
        let got: Arc<Mutex<Vec<_>>> = Arc::default();
        let seen = Arc::clone(&got);
        let mounted = [FunctionName::Connector, FunctionName::ErrorReporter];
        let functions: Arc<dyn Functions> = Scripted::new(&mounted, move |function, request| {
            seen.lock().unwrap().push((function, request));
            async move { Ok(response(status, body)) }
        });
        let memory = Memory::new(twin_capabilities::provider::system_clock());
        let stores = memory.stores();
        let config = Config::from_vars([
            ("TWIN_NAME", "factory-01"),
            ("TWIN_CLOUD", "aws"),
            ("TWIN_FUNCTIONS", "connector,error-reporter"),
            ("INTER_CLOUD_TOKEN", "key"),
            ("REMOTE_INGESTION_URL", "http://127.0.0.1:1/ingest"),
        ])
        .unwrap();
        let verifier = Arc::new(Credentials::new(config.cloud, &[Secret::new("key")]));
        let settings =
            DispatchSettings::new(&config, verifier, Arc::new(Ready(stores.health.clone())));
        let dispatch = Dispatch::new(functions, settings, watch::channel(false).1);
        Self {
            events: Events::new(&config, Arc::new(dispatch), &stores),
            memory,
            stores,
            got,
        }
    }

    async fn settle(&self, subject: Subject, id: &str, body: &str) -> Settlement {
        let event = Event {
            subject,
            id: Some(id.to_owned()),
            body: body.into(),
            raw: format!("raw {body}").into(),
        };
        let limit = Some(Duration::from_secs(3));
        self.events.settle(event, limit).await
    }

    /// The last call: function, path, `idempotency-key`, body.
    fn last(&self) -> (FunctionName, String, Option<String>, String) {
        let (function, request) = self.got.lock().unwrap().pop().unwrap();
        assert_eq!(request.time_left_ms, Some(3_000));
        let Verdict::Verified(caller) = &request.verdict else {
            panic!("{:?}", request.verdict);
        };
        assert_eq!(caller.role, twin_capabilities::credentials::Role::Hop);
        let mut headers = request.headers.into_iter();
        let id = headers.find_map(|(name, value)| (name == "idempotency-key").then_some(value));
        let body = String::from_utf8(request.body).unwrap();
        (function, request.path, id, body)
    }

    async fn letters(&self) -> Vec<Letter> {
        let page = self.stores.dead_letters.list(None, 10).await.unwrap();
        page.letters
            .into_iter()
            .map(|stored| stored.letter)
            .collect()
    }

    /// The codes and messages of what was published.
    async fn published(&self) -> Vec<(String, String)> {
        let outbox = self.stores.outbox.as_ref().unwrap();
        let events = outbox.pending(10, Duration::from_secs(60)).await.unwrap();
        let of = |event: crate::providers::Event| (event.error.error_code, event.error.message);
        events.into_iter().map(of).collect()
    }
}

fn telemetry(device: Option<&str>) -> Subject {
    Subject::Telemetry {
        device: device.map(str::to_owned),
    }
}

#[tokio::test]
async fn an_event_reaches_its_function_under_the_identity_that_it_should_have() {
    let scene = Scene::answering(202, "{}");
    let copy =
        r#"{"letter_id":"l","id":"i","peer":"ingestion","stored_at":1,"envelope":"{\"x\":1}"}"#;
    let bytes = r#"{"letter_id":"l","id":"i","peer":"writer","envelope_base64":"e30="}"#;
    let timed = r#"{"device_id":"d","time":"2026-01-01T00:00:00Z"}"#;
    for (subject, body, expected) in [
        (
            telemetry(Some("d")),
            r#"{"t":1.50}"#,
            (
                FunctionName::Connector,
                "/telemetry",
                Some("e1"),
                r#"{"device_id":"d","t":1.50}"#,
            ),
        ),
        // Its identity is its content, as if the device had posted it.
        (
            telemetry(Some("d")),
            timed,
            (FunctionName::Connector, "/telemetry", None, timed),
        ),
        (
            Subject::SystemError,
            "{}",
            (FunctionName::ErrorReporter, "/errors", Some("e1"), "{}"),
        ),
        (
            Subject::Letter,
            copy,
            (
                FunctionName::Connector,
                "/telemetry",
                Some("i"),
                r#"{"x":1}"#,
            ),
        ),
        (
            Subject::Letter,
            bytes,
            (FunctionName::Connector, "/telemetry", Some("i"), "{}"),
        ),
        (
            Subject::Letter,
            timed,
            (FunctionName::Connector, "/telemetry", None, timed),
        ),
    ] {
        assert_eq!(scene.settle(subject, "e1", body).await, Settlement::Kept);
        let (function, path, id, sent) = expected;
        let expected = (
            function,
            path.to_owned(),
            id.map(str::to_owned),
            sent.to_owned(),
        );
        assert_eq!(scene.last(), expected, "{body}");
    }
    // An id that cannot be one of ours is told apart all the same.
    scene.settle(telemetry(Some("d")), "a b", "{}").await;
    assert_eq!(scene.last().2, Some(twin_contract::digest(b"a b")));
    assert!(scene.letters().await.is_empty());
}

#[tokio::test]
async fn what_may_succeed_later_is_delivered_again() {
    for status in [408, 425, 429, 500, 503, 504] {
        let body = r#"{"status":"error","error_code":"STORE_FULL","message":"no room"}"#;
        let scene = Scene::answering(status, body);
        let settlement = scene.settle(Subject::SystemError, "e", "{}").await;
        let expected = format!("error-reporter answered HTTP {status} STORE_FULL: no room");
        assert_eq!(settlement, Settlement::Again(expected));
        assert!(scene.letters().await.is_empty());
        assert!(scene.published().await.is_empty());
    }
}

#[tokio::test]
async fn what_is_refused_for_good_is_kept_as_it_came_and_reported() {
    let body = r#"{"status":"error","error_code":"FIELD_MISSING","message":"no device"}"#;
    let scene = Scene::answering(400, body);
    for id in ["e1", "e2"] {
        let settlement = scene.settle(telemetry(None), id, "{}").await;
        assert_eq!(settlement, Settlement::Kept);
    }
    // The same event delivered again is the same letter.
    scene.settle(telemetry(None), "e1", "{}").await;
    let letters = scene.letters().await;
    let ids: Vec<_> = letters.iter().map(|letter| letter.id.as_str()).collect();
    assert_eq!(ids, ["e1", "e2"]);
    let letter = &letters[0];
    assert_eq!(
        (&*letter.peer, &*letter.envelope),
        ("event", &b"raw {}"[..])
    );
    let attempt = &letter.attempts[0];
    let cause = "HTTP 400 FIELD_MISSING: no device";
    assert_eq!((attempt.status, &*attempt.cause), (Some(400), cause));
    let report = format!("1 event was refused and became a dead letter: {cause}");
    let expected = [("EVENT_REFUSED".to_owned(), report)];
    assert_eq!(scene.published().await, expected, "once in ten seconds");
}

#[tokio::test]
async fn what_no_function_can_take_is_kept_without_asking_one() {
    let scene = Scene::answering(202, "{}");
    let pointer = r#"{"letter_id":"l7","id":"i","peer":"writer","stored_at":1}"#;
    for (subject, body, words) in [
        (
            telemetry(Some("d")),
            r#"{"device_id":"e"}"#,
            "names the device \"e\"",
        ),
        (Subject::Letter, pointer, "the letter l7 has no envelope"),
        (
            Subject::UnknownDevice,
            r#"{"device_id":"e"}"#,
            "does not say which device",
        ),
    ] {
        assert_eq!(scene.settle(subject, words, body).await, Settlement::Kept);
        let letter = scene.letters().await.pop().unwrap();
        assert!(letter.attempts[0].cause.contains(words), "{letter:?}");
    }
    assert!(scene.got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_event_that_cannot_be_kept_is_delivered_again() {
    let scene = Scene::answering(400, "");
    scene.memory.fail(Capability::DeadLetters, true);
    let settlement = scene.settle(telemetry(None), "e", "{}").await;
    assert!(matches!(settlement, Settlement::Again(_)), "{settlement:?}");
}

#[tokio::test]
async fn a_refused_system_error_is_kept_and_not_reported() {
    let scene = Scene::answering(400, "");
    let settlement = scene.settle(Subject::SystemError, "e", "{}").await;
    assert_eq!(settlement, Settlement::Kept);
    assert_eq!(scene.letters().await.len(), 1);
    assert!(scene.published().await.is_empty(), "it would come back");
}
