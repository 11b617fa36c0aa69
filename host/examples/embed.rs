//! Two functions of a twin inside your own program: one request goes in, and its reply is printed.
//!
//! The functions run as native code over stores in memory, so nothing needs to be built first. docs/embedding.md explains
//! each part, and how to use components, other stores and HTTP instead.

use std::{error::Error, sync::Arc};

use twin_capabilities::function::{FunctionName, Functions, Request};
use twin_host::{
    config::Config,
    credentials::Credentials,
    peers::PeerSender,
    providers::{memory::Memory, system_clock},
};
use twin_native::{Capabilities, Native, NativeSettings, Time};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Arc::new(Config::from_vars([
        ("TWIN_NAME", "factory-01"),
        ("TWIN_CLOUD", "aws"),
        ("TWIN_FUNCTIONS", "ingestion,writer"),
        ("INTER_CLOUD_TOKEN", "the-key"),
    ])?);
    let stores = Memory::new(system_clock()).stores();
    let peers = Arc::new(PeerSender::new(Arc::clone(&config))?);
    let credentials = Arc::new(Credentials::of(&config));
    let capabilities = |function| Capabilities {
        settings: config.clone(),
        verifier: credentials.clone(),
        peers: peers.of(function),
        stores: stores.clone(),
        time: Time::real(),
    };
    let settings = NativeSettings::default();
    let functions: Arc<dyn Functions> =
        Arc::new(Native::new(&config.functions, &settings, capabilities));
    peers.mount(Arc::downgrade(&functions));

    let envelope = r#"{"source_cloud": "azure", "target_layer": "L2", "message_type": "telemetry",
        "timestamp": "2026-01-01T00:00:00Z", "payload": {"device_id": "sensor-1", "temperature": 25.40}}"#;
    let presented = [("x-api-key".to_owned(), "the-key".to_owned())];
    let request = Request {
        method: "POST".to_owned(),
        path: "/ingest".to_owned(),
        query: String::new(),
        headers: Vec::new(),
        body: envelope.into(),
        time_left_ms: None,
        // The function gets the verdict on the caller, and no key.
        verdict: credentials.judge(&presented),
    };
    let reply = functions.call(FunctionName::Ingestion, request).await?;
    println!("{} {}", reply.status, String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.status, 200);
    Ok(())
}
