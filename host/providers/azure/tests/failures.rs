//! How the stores fail: as the suite of a service would show it, by a stand-in that answers as the service is documented to.

#![cfg(test)]

mod support;

use std::time::{Duration, Instant};

use support::{Fixed, KEY, StandIn, reply};
use twin_azure::{AzureError, AzureSettings};
use twin_capabilities::{
    Failure, Stores,
    provider::system_clock,
    records::Outcome,
    secrets::Secret,
    testing::samples::{entry, letter, system_error},
};
use twin_documents::ServiceError;

fn settings(endpoint: &str) -> AzureSettings {
    let mut settings = AzureSettings::new(endpoint);
    settings.key = Some(Secret::new(KEY));
    settings
}

fn open(settings: AzureSettings) -> Stores {
    twin_azure::open(settings, "factory-01").unwrap().stores()
}

/// What putting a record fails with, if every answer is this one.
async fn put_against(status: u16, headers: &[(&str, &str)]) -> Failure {
    let service = StandIn::answering([reply(status, headers, "{}")]).await;
    put(&open(settings(&service.url))).await.unwrap_err()
}

async fn put(stores: &Stores) -> Result<Outcome, Failure> {
    let put = stores
        .records
        .put("telemetry".to_owned(), vec![entry(1, "a", "body")]);
    put.await.remove(0)
}

fn unavailable(code: &str, kind: &str) -> Failure {
    Failure::Unavailable(text(code, kind))
}

fn text(code: &str, kind: &str) -> String {
    let action = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/create";
    format!("Cosmos DB: {action} failed: {code} ({kind})")
}

#[tokio::test]
async fn a_throttled_caller_learns_for_how_long_and_asks_once() {
    let headers = [("x-ms-substatus", "3200"), ("x-ms-retry-after-ms", "17")];
    let service = StandIn::answering([reply(429, &headers, "{}")]).await;
    let failure = put(&open(settings(&service.url))).await.unwrap_err();
    let Failure::Throttled(throttling) = failure else {
        panic!("{failure}");
    };
    assert!(
        throttling.cause.ends_with("429/3200 (throttled)"),
        "{}",
        throttling.cause
    );
    assert_eq!(throttling.retry_after_ms, Some(17));
    assert_eq!(service.seen().len(), 1);
}

