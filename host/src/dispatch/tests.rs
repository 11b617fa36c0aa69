//! Requests with complete bodies, as an ingress of a function platform passes them.

use std::{io::Write as _, net::Ipv4Addr};

use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, Request};

use super::*;
use crate::{
    credentials::Credentials,
    scripted::{Scripted, response},
    secrets::Secret,
};
use FunctionName::{Connector, Reader, Writer};

struct Always;

#[async_trait]
impl Readiness for Always {
    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

pub(super) fn settings(cloud: Cloud) -> DispatchSettings {
    DispatchSettings {
        cloud,
        route_prefix: "/prod".into(),
        verifier: Arc::new(Credentials::new(cloud, &[Secret::new("key")])),
        readiness: Arc::new(Always),
        metrics: Arc::new(metrics::Process::recorded()),
        function_deadline: Duration::from_secs(25),
        tracer: None,
    }
}

fn dispatch(functions: Arc<Scripted>, cloud: Cloud) -> (Dispatch, watch::Sender<bool>) {
    let (stop, stopped) = watch::channel(false);
    (Dispatch::new(functions, settings(cloud), stopped), stop)
}

pub(super) async fn ask(
    dispatch: &Dispatch,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    limit: Option<Duration>,
) -> (u16, HeaderMap, String) {
    let (method, uri) = target.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let source = Some(Ipv4Addr::LOCALHOST.into());
    let (head, body) = dispatch
        .answer(head, body.to_vec(), source, limit)
        .await
        .into_parts();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (head.status.as_u16(), head.headers, body)
}

pub(super) const KEY: (&str, &str) = ("x-api-key", "key");
const ID: (&str, &str) = ("x-request-id", "r");

#[tokio::test]
async fn a_function_gets_the_body_the_verdict_and_the_shorter_of_the_two_deadlines() {
    let (dispatch, _stop) = dispatch(Scripted::echo(&[Connector]), Cloud::Aws);
    for (limit, left) in [(None, 25_000), (Some(3), 3_000), (Some(60), 25_000)] {
        let limit = limit.map(Duration::from_secs);
        let (status, headers, body) = ask(
            &dispatch,
            "POST /prod/telemetry?a=b",
            &[KEY, ID],
            b"abc",
            limit,
        )
        .await;
        assert_eq!(status, 200);
        assert_eq!(headers["x-request-id"], "r");
        let expected = format!(
            "connector POST /telemetry [a=b] 3 Some({left})\nx-request-id: r\nverdict: key-1 (Any)\n"
        );
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn the_body_of_an_unknown_caller_goes_nowhere_and_that_of_a_known_one_is_unpacked() {
    let (dispatch, _stop) = dispatch(Scripted::echo(&[Writer]), Cloud::Aws);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"twelve bytes").unwrap();
    let packed = encoder.finish().unwrap();
    let gzip = ("content-encoding", "gzip");
    for (headers, body, expected) in [
        (&[KEY, gzip, ID][..], packed.as_slice(), " 12 "),
        (&[gzip, ID], packed.as_slice(), " 0 "),
        (&[("x-api-key", "wrong"), ID], b"abc", " 0 "),
    ] {
        let (status, _, text) = ask(&dispatch, "POST /write", headers, body, None).await;
        assert_eq!(status, 200);
        assert!(text.contains(expected), "{headers:?}: {text}");
    }
    let (status, _, text) = ask(&dispatch, "POST /write", &[KEY, gzip], b"abc", None).await;
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("BODY_NOT_GZIP"), "{text}");
}

#[tokio::test]
async fn a_key_in_the_query_is_a_key_on_azure_and_reaches_no_function() {
    for (cloud, verdict) in [(Cloud::Azure, "key-1 (Any)"), (Cloud::Gcp, "Missing")] {
        let (dispatch, _stop) = dispatch(Scripted::echo(&[Reader]), cloud);
        let (_, _, text) = ask(&dispatch, "GET /read?code=key&a=b", &[ID], b"", None).await;
        assert!(text.ends_with(&format!("verdict: {verdict}\n")), "{text}");
        assert!(!text.contains("code=key"), "{text}");
    }
}

#[tokio::test]
async fn the_hosts_own_paths_and_unknown_ones_are_answered_without_a_function() {
    let (dispatch, stop) = dispatch(Scripted::echo(&[Reader, Writer]), Cloud::Aws);
    for (target, headers, status) in [
        ("GET /healthz", &[][..], 200),
        ("GET /prod/readyz", &[], 200),
        ("POST /readyz", &[], 405),
        ("GET /metrics", &[], 401),
        ("GET /metrics", &[("x-api-key", "wrong")], 403),
        ("GET /metrics", &[KEY], 200),
        ("GET /telemetry", &[KEY], 404),
    ] {
        let (got, headers, _) = ask(&dispatch, target, headers, b"", None).await;
        assert_eq!(got, status, "{target}");
        assert!(headers.contains_key("x-request-id"), "{target}");
    }
    stop.send_replace(true);
    assert_eq!(ask(&dispatch, "GET /readyz", &[], b"", None).await.0, 503);
}

#[tokio::test]
async fn it_is_idle_once_every_call_has_ended() {
    let (release, released) = watch::channel(false);
    let functions = Scripted::new(&[Writer], move |_, _| {
        let mut released = released.clone();
        async move {
            let _ = released.wait_for(|released| *released).await;
            Ok(response(200, "{}"))
        }
    });
    let (dispatch, _stop) = dispatch(functions, Cloud::Aws);
    dispatch.idle().await;
    let asking = ask(&dispatch, "POST /write", &[KEY], b"{}", None);
    let waiting = async {
        // The call is already running, because `join!` polls in order.
        assert!(dispatch.idle().now_or_never().is_none());
        release.send_replace(true);
        dispatch.idle().await;
    };
    let ((status, _, _), ()) = tokio::join!(asking, waiting);
    assert_eq!(status, 200);
}
