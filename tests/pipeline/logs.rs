//! The log and its reader: no reader can stop, slow down or end a host.

use std::{io, net::TcpListener};

use reqwest::Method;
use serde_json::Value;
use twin_contract::Cloud::Aws;

use crate::{
    crossing::reading,
    house::{Host, free_port},
    process::{Running, eventually, exit_of, twin},
    site::Site,
};

/// An error reporter whose notifications all fail, so that each error that it receives has a log line.
fn complaining() -> Host {
    // Nothing listens at this address.
    let management = format!("http://127.0.0.1:{}/", free_port());
    Host::of(Aws, "error-reporter").set("MANAGEMENT_URL", &management)
}

/// The `nth` of many errors.
fn error(nth: usize) -> String {
    format!(
        r#"{{"twin_id":"factory-01","cloud_provider":"aws","severity":"INFO","component":"L1-Connector",
            "error_code":"TEST","message":"error {nth}","timestamp":"2026-01-01T00:00:00Z"}}"#
    )
}

/// The number of lines that the host reports as lost.
async fn dropped(host: &Host) -> u64 {
    let metrics = host.get("/metrics").await;
    metrics.assert_status(200);
    let name = "twin_log_lines_dropped_total ";
    let lines = metrics.text.lines();
    let value = lines.filter_map(|line| line.strip_prefix(name)).next();
    value.expect("the counter is there").parse().unwrap()
}

/// Checks that the host works normally for a while.
async fn serves(host: &Host, from: usize) {
    for nth in from..from + 50 {
        host.post("/errors", &error(nth)).await.assert_status(200);
        host.get("/readyz").await.assert_status(200);
    }
}

#[tokio::test]
async fn a_log_whose_reader_is_gone_loses_lines_and_nothing_else() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut host = complaining()
        .set("RUST_LOG", "trace")
        .logging_to(writer)
        .start()
        .await;
    let before = dropped(&host).await;
    assert!(before > 0, "the line that it is ready, at least");
    serves(&host, 0).await;
    assert!(dropped(&host).await > before);
    host.terminate();
    assert_eq!(host.exit().code(), Some(0));
}

#[tokio::test]
async fn a_log_that_is_not_read_loses_lines_and_nothing_else() {
    let (_reader, writer) = io::pipe().unwrap();
    let mut host = complaining()
        .set("RUST_LOG", "trace")
        .logging_to(writer)
        .start()
        .await;
    // First the pipe fills up, then the queue.
    let mut posted = 0;
    eventually("lines are dropped", async || {
        serves(&host, posted).await;
        posted += 50;
        (dropped(&host).await > 0).then_some(())
    })
    .await;
    serves(&host, posted).await;
    host.terminate();
    assert_eq!(host.exit().code(), Some(0), "nor does it wait at its end");
}

/// The lines with this message that a host has logged, after it was stopped.
async fn lines_of(host: &Host, message: &str) -> Vec<Value> {
    let logs = eventually("the log is read to its end", async || {
        let logs = host.logs();
        logs.contains(r#""message":"stopped""#).then_some(logs)
    })
    .await;
    let lines = logs.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["message"] == message)
        .collect()
}

/// The number of events that the lines represent.
fn events_of(lines: &[Value]) -> u64 {
    let repeated = lines.iter().map(|line| line["repeated"].as_u64());
    repeated.map(|repeated| 1 + repeated.unwrap_or(0)).sum()
}

#[tokio::test]
async fn a_refused_write_is_one_line_a_cause() {
    const REFUSED: usize = 60;
    const SIZE: usize = 200_000;
    let mut host = Host::of(Aws, "writer")
        // The smallest limit that can be set.
        .set("TWIN_DATA_MAX_BYTES", "33554432")
        .start()
        .await;
    let mut refused = 0;
    for nth in 0.. {
        let reply = host.post("/write", &envelope(nth, SIZE)).await;
        match reply.status {
            200 => assert!(nth < 200, "the limit is never reached"),
            status => {
                assert_eq!((status, reply.error_code().as_str()), (503, "STORE_FULL"));
                refused += 1;
            }
        }
        if refused == REFUSED {
            break;
        }
    }
    host.terminate();
    assert_eq!(host.exit().code(), Some(0));
    let lines = lines_of(&host, "record not stored").await;
    assert_eq!(events_of(&lines), REFUSED as u64, "{lines:?}");
    assert!(lines.len() < REFUSED / 2, "{lines:?}");
    let again = lines_of(&host, "a batch was not stored").await;
    assert!(again.is_empty(), "{again:?}");
}