#[tokio::test]
async fn an_overloaded_or_moving_service_is_unavailable_and_is_asked_once() {
    for (status, substatus) in [(449, ""), (500, ""), (503, ""), (410, "1002"), (403, "3")] {
        let headers = [("x-ms-substatus", substatus)];
        let code = if substatus.is_empty() {
            status.to_string()
        } else {
            format!("{status}/{substatus}")
        };
        let headers = if substatus.is_empty() {
            &[][..]
        } else {
            &headers[..]
        };
        let service = StandIn::answering([reply(status, headers, "")]).await;
        let failure = put(&open(settings(&service.url))).await.unwrap_err();
        assert_eq!(failure, unavailable(&code, "unavailable"));
        assert_eq!(service.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_wrong_key_or_a_missing_role_is_denied() {
    let failure = put_against(401, &[]).await;
    assert_eq!(failure, Failure::Misconfigured(text("401", "denied")));
    let failure = put_against(403, &[("x-ms-substatus", "5300")]).await;
    assert_eq!(failure, Failure::Misconfigured(text("403/5300", "denied")));
}

#[tokio::test]
async fn a_missing_container_is_missing_and_no_missing_item() {
    for headers in [&[("x-ms-substatus", "1003")][..], &[]] {
        let failure = put_against(404, headers).await;
        assert!(
            matches!(&failure, Failure::Misconfigured(text) if text.ends_with("(missing)")),
            "{failure}"
        );
    }
    let service = StandIn::answering([reply(404, &[("x-ms-substatus", "1003")], "{}")]).await;
    let stores = open(settings(&service.url));
    let got = stores.dead_letters.get("a".to_owned()).await;
    assert!(matches!(got, Err(Failure::Misconfigured(text)) if text.contains("404/1003")));
    let service = StandIn::answering([reply(404, &[], "{}")]).await;
    let got = open(settings(&service.url))
        .dead_letters
        .get("a".to_owned())
        .await;
    assert_eq!(got, Ok(None));
    // A replica that does not know yet what this process wrote.
    let service = StandIn::answering([reply(404, &[("x-ms-substatus", "1002")], "{}")]).await;
    let got = open(settings(&service.url))
        .dead_letters
        .get("a".to_owned())
        .await;
    assert!(matches!(got, Err(Failure::Unavailable(_))));
}

#[tokio::test]
async fn too_large_is_too_large_whoever_says_so() {
    assert_eq!(put_against(413, &[]).await, Failure::TooLarge);
    // Not sent at all: nothing listens.
    let stores = open(settings("http://127.0.0.1:1"));
    let large = entry(1, "a", vec![b'x'; 2 << 20]);
    let put = stores.records.put("telemetry".to_owned(), vec![large]);
    assert_eq!(put.await, [Err(Failure::TooLarge)]);
}

#[tokio::test]
async fn nothing_that_listens_is_unavailable() {
    let failure = put(&open(settings("http://127.0.0.1:1")))
        .await
        .unwrap_err();
    assert_eq!(failure, unavailable("not reachable", "unavailable"));
}

#[tokio::test]
async fn a_silent_service_is_unavailable_within_the_limit() {
    let service = StandIn::silent().await;
    let began = Instant::now();
    let failure = put(&open(settings(&service.url))).await.unwrap_err();
    assert_eq!(failure, unavailable("timed out", "unavailable"));
    let took = began.elapsed();
    assert!(
        (Duration::from_secs(4)..Duration::from_secs(8)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_json_or_no_document_is_named() {
    for body in ["<html>", "{}", r#"{"id":"a"}"#] {
        let service = StandIn::answering([reply(200, &[], body)]).await;
        let got = open(settings(&service.url))
            .dead_letters
            .get("a".to_owned())
            .await;
        assert!(
            matches!(got, Err(Failure::Misconfigured(text)) if text.contains("unreadable answer")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = StandIn::answering([reply(200, &[], "{}")]).await;
    let service = StandIn::answering([reply(307, &[("location", &other.url)], "")]).await;
    let failure = put(&open(settings(&service.url))).await.unwrap_err();
    assert_eq!(failure, Failure::Misconfigured(text("307", "rejected")));
    assert_eq!(other.seen().len(), 0);
}

#[tokio::test]
async fn a_record_that_is_removed_again_and_again_is_unavailable() {
    let conflict = || reply(409, &[], "{}");
    let missing = || reply(404, &[], "{}");
    let replies = (0..4).flat_map(|_| [conflict(), missing()]);
    let service = StandIn::answering(replies).await;
    let failure = put(&open(settings(&service.url))).await.unwrap_err();
    assert!(matches!(failure, Failure::Unavailable(text) if text.contains("removed")));
    assert_eq!(service.seen().len(), 8);
}

#[tokio::test]
async fn a_page_without_documents_is_read_on() {
    let empty = reply(200, &[("x-ms-continuation", "next")], r#"{"Documents":[]}"#);
    let last = reply(200, &[], r#"{"Documents":[]}"#);
    let service = StandIn::answering([empty.clone(), last]).await;
    let list = open(settings(&service.url))
        .dead_letters
        .list(None, 10)
        .await
        .unwrap();
    assert!(list.letters.is_empty() && list.next.is_none());
    let seen = service.seen();
    assert_eq!(seen[1].header("x-ms-continuation"), Some("next"));
    // Not for ever.
    let service = StandIn::answering([empty]).await;
    let list = open(settings(&service.url))
        .dead_letters
        .list(None, 10)
        .await;
    assert!(matches!(list, Err(Failure::Unavailable(_))));
}

#[tokio::test]
async fn the_topic_fails_within_half_a_second() {
    let service = StandIn::silent().await;
    let mut settings = settings("http://127.0.0.1:1");
    settings.topic_endpoint = Some(service.url.clone());
    settings.topic_key = Some(Secret::new("k"));
    let began = Instant::now();
    let published = open(settings).error_topic.publish(system_error("E")).await;
    let took = began.elapsed();
    assert!(matches!(published, Err(Failure::Unavailable(text)) if text.contains("timed out")));
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[tokio::test]
async fn the_topics_codes_have_the_same_meaning() {
    for (status, expected) in [
        (401, "401 (denied)"),
        (404, "404 (missing)"),
        (400, "400 (rejected)"),
        (503, "503 (unavailable)"),
        (429, "429 (throttled)"),
    ] {
        let service = StandIn::answering([reply(status, &[], "")]).await;
        let mut settings = settings("http://127.0.0.1:1");
        settings.topic_endpoint = Some(service.url.clone());
        settings.topic_key = Some(Secret::new("k"));
        let failure = open(settings).error_topic.publish(system_error("E")).await;
        let failure = failure.unwrap_err().to_string();
        assert!(failure.ends_with(expected), "{failure}");
    }
    let without = open(settings("http://127.0.0.1:1"));
    assert!(matches!(
        without.error_topic.publish(system_error("E")).await,
        Err(Failure::Misconfigured(_))
    ));
}

#[tokio::test]
async fn a_copy_that_fails_or_is_slow_never_fails_the_letter() {
    let created = || reply(201, &[], "{}");
    let empty = || reply(200, &[], r#"{"Documents":[]}"#);
    for storage in [
        StandIn::silent().await,
        StandIn::answering([reply(403, &[], "")]).await,
    ] {
        let cosmos = StandIn::answering([empty(), created()]).await;
        let mut settings = settings(&cosmos.url);
        settings.storage_endpoint = Some(Secret::new(format!("{}/?sig=s3cret", storage.url)));
        let began = Instant::now();
        assert_eq!(open(settings).dead_letters.push(letter("a")).await, Ok(()));
        assert!(began.elapsed() < Duration::from_secs(4));
        assert_eq!(storage.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_letter_that_was_there_is_not_copied_again() {
    let empty = reply(200, &[], r#"{"Documents":[]}"#);
    let there = r#"{"id":"a","partition":"p","order":"0","fields":{},"_etag":"1"}"#;
    let replies = [empty, reply(409, &[], "{}"), reply(200, &[], there)];
    let cosmos = StandIn::answering(replies).await;
    let storage = StandIn::answering([reply(201, &[], "")]).await;
    let mut settings = settings(&cosmos.url);
    settings.storage_endpoint = Some(Secret::new(format!("{}/?sig=s3cret", storage.url)));
    assert_eq!(open(settings).dead_letters.push(letter("a")).await, Ok(()));
    assert_eq!(storage.seen().len(), 0);
}

#[tokio::test]
async fn check_and_init_name_what_is_denied() {
    let service = StandIn::answering([reply(403, &[("x-ms-substatus", "5300")], "{}")]).await;
    let settings = settings(&service.url);
    let init = twin_azure::init(&settings, "factory-01").await;
    assert!(
        matches!(init, Err(AzureError::Refused(ServiceError { code, .. })) if code == "403/5300")
    );
    let findings = twin_azure::check(&settings, "factory-01").await.unwrap();
    assert_eq!(findings.len(), 5);
    for finding in findings {
        assert!(
            finding.to_string().ends_with("failed: 403/5300 (denied)"),
            "{finding}"
        );
    }
}

#[test]
fn a_setting_that_cannot_be_used_is_named_and_not_shown() {
    let fails = |settings: AzureSettings, twin: &str| {
        let error = twin_azure::open(settings, twin).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
        error
    };
    assert!(fails(settings("s3cret"), "t").contains("`endpoint`"));
    assert!(fails(settings("http://127.0.0.1:1"), "a/b").contains("`database`"));
    let mut wrong = settings("http://127.0.0.1:1");
    wrong.key = Some(Secret::new("s3cret?"));
    assert!(format!("{wrong:?}").contains("***"));
    assert!(fails(wrong, "t").contains("`key`"));
    let mut wrong = settings("http://127.0.0.1:1");
    wrong.containers.state = String::new();
    assert!(fails(wrong, "t").contains("`containers.state`"));
}

/// An identity without a token fails as itself, not as the database.
#[tokio::test]
async fn no_token_is_denied() {
    let identity = Fixed::refusing();
    let mut settings = AzureSettings::new("http://127.0.0.1:1");
    settings.credential = Some(identity);
    let stores = twin_azure::open_at(settings, "t", system_clock())
        .unwrap()
        .stores();
    let failure = put(&stores).await.unwrap_err();
    let expected =
        "Microsoft Entra ID: https://cosmos.azure.com/.default failed: no credential (denied)";
    assert_eq!(failure, Failure::Misconfigured(expected.to_owned()));
}
