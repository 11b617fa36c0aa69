//! Deliveries of events: who may deliver, what is read, and what the answers say.

use std::sync::Mutex;

use super::*;
use crate::{
    credentials::{
        KeysAndTokens,
        oidc_tests::{StandIn, TestKey},
    },
    function::FunctionName::ErrorReporter,
    ingress::{
        events::{Event, Settlement, Subject},
        service::deliveries::MAX_DELIVERY,
    },
};

const ERROR: &str = include_str!("../events/forms/tests/examples/system_error.json");
const READING: &str = include_str!("../events/forms/tests/examples/iot_hub_base64.json");
const PUSH: &str = include_str!("../events/forms/tests/examples/pubsub_push.json");
const VALIDATION: &str =
    include_str!("../events/forms/tests/examples/subscription_validation.json");
const INVOCATION: &str = include_str!("../azure_functions/tests/invocation.json");

/// Keeps what it gets, and asks for events whose message contains the text again.
struct Script {
    again: &'static str,
    seen: Mutex<Vec<Event>>,
}

impl Script {
    fn failing(again: &'static str) -> Arc<Self> {
        Arc::new(Self {
            again,
            seen: Mutex::default(),
        })
    }

    fn taking() -> Arc<Self> {
        Self::failing("no message contains this")
    }

    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

#[async_trait]
impl Settle for Script {
    async fn settle(&self, event: Event, limit: Option<Duration>) -> Settlement {
        assert_eq!(limit, None);
        let fails = String::from_utf8_lossy(&event.body).contains(self.again);
        self.seen.lock().unwrap().push(event);
        match fails {
            true => Settlement::Again("the store is down".to_owned()),
            false => Settlement::Acknowledged,
        }
    }
}

fn delivering(script: &Arc<Script>, platform: Option<Platform>) -> Settings {
    Settings {
        events: Some(Arc::<Script>::clone(script)),
        http: HttpSettings {
            // A whole delivery may take long to arrive on a busy machine.
            body_timeout: Duration::from_secs(30),
            platform,
            ..settings().http
        },
        ..settings()
    }
}

async fn start(script: &Arc<Script>, platform: Option<Platform>) -> Server {
    let functions = Scripted::echo(&[Connector, ErrorReporter]);
    Server::start(functions, delivering(script, platform)).await
}

impl Server {
    /// Posts a body with its length.
    async fn post(&self, path: &str, headers: &str, body: &str) -> String {
        let headers = format!("{headers}content-length: {}\r\n", body.len());
        self.request(&format!("POST {path}"), &headers, body).await
    }
}

#[tokio::test]
async fn a_delivery_is_settled_under_the_subject_of_its_path() {
    let script = Script::taking();
    let server = start(&script, None).await;
    for (path, sent, subject) in [
        (
            "/events/telemetry",
            READING,
            Subject::Telemetry {
                device: Some("testdevice002".to_owned()),
            },
        ),
        (
            "/api/events/telemetry",
            PUSH,
            Subject::Telemetry { device: None },
        ),
        ("/events/errors", ERROR, Subject::SystemError),
        ("/events/letters?a=b", PUSH, Subject::Letter),
    ] {
        let reply = server.post(path, KEY, sent).await;
        assert_status(&reply, 204);
        assert!(reply.contains("x-request-id: "), "{reply}");
        let subjects: Vec<_> = script
            .take()
            .into_iter()
            .map(|event| event.subject)
            .collect();
        assert_eq!(subjects, [subject], "{path}");
    }
    // In chunks, and with the attributes in headers.
    let headers = format!(
        "{KEY}transfer-encoding: chunked\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: reading\r\n"
    );
    let chunks = "3\r\n{\"t\r\n4\r\n\":1}\r\n0\r\n\r\n";
    let reply = server
        .request("POST /events/telemetry", &headers, chunks)
        .await;
    assert_status(&reply, 204);
    assert_eq!(script.take()[0].body, br#"{"t":1}"#);
}

#[tokio::test]
async fn without_a_credential_for_messages_no_body_is_read() {
    let key = TestKey::ec("a");
    let issuer = StandIn::start(&[&key]).await;
    let keys = Credentials::new(Cloud::Aws, &[Secret::new("key")])
        .with_operators(&[Secret::new("operator")]);
    let script = Script::taking();
    let mut settings = delivering(&script, None);
    settings.dispatch.verifier = Arc::new(KeysAndTokens::new(Cloud::Aws, keys, issuer.oidc()));
    let server = Server::start(Scripted::echo(&[Connector]), settings).await;
    let bearer =
        |key: &TestKey| format!("authorization: Bearer {}\r\n", key.token(&issuer.claims()));
    let forged = bearer(&TestKey::ec("a"));
    for (headers, status) in [
        ("", 401),
        ("x-api-key: wrong\r\n", 403),
        ("x-api-key: operator\r\n", 403),
        ("x-functions-key: key\r\n", 401),
        (forged.as_str(), 403),
    ] {
        // The body is announced and never asked for.
        let announced = format!("{headers}content-length: 1000\r\nexpect: 100-continue\r\n");
        let reply = server
            .request("POST /events/telemetry", &announced, "")
            .await;
        // Not `100 Continue`.
        assert_status(&reply, status);
        assert!(body(&reply).contains("\"status\":\"error\""), "{reply}");
        let asked = format!("{headers}webhook-request-origin: eventgrid.azure.net\r\n");
        let reply = server
            .request("OPTIONS /events/telemetry", &asked, "")
            .await;
        assert_status(&reply, status);
    }
    assert_eq!(script.take(), []);
    let reply = server.post("/events/telemetry", &bearer(&key), PUSH).await;
    assert_status(&reply, 204);
    assert_eq!(script.take().len(), 1);
}

#[tokio::test]
async fn what_is_not_taken_over_is_asked_for_again() {
    let script = Script::failing("25.40");
    let server = start(&script, Some(Platform::AzureFunctions)).await;
    let reply = server.post("/events/telemetry", KEY, READING).await;
    assert_status(&reply, 503);
    assert!(
        reply.contains("retry-after: 1\r\n") && body(&reply).contains("DELIVERY_FAILED"),
        "{reply}"
    );
    assert!(!reply.contains("the store is down"), "{reply}");
    // The same for an invocation of a trigger, which fails.
    let reply = server.post("/telemetry-events", "", INVOCATION).await;
    assert_status(&reply, 503);
    script.take();
    // One event of several.
    let reading = READING.trim().trim_start_matches('[').trim_end_matches(']');
    let batch = format!("[{PUSH},{reading},{PUSH}]");
    let reply = server.post("/events/telemetry", KEY, &batch).await;
    assert_status(&reply, 503);
    assert_eq!(script.take().len(), 3);
    let reply = server
        .post("/events/telemetry", KEY, &format!("[{PUSH},{PUSH}]"))
        .await;
    assert_status(&reply, 204);
}

#[tokio::test]
async fn a_delivery_over_the_limit_is_a_413_and_one_that_is_no_event_a_400() {
    let script = Script::taking();
    let server = start(&script, None).await;
    let padded = |length: usize| PUSH.to_owned() + &" ".repeat(length - PUSH.len());
    let reply = server
        .post("/events/telemetry", KEY, &padded(MAX_DELIVERY))
        .await;
    assert_status(&reply, 204);
    let large = padded(MAX_DELIVERY + 1);
    let reply = server.post("/events/telemetry", KEY, &large).await;
    assert_status(&reply, 413);
    assert!(body(&reply).contains("BODY_TOO_LARGE"), "{reply}");
    let chunked = format!("{KEY}transfer-encoding: chunked\r\n");
    let chunks = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let reply = server
        .request("POST /events/telemetry", &chunked, &chunks)
        .await;
    assert_status(&reply, 413);
    let reply = server.post("/events/telemetry", KEY, "{}").await;
    assert_status(&reply, 400);
    assert!(
        body(&reply).contains("FIELD_MISSING") && body(&reply).contains("CloudEvent"),
        "{reply}"
    );
    assert_eq!(script.take().len(), 1);
}

#[tokio::test]
async fn deliveries_count_as_memory_with_their_copies() {
    let script = Script::taking();
    let mut settings = delivering(&script, None);
    settings.http.body_memory = 3 * u32::try_from(PUSH.len()).unwrap();
    let server = Server::start(Scripted::echo(&[Connector]), settings).await;
    for _ in 0..3 {
        let reply = server.post("/events/telemetry", KEY, PUSH).await;
        assert_status(&reply, 204);
    }
    let reply = server
        .post(
            "/events/telemetry",
            KEY,
            &PUSH.replace("value", &"v".repeat(PUSH.len())),
        )
        .await;
    assert_status(&reply, 503);
    assert!(body(&reply).contains("OVERLOADED"), "{reply}");
    assert_eq!(script.take().len(), 3);
}

#[tokio::test]
async fn the_questions_of_event_grid_are_answered() {
    let script = Script::taking();
    let server = start(&script, None).await;
    let asked = format!("{KEY}webhook-request-origin: eventgrid.azure.net\r\n");
    let reply = server.request("OPTIONS /events/errors", &asked, "").await;
    assert_status(&reply, 200);
    assert!(
        reply.contains("webhook-allowed-origin: eventgrid.azure.net\r\n"),
        "{reply}"
    );
    assert!(!reply.contains("webhook-allowed-rate"), "{reply}");
    let asked = format!("{asked}webhook-request-rate: 120\r\n");
    let reply = server.request("OPTIONS /events/errors", &asked, "").await;
    assert!(reply.contains("webhook-allowed-rate: *\r\n"), "{reply}");
    let reply = server.request("OPTIONS /events/errors", KEY, "").await;
    assert_status(&reply, 400);

    let kind = format!("{KEY}aeg-event-type: SubscriptionValidation\r\n");
    let reply = server.post("/events/errors", &kind, VALIDATION).await;
    assert_status(&reply, 200);
    assert_eq!(
        body(&reply),
        r#"{"validationResponse":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}"#
    );
    let reply = server.post("/events/errors", "", VALIDATION).await;
    assert_status(&reply, 401);
    let kind = format!("{KEY}aeg-event-type: Notification\r\n");
    let reply = server.post("/events/telemetry", &kind, READING).await;
    assert_status(&reply, 204);
    assert_eq!(script.take().len(), 1);

    let reply = server.request("GET /events/errors", KEY, "").await;
    assert_status(&reply, 405);
    assert!(reply.contains("allow: OPTIONS, POST\r\n"), "{reply}");
}

#[tokio::test]
async fn the_functions_host_pings_and_invokes_without_a_credential() {
    let script = Script::taking();
    let server = start(&script, Some(Platform::AzureFunctions)).await;
    assert_status(&server.request("GET /", "", "").await, 200);
    let reply = server.post("/telemetry-events", "", INVOCATION).await;
    assert_status(&reply, 200);
    assert_eq!(
        body(&reply),
        r#"{"Outputs":{},"Logs":[],"ReturnValue":null}"#
    );
    let events = script.take();
    assert_eq!(events[0].body, br#"{"temperature":25.40}"#);
    let reply = server.post("/telemetry-events", "", "{}").await;
    assert_status(&reply, 400);
    // From outside, through the front end.
    let outside = format!("{KEY}x-forwarded-for: 192.0.2.1\r\n");
    let reply = server.post("/telemetry-events", &outside, INVOCATION).await;
    assert_status(&reply, 404);
    // HTTP triggers are answered as everywhere, with the headers that the host adds.
    let added = "x-ms-invocation-id: 1\r\nx-forwarded-for: 192.0.2.1\r\nmax-forwards: 9\r\n";
    let reply = server.post("/api/telemetry", added, "{}").await;
    assert!(reply.ends_with("verdict: Missing\n"), "{reply}");
    let reply = server
        .post("/api/telemetry", &format!("{KEY}{added}"), "{}")
        .await;
    assert!(reply.ends_with("verdict: key-1 (Any)\n"), "{reply}");
    assert_eq!(script.take(), []);
}

#[tokio::test]
async fn elsewhere_there_are_no_paths_of_azure_functions() {
    let script = Script::taking();
    for platform in [None, Some(Platform::CloudRun)] {
        let server = start(&script, platform).await;
        assert_status(&server.request("GET /", KEY, "").await, 404);
        let reply = server.post("/telemetry-events", KEY, INVOCATION).await;
        assert_status(&reply, 404);
    }
    assert_eq!(script.take(), []);
}

#[tokio::test]
async fn an_endpoint_whose_function_is_elsewhere_does_not_exist() {
    let script = Script::taking();
    let settings = delivering(&script, Some(Platform::AzureFunctions));
    let server = Server::start(Scripted::echo(&[Connector]), settings).await;
    for path in ["/events/errors", "/system-error-events"] {
        assert_status(&server.post(path, KEY, ERROR).await, 404);
    }
    assert_eq!(script.take(), []);
    // Nor is there any if nothing settles events.
    let server = Server::echo().await;
    let reply = server.post("/events/telemetry", KEY, READING).await;
    assert_status(&reply, 404);
}
