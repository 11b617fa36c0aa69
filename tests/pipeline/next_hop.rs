//! Sending to a peer: the URL verbatim, no redirects, and the effect of each reply.

use twin_contract::{
    Cloud::{Aws, Azure},
    reply::{ID_REUSED, error_body},
};

use crate::{
    crossing::reading,
    house::Host,
    peer::{FakePeer, answer, error},
};

fn connector(peer: &FakePeer) -> Host {
    Host::of(Aws, "connector").set("REMOTE_INGESTION_URL", &peer.url())
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = FakePeer::start(|arrival| arrival.received());
    let location = format!("location: {}\r\n", elsewhere.url());
    let peer = FakePeer::start(move |_| answer(307, &location, b""));
    let host = connector(&peer).start().await;
    host.post("/telemetry", &reading(0))
        .await
        .assert_status(202);
    let letters = host.items("/dead-letters").await;
    let attempts = letters[0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "it is permanent: {attempts:?}");
    assert_eq!(
        (&attempts[0]["status"], &attempts[0]["cause"]),
        (&307.into(), &"HTTP 307".into())
    );
    assert!(elsewhere.arrivals().is_empty());
}

#[tokio::test]
async fn a_proxy_is_used_only_if_it_is_meant_for_us() {
    for (variable, used) in [
        ("HTTP_PROXY", false),
        ("http_proxy", false),
        ("ALL_PROXY", false),
        ("TWIN_HTTP_PROXY", true),
    ] {
        let peer = FakePeer::start(|arrival| arrival.received());
        let proxy = FakePeer::start(|arrival| arrival.received());
        let host = connector(&peer).set(variable, &proxy.url()).start().await;
        host.post("/telemetry", &reading(0))
            .await
            .assert_status(200);
        let seen = (peer.arrivals().len(), proxy.arrivals().len());
        assert_eq!(seen, if used { (0, 1) } else { (1, 0) }, "{variable}");
    }
}

#[tokio::test]
async fn every_attempt_sends_the_same_message_with_its_id_and_its_patience() {
    let peer = FakePeer::start(|_| error(503));
    let host = connector(&peer)
        .set("ATTEMPT_TIMEOUT_MS", "7000")
        .start()
        .await;
    let reply = host.post("/telemetry", &reading(0)).await;
    reply.assert_status(202);
    let arrivals = peer.arrivals();
    assert_eq!(arrivals.len(), 4, "one attempt and three retries");
    for arrival in &arrivals {
        assert_eq!(arrival.body, arrivals[0].body);
        assert_eq!(
            arrival.header("idempotency-key"),
            Some(reply.field("id").as_str())
        );
        assert_eq!(arrival.header("content-type"), Some("application/json"));
        assert_eq!(arrival.header("x-twin-timeout-ms"), Some("7000"));
    }
}

#[tokio::test]
async fn a_peers_answer_decides_between_acknowledgement_and_letter() {
    for (reply, status, attempts) in [
        (
            answer(200, "", br#"{"status":"received","id":"x"}"#),
            200,
            1,
        ),
        (
            answer(202, "", br#"{"status":"dead-lettered","id":"x"}"#),
            202,
            1,
        ),
        (answer(200, "", b"<html>log in, please</html>"), 202, 1),
        (answer(204, "", b""), 202, 1),
        (error(401), 202, 1),
        (answer(409, "", &error_body(ID_REUSED, "used")), 409, 1),
        (answer(409, "", b"<html>Conflict</html>"), 202, 1),
        (error(409), 202, 1),
        (error(408), 202, 4),
        (error(429), 202, 4),
        (answer(429, "retry-after: 31\r\n", b""), 202, 1),
        (answer(429, "retry-after: 120.5\r\n", b""), 202, 1),
        (answer(429, "x-ms-retry-after-ms: 31000\r\n", b""), 202, 1),
        ("nonsense\r\n\r\n".to_owned(), 202, 4),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{".to_owned(),
            202,
            4,
        ),
    ] {
        let script = reply.clone();
        let peer = FakePeer::start(move |_| script.clone());
        let host = connector(&peer).start().await;
        let told = host.post("/telemetry", &reading(0)).await;
        let seen = (told.status, peer.arrivals().len());
        assert_eq!(seen, (status, attempts), "{reply}");
    }
}

#[tokio::test]
async fn a_reader_with_a_url_asks_there_and_keeps_pages_and_words() {
    let store = Host::of(Aws, "writer,reader").start().await;
    let reader = Host::of(Azure, "reader")
        .next("READER", &store, "/read")
        .start()
        .await;
    for n in 0..3 {
        let envelope = format!(
            r#"{{"source_cloud":"aws","target_layer":"L3","message_type":"event","timestamp":"2026-01-01T00:00:0{n}Z","payload":{{"device_id":"d"}}}}"#
        );
        store.post("/write", &envelope).await.assert_status(200);
    }
    for target in [
        "/read?device_id=d&limit=2",
        "/read?device_id=d&order=asc",
        "/read?limit=0&device_id=d",
    ] {
        let (here, there) = (reader.get(target).await, store.get(target).await);
        assert_eq!(
            (here.status, &here.text),
            (there.status, &there.text),
            "{target}"
        );
    }
    assert_eq!(reader.items("/read?device_id=d").await.len(), 3);
}
