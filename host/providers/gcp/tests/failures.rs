//! What a twin is told when Google's services fail. A stand-in answers for them.

#![cfg(test)]

mod common;

use std::time::{Duration, Instant};

use common::{Answer, StandIn, settings_at};
use serde_json::json;
use tokio::net::TcpListener;
use twin_capabilities::{
    Failure, Stores,
    error_topic::{PUBLISH_LIMIT, Severity, SystemError},
    records::Outcome,
    testing::samples::{TELEMETRY, entry, letter},
    types::Throttling,
};
use twin_documents::{Kind, ServiceError};
use twin_gcp::{Gcp, GcpSettings};

fn open(settings: GcpSettings) -> Gcp {
    twin_gcp::open(settings, "factory-01").unwrap()
}

async fn put(stores: &Stores) -> Result<Outcome, Failure> {
    let put = stores
        .records
        .put(TELEMETRY.to_owned(), vec![entry(1, "a", "body")]);
    put.await.pop().unwrap()
}

fn system_error() -> SystemError {
    SystemError {
        twin_id: "factory-01".to_owned(),
        cloud_provider: "gcp".to_owned(),
        severity: Severity::Warning,
        component: "L1-Connector".to_owned(),
        error_code: "DELIVERY_DEAD_LETTERED".to_owned(),
        message: "1 message".to_owned(),
        timestamp: "2026-01-01T00:00:00Z".to_owned(),
        raw_data: None,
    }
}

/// What putting a record, publishing an error and fetching a secret fail with when every answer is this one.
async fn failures(answer: Answer) -> (Failure, Failure, ServiceError) {
    let stand_in = StandIn::always(answer).await;
    let gcp = open(stand_in.settings());
    let stores = gcp.stores();
    let reference = "projects/p/secrets/s/versions/1".parse().unwrap();
    let failures = (
        put(&stores).await.unwrap_err(),
        stores
            .error_topic
            .publish(system_error())
            .await
            .unwrap_err(),
        gcp.secret_manager().fetch(&reference).await.unwrap_err(),
    );
    // Nothing was tried twice.
    assert_eq!(stand_in.asked().len(), 3);
    failures
}

#[tokio::test]
async fn a_failure_is_what_its_code_says() {
    for (http, code, kind) in [
        (429, "RESOURCE_EXHAUSTED", "throttled"),
        (403, "PERMISSION_DENIED", "denied"),
        (401, "UNAUTHENTICATED", "denied"),
        (404, "NOT_FOUND", "missing"),
        (409, "ABORTED", "unavailable"),
        (503, "UNAVAILABLE", "unavailable"),
        (400, "INVALID_ARGUMENT", "rejected"),
    ] {
        let (data, topic, secret) = failures(Answer::error(http, code)).await;
        let text = |service, action| format!("{service}: {action} failed: {code} ({kind})");
        let of = |text| match kind {
            "throttled" => Failure::Throttled(Throttling {
                cause: text,
                retry_after_ms: None,
            }),
            "unavailable" => Failure::Unavailable(text),
            _ => Failure::Misconfigured(text),
        };
        assert_eq!(data, of(text("Firestore", "datastore.entities.create")));
        assert_eq!(topic, of(text("Pub/Sub", "pubsub.topics.publish")));
        let secret = secret.to_string();
        assert_eq!(
            secret,
            text("Secret Manager", "secretmanager.versions.access")
        );
    }
}

#[tokio::test]
async fn a_throttled_call_says_for_how_long() {
    let answer = Answer::error(429, "RESOURCE_EXHAUSTED").with("Retry-After: 12");
    let (_, _, secret) = failures(answer).await;
    assert_eq!(secret.kind, Kind::Throttled(Some(Duration::from_secs(12))));
}

#[tokio::test]
async fn what_a_proxy_answers_goes_by_its_status() {
    let too_large = failures(Answer::of(413, "<html>413</html>")).await;
    assert_eq!(
        (too_large.0, too_large.1),
        (Failure::TooLarge, Failure::TooLarge)
    );
    let (data, _, _) = failures(Answer::of(200, "<html>Sign in</html>")).await;
    // A commit's answer says nothing that is needed, but it has to be one.
    let text = "Firestore: datastore.entities.create failed: unreadable answer (rejected)";
    assert_eq!(data, Failure::Misconfigured(text.to_owned()));
    let (data, _, _) = failures(Answer::of(302, "").with("Location: http://127.0.0.1:1/")).await;
    let text = "Firestore: datastore.entities.create failed: HTTP 302 (rejected)";
    assert_eq!(data, Failure::Misconfigured(text.to_owned()));
}

#[tokio::test]
async fn a_service_that_nobody_runs_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let stores = open(settings_at(&format!("http://{address}"))).stores();
    let text = "Firestore: datastore.entities.create failed: cannot connect (unavailable)";
    let unavailable = Failure::Unavailable(text.to_owned());
    assert_eq!(put(&stores).await, Err(unavailable));
}

