//! No key enters the sandbox: the whole memory of every instance is searched after all kinds of requests.

use std::collections::BTreeSet;

use reqwest::Method;
use twin_contract::Cloud::{self, Aws, Azure, Gcp};
use twin_host::credentials::HeaderForm;

use crate::{
    house::Host,
    memories,
    peer::{FakePeer, answer},
    process::eventually,
    replies::Reply,
};

/// What begins each text that is searched for.
const NEEDLE: &[u8] = b"needle-";

/// A text that is found even in memory that was freed, whose first bytes an allocator overwrites.
fn needle(name: &str) -> String {
    format!("needle-{name}.").repeat(4)
}

/// The names of the needles in a memory.
fn needles(memory: &[u8]) -> BTreeSet<String> {
    let starts = (0..memory.len()).filter(|&at| memory[at] == b'n');
    let found = starts.filter_map(|at| {
        let rest = memory[at..].strip_prefix(NEEDLE)?;
        let end = rest.iter().take(40).position(|&byte| byte == b'.')?;
        Some(String::from_utf8_lossy(&rest[..end]).into_owned())
    });
    found.collect()
}

/// All functions on one host, with a needle for every key that it has.
async fn host(cloud: Cloud, management: &FakePeer) -> Host {
    let tokens = format!("{},{}", needle("key-1"), needle("key-2"));
    let url = format!("{}?code={}", management.url(), needle("key-in-url"));
    Host::of(cloud, "connector,ingestion,writer,reader,error-reporter")
        .set("INTER_CLOUD_TOKEN", &tokens)
        .set("TWIN_OPERATOR_TOKEN", &needle("key-operator"))
        .set("MANAGEMENT_URL", &url)
        .set("REMOTE_MANAGEMENT_TOKEN", &needle("key-management"))
        .start()
        .await
}

fn envelope(layer: &str, device: &str) -> String {
    format!(
        r#"{{"source_cloud":"aws","target_layer":"{layer}","message_type":"event","timestamp":"2026-01-01T00:00:00Z","payload":{{"device_id":"{device}"}}}}"#
    )
}

/// A request to each function. Its marker reaches the memory of that function and of no other.
fn requests() -> [(&'static str, Method, String, String, u16); 5] {
    let marker = |function| needle(&format!("in-{function}"));
    let error = format!(
        r#"{{"twin_id":"t","cloud_provider":"aws","severity":"INFO","component":"L1-Connector","error_code":"X","message":"{}","timestamp":"2026-01-01T00:00:00Z"}}"#,
        marker("error-reporter")
    );
    let (get, post) = (Method::GET, Method::POST);
    // A query of letters is for operators, and an envelope for another layer is refused: both go no further.
    [
        (
            "connector",
            get.clone(),
            format!("/dead-letters/{}", marker("connector")),
            String::new(),
            404,
        ),
        (
            "ingestion",
            post.clone(),
            "/ingest".into(),
            envelope("L3", &marker("ingestion")),
            400,
        ),
        (
            "writer",
            post.clone(),
            "/write".into(),
            envelope("L3", &marker("writer")),
            200,
        ),
        (
            "reader",
            get,
            format!("/read?device_id={}", marker("reader")),
            String::new(),
            200,
        ),
        ("error-reporter", post, "/errors".into(), error, 200),
    ]
}

/// Presents a key in the form of each cloud, once and twice, and in the query.
async fn present(host: &Host, method: &Method, target: &str, body: &str, key: &str) -> Vec<Reply> {
    let forms = [Aws, Azure, Gcp].map(|cloud| HeaderForm::of(Some(cloud)));
    let forms = forms.map(|form| (form.header(), form.value(key)));
    let forms: Vec<_> = forms
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let separator = if target.contains('?') { '&' } else { '?' };
    let with_query = format!("{target}{separator}code={key}");
    let mut replies = Vec::new();
    for form in &forms {
        for headers in [&[*form][..], &[*form, *form]] {
            replies.push(
                host.send(method.clone(), target, headers, body)
                    .await
                    .unwrap(),
            );
        }
    }
    replies.push(
        host.send(method.clone(), target, &forms, body)
            .await
            .unwrap(),
    );
    replies.push(
        host.send(method.clone(), &with_query, &[], body)
            .await
            .unwrap(),
    );
    replies
}

#[tokio::test]
async fn no_key_is_in_the_memory_of_any_instance_however_it_was_presented() {
    for cloud in [Aws, Azure, Gcp] {
        let management = FakePeer::start(|_| answer(204, "", b""));
        let host = host(cloud, &management).await;
        for (function, method, target, body, status) in requests() {
            let mut statuses = BTreeSet::new();
            for key in ["key-1", "key-2", "key-operator", "key-wrong"] {
                let replies = present(&host, &method, &target, &body, &needle(key)).await;
                statuses.extend(replies.iter().map(|reply| reply.status));
            }
            // Once at least it was let in, and refused in every way.
            let all = BTreeSet::from([status, 400, 401, 403]);
            assert!(statuses.is_superset(&all), "{function}: {statuses:?}");
        }
        // From one function to the next in the process: connector, ingestion, connector, writer.
        let hop = format!(r#"{{"device_id":"{}"}}"#, needle("in-three"));
        host.post("/telemetry", &hop).await.assert_status(200);
        let told = async || management.arrivals().pop();
        let told = eventually("management is told", told).await;
        let bearer = format!("Bearer {}", needle("key-management"));
        assert_eq!(told.header("authorization"), Some(&*bearer));

        let found: Vec<_> = memories::of(host.pid())
            .iter()
            .map(|memory| needles(memory))
            .collect();
        let with = |name: &str| found.iter().filter(|names| names.contains(name)).count();
        // The search sees every function's memory, and in it what was sent to that function.
        for (function, ..) in requests() {
            assert!(with(&format!("in-{function}")) > 0, "{function}: {found:?}");
        }
        assert!(with("in-three") >= 3, "{found:?}");
        let sent_to = |names: &BTreeSet<String>| {
            let requests = requests();
            let sent = requests
                .iter()
                .filter(|(function, ..)| names.contains(&format!("in-{function}")));
            sent.count()
        };
        assert!(found.iter().all(|names| sent_to(names) <= 1), "{found:?}");
        let names: Vec<_> = found.iter().flatten().collect();
        assert!(
            names.iter().all(|name| name.starts_with("in-")),
            "{cloud}: {found:?}"
        );
    }
}
