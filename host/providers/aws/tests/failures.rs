//! What the provider makes of services that refuse, fail, or say nothing.

#![cfg(test)]

mod stand_in;

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use aws_credential_types::provider::{
    ProvideCredentials, error::CredentialsError, future::ProvideCredentials as Provided,
};
use stand_in::{Reply, StandIn};
use twin_aws::{
    Aws, AwsSettings, Credentials, DeadLetterQueue, Kind, SecretsManagerArn, ServiceError,
    SharedCredentialsProvider,
};
use twin_capabilities::{
    Failure,
    error_topic::PUBLISH_LIMIT,
    records::Outcome,
    testing::samples::{TELEMETRY, entry, letter, system_error},
    types::Throttling,
};

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key-a1B2c3";

fn settings(endpoint: &str) -> AwsSettings {
    let key = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let mut settings = AwsSettings::new();
    settings.region = Some("eu-central-1".to_owned());
    settings.endpoint = Some(endpoint.to_owned());
    settings.credentials = Some(SharedCredentialsProvider::new(key));
    settings.dead_letter_queue = DeadLetterQueue::None;
    settings
}

fn open(endpoint: &str) -> Aws {
    twin_aws::open(settings(endpoint), "factory-01")
}

async fn put(aws: &Aws, body: &[u8]) -> Result<Outcome, Failure> {
    let entries = vec![entry(1, "reading-1", body)];
    let mut outcomes = aws
        .stores()
        .records
        .put(TELEMETRY.to_owned(), entries)
        .await;
    outcomes.remove(0)
}

async fn fetch(aws: &Aws) -> Result<(), ServiceError> {
    let reference: SecretsManagerArn = ARN.parse().unwrap();
    aws.secrets().fetch(&reference).await.map(drop)
}

fn failed(code: &str, kind: &str) -> String {
    format!("DynamoDB: dynamodb:PutItem failed: {code} ({kind})")
}

#[tokio::test]
async fn what_a_service_refuses_is_said_by_its_code_and_not_tried_again() {
    for (status, code, kind) in [
        (400, "ProvisionedThroughputExceededException", "throttled"),
        (400, "ThrottlingException", "throttled"),
        (500, "InternalServerError", "unavailable"),
        (503, "ServiceUnavailable", "unavailable"),
        (400, "AccessDeniedException", "denied"),
        (400, "UnrecognizedClientException", "denied"),
        (400, "ExpiredTokenException", "denied"),
        (400, "InvalidSignatureException", "denied"),
        (400, "ResourceNotFoundException", "missing"),
        (400, "ValidationException", "rejected"),
        (418, "SomethingNewException", "rejected"),
        (503, "SomethingNewException", "unavailable"),
    ] {
        let service = StandIn::always(Reply::failed(status, code)).await;
        let failure = put(&open(&service.endpoint), b"{}").await.unwrap_err();
        let expected = match kind {
            "throttled" => Failure::Throttled(Throttling {
                cause: failed(code, kind),
                retry_after_ms: None,
            }),
            "unavailable" => Failure::Unavailable(failed(code, kind)),
            _ => Failure::Misconfigured(failed(code, kind)),
        };
        assert_eq!(failure, expected, "{status}");
        assert_eq!(service.requests(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_throttled_caller_learns_for_how_long() {
    let reply = Reply::failed(400, "ThrottlingException").with("Retry-After", "7");
    let service = StandIn::always(reply).await;
    let error = fetch(&open(&service.endpoint)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Throttled(Some(Duration::from_secs(7))));
    assert_eq!(error.action, "secretsmanager:GetSecretValue");
}

#[tokio::test]
async fn a_response_that_no_service_wrote_is_judged_by_its_status() {
    for (status, kind) in [
        (200, Kind::Rejected),
        (403, Kind::Denied),
        (404, Kind::Missing),
        (429, Kind::Throttled(None)),
        (502, Kind::Unavailable),
    ] {
        let service = StandIn::always(Reply::new(status, "<html>proxy</html>")).await;
        let error = fetch(&open(&service.endpoint)).await.unwrap_err();
        let expected = (kind, format!("HTTP {status}"));
        assert_eq!((error.kind, error.code), expected);
    }
}

#[tokio::test]
async fn where_nothing_listens_the_service_is_unavailable() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let failure = put(&open(&endpoint), b"{}").await.unwrap_err();
    let expected = failed("no connection", "unavailable");
    assert_eq!(failure, Failure::Unavailable(expected));
}

#[tokio::test]
async fn a_service_that_never_answers_is_waited_for_five_seconds_and_a_topic_for_half_a_second() {
    let service = StandIn::answering(|_| None).await;
    let aws = open(&service.endpoint);

    let begun = Instant::now();
    let failure = put(&aws, b"{}").await.unwrap_err();
    assert!(
        begun.elapsed() < Duration::from_secs(7),
        "{:?}",
        begun.elapsed()
    );
    let expected = failed("timed out", "unavailable");
    assert_eq!(failure, Failure::Unavailable(expected));

    let begun = Instant::now();
    let topic = aws.stores().error_topic;
    let failure = topic.publish(system_error("A")).await.unwrap_err();
    assert!(begun.elapsed() < PUBLISH_LIMIT * 3, "{:?}", begun.elapsed());
    let expected = "EventBridge: events:PutEvents failed: timed out (unavailable)";
    assert_eq!(failure, Failure::Unavailable(expected.to_owned()));
}

/// Has no credentials, or cannot ask for them now.
#[derive(Debug)]
struct Without(fn() -> CredentialsError);

impl ProvideCredentials for Without {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::ready(Err((self.0)()))
    }
}

#[tokio::test]
async fn without_a_credential_nothing_is_sent() {
    type Cause = fn() -> CredentialsError;
    let causes: [(Cause, Kind, &str); 3] = [
        (
            || CredentialsError::not_loaded("nowhere"),
            Kind::Denied,
            "no credentials",
        ),
        (
            || CredentialsError::invalid_configuration("half a key"),
            Kind::Denied,
            "invalid configuration of credentials",
        ),
        (
            || CredentialsError::provider_timed_out(Duration::from_secs(1)),
            Kind::Unavailable,
            "credentials unavailable",
        ),
    ];
    for (cause, kind, code) in causes {
        let service = StandIn::always(Reply::new(200, "{}")).await;
        let mut settings = settings(&service.endpoint);
        settings.credentials = Some(SharedCredentialsProvider::new(Without(cause)));
        let error = fetch(&twin_aws::open(settings, "factory-01"))
            .await
            .unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (kind, code));
        assert_eq!(service.requests(), 0);
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_sent() {
    let service = StandIn::always(Reply::new(200, "{}")).await;
    let aws = open(&service.endpoint);
    let large = vec![b'x'; 409_600];
    assert_eq!(put(&aws, &large).await, Err(Failure::TooLarge));
    assert_eq!(service.requests(), 0);
    assert!(matches!(
        put(&aws, &large[..400_000]).await,
        Ok(Outcome::Stored(_))
    ));
}

#[tokio::test]
async fn an_event_that_the_bus_did_not_take_is_a_failure() {
    let body = r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"NotAuthorizedForSourceException","ErrorMessage":"no"}]}"#;
    let service = StandIn::always(Reply::new(200, body)).await;
    let topic = open(&service.endpoint).stores().error_topic;
    let failure = topic.publish(system_error("A")).await.unwrap_err();
    let expected = "EventBridge: events:PutEvents failed: NotAuthorizedForSourceException (denied)";
    assert_eq!(failure, Failure::Misconfigured(expected.to_owned()));
}

