//! `x-request-id`: the same in the reply and in the log lines of every host that handled the request, and in no body.

use reqwest::Method;
use twin_contract::Cloud::Aws;

use crate::{crossing::reading, house::Host, peer::FakePeer, process::eventually};

const ID: &str = "req-1.a:b_c";

#[tokio::test]
async fn a_requests_id_is_in_the_reply_and_in_every_log_line_and_goes_on_to_peers() {
    let peer = FakePeer::start(|arrival| arrival.received());
    let host = Host::of(Aws, "connector,ingestion,error-reporter")
        .set("REMOTE_WRITER_URL", &peer.url())
        // The peer does not exist, which makes a component write a log line.
        .set("MANAGEMENT_URL", "http://127.0.0.1:1/")
        .start()
        .await;
    // Through two connectors and the ingestion between them.
    let keyed = [("x-request-id", ID), ("x-api-key", "key-of-aws")];
    let body = reading(0);
    let reply = host.send(Method::POST, "/telemetry", &keyed, &body).await;
    let reply = reply.unwrap();
    reply.assert_status(200);
    assert_eq!(reply.header("x-request-id"), Some(ID));
    assert!(!reply.text.contains(ID), "{}", reply.text);
    assert_eq!(peer.arrivals()[0].header("x-request-id"), Some(ID));
    assert!(!peer.arrivals()[0].body.contains(ID));

    let error = r#"{"twin_id":"t","cloud_provider":"aws","severity":"INFO","component":"x","error_code":"X","message":"x","timestamp":"2026-01-01T00:00:00Z"}"#;
    let reply = host.send(Method::POST, "/errors", &keyed, error).await;
    assert_eq!(reply.unwrap().header("x-request-id"), Some(ID));
    let wrong = [keyed[0], ("x-api-key", "wrong")];
    let reply = host.send(Method::GET, "/errors", &wrong, "").await;
    assert_eq!(reply.unwrap().header("x-request-id"), Some(ID));
    for line in ["management not notified", "without a valid credential"] {
        let logged = eventually(line, async || {
            let logs = host.logs();
            logs.lines()
                .find(|logged| logged.contains(line))
                .map(str::to_owned)
        })
        .await;
        assert!(
            logged.contains(&format!(r#""request_id":"{ID}""#)),
            "{logged}"
        );
    }
}
