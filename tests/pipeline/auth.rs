//! Keys over the network: which are accepted, which are sent, and that no key is ever written to a log or a disk.

use std::fs;

use reqwest::Method;
use twin_contract::Cloud::{self, Aws, Azure, Gcp};

use crate::{
    crossing::reading,
    house::Host,
    peer::{FakePeer, error},
    process::eventually,
};

/// A key in each cloud's form.
fn form(cloud: Cloud, key: &str) -> (&'static str, String) {
    match cloud {
        Aws => ("x-api-key", key.to_owned()),
        Azure => ("x-functions-key", key.to_owned()),
        Gcp => ("authorization", format!("Bearer {key}")),
    }
}

async fn status(host: &Host, (name, value): (&str, String)) -> (u16, String) {
    let headers = [(name, value.as_str())];
    let reply = host.send(Method::GET, "/read?device_id=d", &headers, "");
    let reply = reply.await.unwrap();
    let code = match reply.status {
        200 => String::new(),
        _ => reply.error_code(),
    };
    (reply.status, code)
}

#[tokio::test]
async fn each_cloud_accepts_both_its_keys_in_its_own_form_only() {
    for cloud in [Aws, Azure, Gcp] {
        let host = Host::of(cloud, "reader")
            .set("INTER_CLOUD_TOKEN", "key-after, key-before")
            .set("REMOTE_AUTH_TOKEN", "key-to-send")
            .start()
            .await;
        for key in ["key-after", "key-before"] {
            assert_eq!(
                status(&host, form(cloud, key)).await.0,
                200,
                "{cloud} {key}"
            );
        }
        for key in ["key-to-send", "key-afte", "key-after,key-before"] {
            let refused = (403, "FORBIDDEN".to_owned());
            assert_eq!(status(&host, form(cloud, key)).await, refused, "{key}");
        }
        let missing = (401, "UNAUTHORIZED".to_owned());
        for other in [Aws, Azure, Gcp].iter().filter(|other| **other != cloud) {
            let header = form(*other, "key-after");
            assert_eq!(status(&host, header).await, missing, "{cloud} {other}");
        }
        assert_eq!(status(&host, ("x-none", String::new())).await, missing);
    }
}

#[tokio::test]
async fn operators_have_a_key_of_their_own_where_one_is_set() {
    for cloud in [Aws, Azure, Gcp] {
        let host = Host::of(cloud, "connector,reader,error-reporter,ingestion,writer")
            .set("TWIN_OPERATOR_TOKEN", "op-after,op-before")
            .start()
            .await;
        let hop = host.key.clone();
        for (target, operators) in [
            ("/dead-letters", true),
            ("/errors", true),
            ("/metrics", true),
            ("/read?device_id=d", false),
        ] {
            for (key, operator) in [(&*hop, false), ("op-after", true), ("op-before", true)] {
                let (name, value) = form(cloud, key);
                let headers = [(name, value.as_str())];
                let reply = host.send(Method::GET, target, &headers, "").await.unwrap();
                if operator == operators {
                    reply.assert_status(200);
                    continue;
                }
                reply.assert_status(403);
                assert_eq!(reply.error_code(), "FORBIDDEN");
                let wanted = if operators {
                    "TWIN_OPERATOR_TOKEN"
                } else {
                    "INTER_CLOUD_TOKEN"
                };
                assert!(reply.field("message").contains(wanted), "{reply:?}");
            }
        }
        // Messages are still accepted, from this process and from outside.
        host.post("/telemetry", &reading(0))
            .await
            .assert_status(200);
        let (name, value) = form(cloud, "op-after");
        let headers = [(name, value.as_str())];
        let posted = host
            .send(Method::POST, "/telemetry", &headers, &reading(1))
            .await;
        posted.unwrap().assert_status(403);
    }
}

#[tokio::test]
async fn the_receivers_cloud_decides_which_header_carries_the_key() {
    for (cloud, header) in [
        ("aws", form(Aws, "key-to-send")),
        ("azure", form(Azure, "key-to-send")),
        ("gcp", form(Gcp, "key-to-send")),
        // No cloud is configured, and the host name does not show it.
        ("", form(Gcp, "key-to-send")),
    ] {
        let peer = FakePeer::start(|arrival| arrival.received());
        let host = Host::of(Azure, "connector")
            .set("REMOTE_INGESTION_URL", &peer.url())
            .set("REMOTE_INGESTION_CLOUD", cloud)
            .set("REMOTE_AUTH_TOKEN", "key-to-send")
            .start()
            .await;
        host.post("/telemetry", &reading(0))
            .await
            .assert_status(200);
        let arrival = peer.arrivals().remove(0);
        let sent: Vec<_> = ["x-api-key", "x-functions-key", "authorization"]
            .into_iter()
            .filter_map(|name| Some((name, arrival.header(name)?.to_owned())))
            .collect();
        assert_eq!(sent, [header], "to {cloud:?}");
    }
}

#[tokio::test]
async fn the_key_sent_is_the_peers_own_else_the_common_one_else_the_first_accepted() {
    for (own, common, expected) in [
        ("key-own", "key-common", "key-own"),
        ("", "key-common", "key-common"),
        ("", "", "key-first"),
    ] {
        let peer = FakePeer::start(|arrival| arrival.received());
        let host = Host::of(Aws, "connector")
            .set("REMOTE_INGESTION_URL", &peer.url())
            .set("REMOTE_INGESTION_CLOUD", "aws")
            .set("REMOTE_INGESTION_TOKEN", own)
            .set("REMOTE_AUTH_TOKEN", common)
            .set("INTER_CLOUD_TOKEN", "key-first,key-second")
            .start()
            .await;
        host.post("/telemetry", &reading(0))
            .await
            .assert_status(200);
        assert_eq!(peer.arrivals()[0].header("x-api-key"), Some(expected));
    }
}