/// The `nth` envelope for a writer, with a payload of about this size.
fn envelope(nth: usize, size: usize) -> String {
    let filling = "x".repeat(size);
    format!(
        r#"{{"source_cloud":"azure","target_layer":"L3","message_type":"telemetry","timestamp":"2026-01-01T00:00:00Z",
            "payload":{{"device_id":"d{nth}","filling":"{filling}"}},"trace_id":"trace"}}"#
    )
}

#[tokio::test]
async fn a_fault_that_repeats_is_one_line_that_counts() {
    const ERRORS: usize = 60;
    let mut host = complaining().start().await;
    for nth in 0..ERRORS {
        host.post("/errors", &error(nth)).await.assert_status(200);
    }
    host.terminate();
    assert_eq!(host.exit().code(), Some(0));
    let lines = lines_of(&host, "management not notified").await;
    assert_eq!(events_of(&lines), ERRORS as u64, "{lines:?}");
    // Ten seconds apart, except for the last.
    assert!(lines.len() < ERRORS / 2, "{lines:?}");
    assert!(
        lines
            .iter()
            .all(|line| line["function"] == "error-reporter")
    );
    assert!(
        lines
            .iter()
            .all(|line| line["id"].is_string() && line["cause"].is_string())
    );
}

#[tokio::test]
async fn a_delivery_that_becomes_a_letter_is_one_line_with_id_trace_peer_and_cause() {
    const MESSAGES: usize = 3;
    // Nothing listens at this address.
    let nowhere = format!("http://127.0.0.1:{}/ingest", free_port());
    let mut host = Host::of(Aws, "connector")
        .set("REMOTE_INGESTION_URL", &nowhere)
        .start()
        .await;
    let mut ids = Vec::new();
    for nth in 0..MESSAGES {
        let reply = host.post("/telemetry", &reading(nth)).await;
        reply.assert_status(202);
        ids.push(reply.field("id"));
    }
    host.terminate();
    assert_eq!(host.exit().code(), Some(0));
    let lines = lines_of(&host, "message became a dead letter").await;
    assert_eq!(events_of(&lines), MESSAGES as u64, "{lines:?}");
    assert_eq!(lines[0]["id"], ids[0]);
    for line in &lines {
        assert_eq!(line["level"], "WARN", "{line}");
        assert_eq!(line["function"], "connector", "{line}");
        assert_eq!(line["peer"], "ingestion", "{line}");
        let filled = |name: &str| line[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(filled("id") && filled("trace") && filled("cause"), "{line}");
    }
}

#[tokio::test]
async fn a_command_that_cannot_print_its_failure_still_ends_with_its_code() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut child = Running(twin(["serve"]).stderr(writer).spawn().unwrap());
    assert_eq!(exit_of(&mut child.0).code(), Some(2));
}

/// The first of three ports in a row that are free.
fn three_free_ports() -> u16 {
    let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let first = free_port();
        if free(first + 1) && free(first + 2) {
            return first;
        }
    }
}

#[tokio::test]
async fn clouds_whose_output_is_closed_run_on() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let port = three_free_ports();
    let mut up = Running(
        twin(["up", "--base-port", &port.to_string()])
            .env("RUST_LOG", "trace")
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap(),
    );
    for port in port..port + 3 {
        let base = format!("http://127.0.0.1:{port}");
        let cloud = Site::of(Aws, base, "a wrong key".to_owned());
        eventually("it is ready", async || {
            assert_eq!(up.0.try_wait().unwrap(), None);
            let reply = cloud.send(Method::GET, "/readyz", &[], "").await;
            reply.filter(|reply| reply.status == 200)
        })
        .await;
    }
    assert_eq!(up.0.try_wait().unwrap(), None);
}
