//! GCP: Pub/Sub pushes to the image's program.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::HeaderValue;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twin_contract::Cloud::Gcp;
use twin_tests::hosts::{
    front::{Client, serve},
    house::Host,
    process::eventually,
    site::client,
};

use super::{packaged, system_error};

const PROJECT: &str = "twins";

/// Adds the credential to what the emulator pushes: Pub/Sub adds a token, the emulator nothing. Returns its own address.
async fn with_credential(host: &Host) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (base, client) = (host.base.clone(), Client::default());
    let (name, key) = host.credential();
    let key: HeaderValue = key.parse().unwrap();
    tokio::spawn(serve(listener, move |mut request| {
        request.headers_mut().insert(name, key.clone());
        let url = format!("{base}{}", request.uri());
        let client = client.clone();
        async move { client.send(&url, request).await }
    }));
    format!("http://{address}")
}

/// A call of Pub/Sub.
async fn pubsub(
    client: &reqwest::Client,
    base: &str,
    method: reqwest::Method,
    path: &str,
    body: &Value,
) {
    let url = format!("{base}/v1/projects/{PROJECT}/{path}");
    let reply = client.request(method, url).body(body.to_string());
    let reply = reply.send().await.unwrap();
    let status = reply.status();
    assert!(
        status.is_success(),
        "{status}: {}",
        reply.text().await.unwrap()
    );
}

#[tokio::test]
async fn pub_sub_pushes_readings_and_system_errors() {
    let Ok(emulator) = std::env::var("TWIN_TEST_PUBSUB") else {
        return println!("skipped: Pub/Sub pushes to Cloud Run: TWIN_TEST_PUBSUB is not set");
    };
    let Some(host) = packaged(Gcp) else {
        return;
    };
    let host = host.start().await;
    let pushed_to = with_credential(&host).await;
    let client = client();
    let name = |what: &str| format!("twin-{}-{what}", host.port);
    for what in ["telemetry", "errors"] {
        let topic = format!("topics/{}", name(what));
        pubsub(&client, &emulator, reqwest::Method::PUT, &topic, &json!({})).await;
        let subscription = format!("subscriptions/{}", name(what));
        let wanted = json!({
            "topic": format!("projects/{PROJECT}/{topic}"), "ackDeadlineSeconds": 60,
            "pushConfig": {"pushEndpoint": format!("{pushed_to}/events/{what}")},
        });
        pubsub(
            &client,
            &emulator,
            reqwest::Method::PUT,
            &subscription,
            &wanted,
        )
        .await;
    }
    let publish = async |what: &str, data: &str, attributes: Value| {
        let message = json!({"data": STANDARD.encode(data), "attributes": attributes});
        let path = format!("topics/{}:publish", name(what));
        let body = json!({"messages": [message]});
        pubsub(&client, &emulator, reqwest::Method::POST, &path, &body).await;
    };
    publish(
        "telemetry",
        r#"{"t":25.40}"#,
        json!({"deviceId": "sensor-1"}),
    )
    .await;
    let read = eventually("the reading is stored", async || {
        let read = host.get("/read?device_id=sensor-1").await;
        read.text.contains(r#""t":25.40"#).then_some(read.text)
    })
    .await;
    assert!(read.contains(r#""device_id":"sensor-1""#), "{read}");
    let error = system_error().to_string();
    publish("errors", &error, json!({"id": "e-1"})).await;
    eventually("the error is kept", async || {
        let errors = host.items("/errors").await;
        errors
            .iter()
            .any(|error| error["id"] == "e-1")
            .then_some(())
    })
    .await;
    // A message for a device that another one names is kept, and acknowledged.
    publish(
        "telemetry",
        r#"{"device_id":"other"}"#,
        json!({"deviceId": "sensor-1"}),
    )
    .await;
    eventually("the refused message is kept", async || {
        let letters = host.items("/dead-letters").await;
        letters
            .iter()
            .any(|letter| letter["peer"] == "event")
            .then_some(())
    })
    .await;
}