#[tokio::test]
async fn no_key_is_ever_written_down() {
    let peer = FakePeer::start(|_| error(403));
    let secrets = [
        "s3cret-in-1",
        "s3cret-in-2",
        "s3cret-out",
        "s3cret-query",
        "s3cret-guess",
    ];
    for cloud in [Aws, Azure, Gcp] {
        let mut host = Host::of(cloud, "connector,error-reporter,reader")
            .set("INTER_CLOUD_TOKEN", "s3cret-in-1,s3cret-in-2")
            .set(
                "REMOTE_INGESTION_URL",
                &format!("{}?code=s3cret-query", peer.url()),
            )
            .set("REMOTE_INGESTION_TOKEN", "s3cret-out")
            .set(
                "MANAGEMENT_URL",
                &format!("{}?code=s3cret-query", peer.url()),
            )
            // Including all log lines of the libraries.
            .set("RUST_LOG", "trace")
            .start()
            .await;
        host.post("/telemetry", &reading(0))
            .await
            .assert_status(202);
        status(&host, form(cloud, "s3cret-guess")).await;
        status(&host, form(cloud, "s3cret-in-2")).await;
        let errors = async || (!host.items("/errors").await.is_empty()).then_some(());
        eventually("the refused key is reported", errors).await;
        let shown = [
            host.get("/dead-letters").await.text,
            host.get("/errors").await.text,
            host.get("/metrics").await.text,
        ];
        host.terminate();
        assert_eq!(host.exit().code(), Some(0));
        let logs = eventually("the log is complete", async || {
            let logs = host.logs();
            logs.contains("stopped").then_some(logs)
        })
        .await;
        assert!(logs.contains("TRACE"), "the log is as loud as can be");
        for secret in secrets {
            let lines: Vec<_> = logs.lines().filter(|line| line.contains(secret)).collect();
            assert!(lines.is_empty(), "{cloud} logs {secret}: {lines:#?}");
            assert!(!shown.concat().contains(secret), "{cloud} shows {secret}");
        }
    }
}

#[tokio::test]
async fn wrong_and_missing_keys_are_counted_and_logged_with_their_source() {
    let host = Host::of(Aws, "reader").start().await;
    status(&host, form(Aws, "s3cret-guess")).await;
    status(&host, form(Aws, "s3cret-guess")).await;
    status(&host, form(Gcp, "key-of-aws")).await;
    let metrics = host.get("/metrics").await.text;
    for line in [
        r#"twin_credentials_refused_total{cloud="aws",reason="wrong"} 2"#,
        r#"twin_credentials_refused_total{cloud="aws",reason="missing"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let logs = eventually("it is logged", async || {
        let logs = host.logs();
        logs.contains("without a valid credential").then_some(logs)
    })
    .await;
    assert!(logs.contains(r#""source":"127.0.0.1""#), "{logs}");
    assert!(!logs.contains("s3cret"), "{logs}");
}

#[tokio::test]
async fn a_portals_url_works_as_it_is() {
    let there = Host::of(Azure, "reader").start().await;
    // The cloud of the receiver may be known or not.
    for cloud in ["azure", ""] {
        let here = Host::of(Aws, "reader")
            .set("REMOTE_READER_URL", &there.url("/read?code=key-of-azure"))
            .set("REMOTE_READER_CLOUD", cloud)
            .start()
            .await;
        assert!(here.items("/read?device_id=d").await.is_empty());
    }
}

#[tokio::test]
async fn a_key_that_is_kept_in_a_file_is_replaced_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (file, next) = (folder.path().join("token"), folder.path().join("next"));
    let replace = |key: &str| {
        // As Kubernetes does: nobody reads half a file.
        fs::write(&next, format!("{key}\n")).unwrap();
        fs::rename(&next, &file).unwrap();
    };
    replace("key-before");
    let reference = format!("file:{}", file.display());
    let writer = Host::of(Gcp, "writer,reader")
        .set("INTER_CLOUD_TOKEN", &format!("fixed-key,{reference}"))
        .start()
        .await;
    let connector = Host::of(Aws, "connector")
        .next("WRITER", &writer, "/write")
        .set("REMOTE_WRITER_TOKEN", &reference)
        .start()
        .await;
    let delivered = async |number| {
        let envelope = format!(
            r#"{{"source_cloud":"aws","target_layer":"L3","message_type":"event","timestamp":"2026-01-01T00:00:0{number}Z","payload":{{"device_id":"d"}}}}"#
        );
        let sent = connector.post("/telemetry", &envelope).await;
        sent.assert_status(200);
    };
    assert_eq!(status(&writer, form(Gcp, "key-before")).await.0, 200);
    delivered(0).await;

    replace("key-after");
    // Both still use what they looked up at the start.
    delivered(1).await;
    // The receiver learns of the new key, and the sender by that the old one is refused.
    assert_eq!(status(&writer, form(Gcp, "key-after")).await.0, 200);
    delivered(2).await;
    assert_eq!(status(&writer, form(Gcp, "fixed-key")).await.0, 200);
    // The keys were looked up a moment ago, so one that is unknown now may be newer. One that was withdrawn is not.
    assert_eq!(status(&writer, form(Gcp, "key-newer")).await.0, 503);
    assert_eq!(status(&writer, form(Gcp, "key-before")).await.0, 403);
    let logs = connector.logs() + &writer.logs();
    assert!(
        !logs.contains("key-before") && !logs.contains("key-after"),
        "{logs}"
    );
    assert!(!logs.contains("dead letter"), "{logs}");
}
