//! No key enters the sandbox: the whole memory of the instances is searched after requests of every kind.

use std::{collections::BTreeSet, fs};

use reqwest::Method;
use twin_contract::{
    Cloud::{self, Aws, Azure, Gcp},
    FunctionName::{self, Connector, ErrorReporter, Ingestion, Reader, Writer},
    digest,
};
use twin_host::credentials::HeaderForm;

use crate::{
    house::Host,
    memories,
    peer::{FakePeer, answer},
    process::{built, eventually},
};

/// The beginning of each text that is searched for.
const NEEDLE: &[u8] = b"needle-";
/// The size of a memory page.
const PAGE: usize = 4096;

/// A text that is found even in freed memory, whose first bytes an allocator overwrites.
fn needle(name: &str) -> String {
    format!("needle-{name}.").repeat(4)
}

/// The names of the needles in a memory.
fn needles(memory: &[u8]) -> BTreeSet<String> {
    let pages = memory.chunks(PAGE).enumerate();
    let used = pages.filter(|(_, page)| *page != [0; PAGE]);
    let starts = used.flat_map(|(number, page)| {
        let starts = page
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == NEEDLE[0]);
        starts.map(move |(at, _)| number * PAGE + at)
    });
    let found = starts.filter_map(|at| {
        let rest = memory[at..].strip_prefix(NEEDLE)?;
        let end = rest.iter().take(40).position(|&byte| byte == b'.')?;
        Some(String::from_utf8_lossy(&rest[..end]).into_owned())
    });
    found.collect()
}

/// A host with all functions and a needle for every key that it knows.
struct Searched {
    host: Host,
    /// The SHA-256 of each function's component.
    components: Vec<(FunctionName, String)>,
}

impl Searched {
    async fn start(cloud: Cloud, management: &FakePeer) -> Self {
        let tokens = format!("{},{}", needle("key-1"), needle("key-2"));
        let url = format!("{}?code={}", management.url(), needle("key-in-url"));
        let folder = built("TWIN_COMPONENTS_DIR", "components");
        let components = FunctionName::ALL.map(|function| {
            let file = folder.join(format!("{function}.wasm"));
            (function, digest(&fs::read(file).unwrap()))
        });
        let functions = "connector,ingestion,writer,reader,error-reporter";
        let host = Host::of(cloud, functions)
            .set("INTER_CLOUD_TOKEN", &tokens)
            .set("TWIN_OPERATOR_TOKEN", &needle("key-operator"))
            .set("MANAGEMENT_URL", &url)
            .set("REMOTE_MANAGEMENT_TOKEN", &needle("key-management"));
        Self {
            host: host.start().await,
            components: components.into(),
        }
    }

    /// The needles in the memory of the instances of a function. None of them is a key.
    fn needles_in(&self, function: FunctionName) -> BTreeSet<String> {
        let mut components = self.components.iter();
        let component = components.find(|(of, _)| *of == function);
        let memories = memories::of(self.host.pid(), &component.unwrap().1);
        assert!(!memories.is_empty(), "{function} has no instance");
        let found: BTreeSet<_> = memories.iter().flat_map(|memory| needles(memory)).collect();
        let keys: Vec<_> = found
            .iter()
            .filter(|name| name.starts_with("key"))
            .collect();
        assert!(
            keys.is_empty(),
            "{function} on {}: {keys:?}",
            self.host.cloud
        );
        found
    }

    /// Presents a key to a function in the form of each cloud, once, twice, in all forms at once, and in the query.
    /// Searches the memory after each request. Returns the statuses.
    async fn present(&self, request: &Sent, key: &str) -> BTreeSet<u16> {
        let forms = [Aws, Azure, Gcp].map(|cloud| {
            let form = HeaderForm::of(Some(cloud));
            (form.header(), form.value(key))
        });
        let forms = forms
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let target = &request.target;
        let separator = if target.contains('?') { '&' } else { '?' };
        let with_query = format!("{target}{separator}code={key}");
        let mut all = vec![(target, forms.to_vec()), (&with_query, Vec::new())];
        for form in forms {
            all.push((target, vec![form]));
            all.push((target, vec![form, form]));
        }
        let mut statuses = BTreeSet::new();
        for (target, headers) in all {
            let sent = self
                .host
                .send(request.method.clone(), target, &headers, &request.body);
            let status = sent.await.unwrap().status;
            let found = self.needles_in(request.function);
            // If the function has read the request, the needle in it must be found; otherwise the search would not find a
            // key, either.
            let read = status == request.status;
            assert!(
                !read || found.contains("sent"),
                "{}: {found:?}",
                request.function
            );
            statuses.insert(status);
        }
        statuses
    }
}

/// A request with a needle that is not a key, and the status that it gets with the right key.
struct Sent {
    function: FunctionName,
    method: Method,
    target: String,
    body: String,
    status: u16,
}

fn requests() -> [Sent; 5] {
    let sent = needle("sent");
    let post = |function, target: &str, body: String| Sent {
        function,
        method: Method::POST,
        target: target.to_owned(),
        body,
        status: 200,
    };
    let get = |function, target, status| Sent {
        function,
        method: Method::GET,
        target,
        body: String::new(),
        status,
    };
    let envelope = |layer: &str| {
        format!(
            r#"{{"source_cloud":"aws","target_layer":"{layer}","message_type":"event","timestamp":"2026-01-01T00:00:00Z","payload":{{"device_id":"{sent}"}}}}"#
        )
    };
    let error = format!(
        r#"{{"twin_id":"t","cloud_provider":"aws","severity":"INFO","component":"L1-Connector","error_code":"X","message":"{sent}","timestamp":"2026-01-01T00:00:00Z"}}"#
    );
    [
        get(Connector, format!("/dead-letters/{sent}"), 404),
        post(Ingestion, "/ingest", envelope("L2")),
        post(Writer, "/write", envelope("L3")),
        get(Reader, format!("/read?device_id={sent}"), 200),
        post(ErrorReporter, "/errors", error),
    ]
}

#[tokio::test]
async fn no_key_is_in_the_memory_of_any_instance_however_it_was_presented() {
    for cloud in [Aws, Azure, Gcp] {
        let management = FakePeer::start(|_| answer(204, "", b""));
        let searched = Searched::start(cloud, &management).await;
        for request in requests() {
            let mut statuses = BTreeSet::new();
            for key in ["key-1", "key-2", "key-operator", "key-wrong"] {
                statuses.extend(searched.present(&request, &needle(key)).await);
            }
            let all = BTreeSet::from([request.status, 400, 401, 403]);
            assert!(
                statuses.is_superset(&all),
                "{}: {statuses:?}",
                request.function
            );
        }
        // From one function to the next in this process: connector, ingestion, connector, writer.
        let hop = format!(r#"{{"device_id":"{}"}}"#, needle("on-the-way"));
        let sent = searched.host.post("/telemetry", &hop).await;
        sent.assert_status(200);
        for function in [Connector, Ingestion, Writer] {
            let found = searched.needles_in(function);
            assert!(found.contains("on-the-way"), "{function}: {found:?}");
        }
        // To a peer, with the peer's key.
        let told = async || management.arrivals().pop();
        let told = eventually("management is told", told).await;
        let bearer = format!("Bearer {}", needle("key-management"));
        assert_eq!(told.header("authorization"), Some(&*bearer));
        searched.needles_in(ErrorReporter);
    }
}