#[tokio::test]
async fn a_service_that_never_answers_fails_in_time() {
    // The system accepts connections for it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stores = open(settings_at(&format!("http://{address}"))).stores();

    let begun = Instant::now();
    let published = stores.error_topic.publish(system_error()).await;
    let text = "Pub/Sub: pubsub.topics.publish failed: timed out (unavailable)";
    assert_eq!(published, Err(Failure::Unavailable(text.to_owned())));
    let took = begun.elapsed();
    assert!(
        took >= PUBLISH_LIMIT && took < 4 * PUBLISH_LIMIT,
        "{took:?}"
    );

    let begun = Instant::now();
    let text = "Firestore: datastore.entities.create failed: timed out (unavailable)";
    assert_eq!(
        put(&stores).await,
        Err(Failure::Unavailable(text.to_owned()))
    );
    let took = begun.elapsed();
    let limit = Duration::from_secs(5);
    assert!(took >= limit && took < 2 * limit, "{took:?}");
}

#[tokio::test]
async fn a_missing_database_is_not_a_missing_document() {
    let stand_in = StandIn::always(Answer::of(
        404,
        json!([{"error": {"code": 404, "status": "NOT_FOUND"}}]),
    ))
    .await;
    let stores = open(stand_in.settings()).stores();
    let text = "Firestore: datastore.entities.get failed: NOT_FOUND (missing)";
    assert_eq!(
        stores.dead_letters.get("a".to_owned()).await,
        Err(Failure::Misconfigured(text.to_owned()))
    );
    assert_eq!(
        stores.circuits.load("writer".to_owned()).await,
        Err(Failure::Misconfigured(text.to_owned()))
    );
}

/// The emulator needs no indexes. Google's service refuses a query without one.
#[tokio::test]
async fn a_missing_index_is_a_misconfiguration() {
    let stand_in = StandIn::answering(|asked| {
        if asked.line.ends_with(":runQuery") {
            Answer::error(400, "FAILED_PRECONDITION")
        } else {
            Answer::of(200, "{}")
        }
    })
    .await;
    let stores = open(stand_in.settings()).stores();
    let text = "Firestore: datastore.entities.list failed: FAILED_PRECONDITION (missing)";
    assert_eq!(
        stores.dead_letters.list(None, 10).await,
        Err(Failure::Misconfigured(text.to_owned()))
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_the_end() {
    let broken = json!([
        {"readTime": "2026-01-01T00:00:00Z"},
        {"error": {"code": 503, "status": "UNAVAILABLE"}},
    ]);
    let stand_in = StandIn::always(Answer::of(200, broken)).await;
    let stores = open(stand_in.settings()).stores();
    let text = "Firestore: datastore.entities.list failed: UNAVAILABLE (unavailable)";
    assert_eq!(
        stores.dead_letters.list(None, 10).await,
        Err(Failure::Unavailable(text.to_owned()))
    );
}

#[tokio::test]
async fn what_is_too_large_is_not_sent() {
    let stand_in = StandIn::always(Answer::of(200, "[{}]")).await;
    let stores = open(stand_in.settings()).stores();
    let large = entry(1, "large", vec![b'x'; 1 << 20]);
    let put = stores.records.put(TELEMETRY.to_owned(), vec![large]).await;
    assert_eq!(put, [Err(Failure::TooLarge)]);
    assert_eq!(stand_in.asked(), []);
}

#[tokio::test]
async fn a_letter_counts_even_if_its_copy_does_not_arrive() {
    let stand_in = StandIn::answering(|asked| match asked.line.rsplit(':').next() {
        Some("runQuery") => Answer::of(200, "[{}]"),
        Some("commit") => Answer::of(200, "{}"),
        _ => Answer::error(403, "PERMISSION_DENIED"),
    })
    .await;
    let stores = open(stand_in.settings()).stores();
    assert_eq!(stores.dead_letters.push(letter("a")).await, Ok(()));
    let last = stand_in.asked().pop().unwrap();
    assert_eq!(
        last.line,
        "POST /v1/projects/my-project/topics/factory-01-dead-letters:publish"
    );
    assert_eq!(
        last.body["messages"][0]["attributes"],
        json!({"letter_id": "a", "id": "message-of-a", "peer": "writer"})
    );
}

#[tokio::test]
async fn a_letter_that_was_there_is_not_copied_again() {
    let stand_in = StandIn::answering(|asked| match asked.line.rsplit(':').next() {
        Some("runQuery") => Answer::of(200, "[{}]"),
        Some("commit") => Answer::error(409, "ALREADY_EXISTS"),
        Some("batchGet") => {
            let fields = json!({
                "partition": {"stringValue": "p"}, "order": {"stringValue": "o"},
                "fields": {"mapValue": {}},
            });
            let found = json!({"name": "a/b/c", "fields": fields, "updateTime": "t"});
            Answer::of(200, json!([{"found": found}]))
        }
        _ => Answer::error(403, "PERMISSION_DENIED"),
    })
    .await;
    let stores = open(stand_in.settings()).stores();
    assert_eq!(stores.dead_letters.push(letter("a")).await, Ok(()));
    let asked = stand_in.asked();
    assert!(
        asked.iter().all(|asked| !asked.line.contains("topics")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn the_services_clock_is_that_of_its_answers() {
    let answer =
        Answer::of(200, json!([{"missing": "n"}])).with("Date: Fri, 01 Jan 2100 00:00:00 GMT");
    let stand_in = StandIn::always(answer).await;
    let stores = open(stand_in.settings()).stores();
    let circuit = stores.circuits.load("writer".to_owned()).await.unwrap();
    // 2100-01-01, to within a second and what the call took.
    let ahead = circuit.now_ms.checked_sub(4_102_444_800_000);
    assert!(ahead.is_some_and(|ahead| ahead < 10_000), "{ahead:?}");
}
