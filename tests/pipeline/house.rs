//! A host in a process of its own: `twin serve` with its environment, data folder, port and logs.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{self, Child, ExitStatus},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
};

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use twin_contract::Cloud;
use twin_host::{credentials::HeaderForm, secrets::Secret};

use crate::{
    process::{eventually, exit_of, terminate, twin},
    replies::Reply,
};

/// A host, which runs or does not; what it stores stays until the test ends.
pub(crate) struct Host {
    pub(crate) cloud: Cloud,
    pub(crate) port: u16,
    vars: BTreeMap<String, String>,
    data: Arc<TempDir>,
    child: Option<Child>,
    logs: Arc<Mutex<String>>,
    client: reqwest::Client,
}

impl Host {
    /// A host that does not run yet. Its key and its twin are the same for all: see [`Host::key`].
    pub(crate) fn of(cloud: Cloud, functions: &str) -> Self {
        Self {
            cloud,
            port: free_port(),
            vars: BTreeMap::new(),
            data: Arc::new(TempDir::new().unwrap()),
            child: None,
            logs: Arc::default(),
            client: client(),
        }
        .set("TWIN_NAME", "factory-01")
        .set("TWIN_CLOUD", cloud.as_str())
        .set("TWIN_FUNCTIONS", functions)
        .set("TWIN_BIND", "127.0.0.1")
        .set("INTER_CLOUD_TOKEN", &format!("key-of-{cloud}"))
        .set("RETRY_INITIAL_MS", "20")
        .set("RETRY_JITTER_PERCENT", "0")
    }

    /// Sets a variable.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the three variables of a peer.
    pub(crate) fn next(self, peer: &str, there: &Self, path: &str) -> Self {
        self.set(&format!("REMOTE_{peer}_URL"), &there.url(path))
            .set(&format!("REMOTE_{peer}_CLOUD"), there.cloud.as_str())
            .set(&format!("REMOTE_{peer}_TOKEN"), &there.key())
    }

    /// Another host on the same data, at a port of its own.
    pub(crate) fn beside(&self) -> Self {
        Self {
            port: free_port(),
            vars: self.vars.clone(),
            data: Arc::clone(&self.data),
            child: None,
            logs: Arc::default(),
            client: client(),
            ..*self
        }
    }

    /// Runs it, and returns when it is ready.
    pub(crate) async fn start(mut self) -> Self {
        self.restart().await;
        self
    }

    /// Runs it again, and returns when it is ready.
    pub(crate) async fn restart(&mut self) {
        let mut child = self.command(["serve"]).spawn().unwrap();
        let (stderr, logs) = (child.stderr.take().unwrap(), Arc::clone(&self.logs));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut logs = logs.lock().unwrap();
                logs.push_str(&line);
                logs.push('\n');
            }
        });
        self.child = Some(child);
        eventually("the host is ready", async || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", self.logs());
            let asked = self.client.get(self.url("/readyz")).send().await;
            asked.is_ok_and(|reply| reply.status() == 200).then_some(())
        })
        .await;
    }

    /// `twin` with this host's environment.
    pub(crate) fn command<const N: usize>(&self, arguments: [&str; N]) -> process::Command {
        let mut command = twin(arguments);
        command
            .env("TWIN_DATA_DIR", self.data())
            .env("PORT", self.port.to_string())
            .envs(&self.vars);
        command
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        terminate(self.child.as_ref().unwrap());
    }

    /// How it ended, which it does by itself.
    pub(crate) fn exit(&mut self) -> ExitStatus {
        exit_of(&mut self.child.take().unwrap())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn remove_data(&self) {
        fs::remove_dir_all(self.data()).unwrap();
    }

    /// Everything it logged so far, of all its lives.
    pub(crate) fn logs(&self) -> String {
        self.logs.lock().unwrap().clone()
    }

    /// The first of its keys.
    pub(crate) fn key(&self) -> String {
        let keys = self.vars["INTER_CLOUD_TOKEN"].split(',');
        keys.take(1).collect()
    }

    /// The header with its key, in its cloud's form.
    pub(crate) fn credential(&self) -> (&'static str, String) {
        let form = HeaderForm::of(Some(self.cloud));
        (form.header(), form.value(&Secret::new(self.key())))
    }

    /// Asks with some headers; none if there was no reply.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Reply> {
        let request = self.client.request(method, self.url(target));
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let reply = request.body(body.to_owned()).send().await.ok()?;
        let status = reply.status().as_u16();
        let headers = reply.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), value.into_owned())
        });
        Some(Reply {
            status,
            headers: headers.collect(),
            text: reply.text().await.ok()?,
        })
    }

    /// Posts with the key.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        let (name, value) = self.credential();
        let headers = [(name, value.as_str())];
        let reply = self.send(Method::POST, path, &headers, body).await;
        reply.expect("a reply")
    }

    /// Gets with the key.
    pub(crate) async fn get(&self, target: &str) -> Reply {
        let (name, value) = self.credential();
        let headers = [(name, value.as_str())];
        let reply = self.send(Method::GET, target, &headers, "").await;
        reply.expect("a reply")
    }

    /// All items of a list, page by page.
    pub(crate) async fn items(&self, target: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let joint = if target.contains('?') { '&' } else { '?' };
            let page = self
                .get(&format!("{target}{joint}limit=1000{cursor}"))
                .await;
            page.assert_status(200);
            let page = page.json();
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// The values of a text field of all items of a list.
    pub(crate) async fn texts(&self, target: &str, field: &str) -> Vec<String> {
        let items = self.items(target).await;
        let texts = items.iter().map(|item| crate::replies::text(item, field));
        texts.collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
            if thread::panicking() {
                println!("the log of {}:\n{}", self.cloud, self.logs());
            }
        }
    }
}

/// A client that trusts nobody and asks directly.
fn client() -> reqwest::Client {
    // A second installation says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    client.build().unwrap()
}

/// A port that a host finds free when it comes back: it is none of those that the system gives out by itself.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(process::id() % 1200).unwrap() * 16;
    loop {
        let port = 12_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 19_200;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