#[tokio::test]
async fn an_item_that_is_not_ours_is_named_and_not_read() {
    let body = r#"{"Item":{"key":{"S":"a"},"partition":{"S":"p"},"order":{"S":"0"}}}"#;
    let service = StandIn::always(Reply::new(200, body)).await;
    let circuits = open(&service.endpoint).stores().circuits;
    let failure = circuits.load("writer".to_owned()).await.unwrap_err();
    let expected =
        "DynamoDB: dynamodb:GetItem failed: an item without a usable attribute `fields` (rejected)";
    assert_eq!(failure, Failure::Misconfigured(expected.to_owned()));
}

#[tokio::test]
async fn an_empty_part_of_a_range_is_not_its_end() {
    let parts = Arc::new(AtomicUsize::new(0));
    let service = StandIn::answering(move |_| {
        let rest = r#"{"Items":[],"Count":0,"LastEvaluatedKey":{"key":{"S":"a"}}}"#;
        let last = r#"{"Items":[],"Count":0}"#;
        let part = parts.fetch_add(1, Ordering::SeqCst);
        Some(Reply::new(200, if part < 2 { rest } else { last }))
    })
    .await;
    let letters = open(&service.endpoint).stores().dead_letters;
    let page = letters.list(None, 10).await.unwrap();
    assert!(page.letters.is_empty());
    assert_eq!(service.requests(), 3);
}

#[tokio::test]
async fn a_letter_is_stored_though_its_copy_is_not() {
    let service = StandIn::answering(|target| {
        let empty = r#"{"Items":[],"Count":0}"#;
        // The queue says nothing.
        (!target.starts_with("amazonsqs")).then(|| Reply::new(200, empty))
    })
    .await;
    let mut settings = settings(&service.endpoint);
    settings.dead_letter_queue = DeadLetterQueue::Own;
    let stores = twin_aws::open(settings, "factory-01").stores();
    // What is done once, at the first call, does not count.
    stores.circuits.load("writer".to_owned()).await.unwrap();
    let letters = stores.dead_letters;
    let begun = Instant::now();
    letters.push(letter("a")).await.unwrap();
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(3),
        "{took:?}"
    );
    // The circuit, the end of the queue of letters, the letter, the URL of the copies' queue.
    assert_eq!(service.requests(), 4);
}

#[tokio::test]
async fn the_stores_clock_is_the_services() {
    const HOUR: Duration = Duration::from_secs(3600);
    let service = StandIn::answering(|_| {
        let date = httpdate::fmt_http_date(SystemTime::now() + HOUR);
        Some(Reply::new(200, "{}").with("Date", &date))
    })
    .await;
    let aws = open(&service.endpoint);
    put(&aws, b"{}").await.unwrap();
    let Ok(Outcome::Stored(at)) = put(&aws, b"{}").await else {
        panic!("not stored");
    };
    let at = SystemTime::UNIX_EPOCH + Duration::from_micros(at.unsigned_abs());
    let ahead = at.duration_since(SystemTime::now()).unwrap();
    let within = HOUR - Duration::from_secs(5)..HOUR + Duration::from_secs(5);
    assert!(within.contains(&ahead), "{ahead:?}");
}
