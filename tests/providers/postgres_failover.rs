//! PostgreSQL and its hosts are killed at any moment: everything acknowledged is stored once, and nothing is stored that
//! was not tried.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::time::{sleep, timeout};
use twin_capabilities::{
    Failure, Stores,
    records::{Order, Outcome, Position, Selection},
    testing::samples::{TELEMETRY, entry, everything},
};
use twin_postgres::{PostgresSettings, PostgresUrl};
use twin_postgres_server::{Server, programs};

/// Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host reduced to its store: see `postgres-writer`.
struct Writer {
    device: String,
    process: Child,
    said: Arc<Mutex<Said>>,
}

#[derive(Default)]
struct Said {
    tried: BTreeSet<String>,
    acknowledged: BTreeSet<String>,
    failures: Vec<String>,
}

impl Writer {
    fn start(url: &str, device: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_postgres-writer"))
            .args([url, device])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Said::default()));
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut said = heard.lock().unwrap();
                match line.split_once(' ').unwrap() {
                    ("try", id) => drop(said.tried.insert(id.to_owned())),
                    ("acknowledged", id) => drop(said.acknowledged.insert(id.to_owned())),
                    (_, failure) => said.failures.push(failure.to_owned()),
                }
            }
        });
        Self {
            device: device.to_owned(),
            process,
            said,
        }
    }

    fn acknowledged(&self) -> usize {
        self.said.lock().unwrap().acknowledged.len()
    }

    /// Waits until this many more records are acknowledged.
    async fn until_more(&self, count: usize) {
        let (deadline, before) = (Instant::now() + PATIENCE, self.acknowledged());
        while self.acknowledged() < before + count {
            let failures = self.said.lock().unwrap().failures.clone();
            assert!(Instant::now() < deadline, "{}: {failures:?}", self.device);
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills it, and reads its last output.
    async fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        // The reading thread ends at the end of the pipe, and drops its reference.
        while Arc::strong_count(&self.said) > 1 {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn open(url: &str) -> Stores {
    let settings = PostgresSettings::new(PostgresUrl::parse(url).unwrap());
    twin_postgres::open(settings, "factory-01")
        .await
        .unwrap()
        .stores()
}

/// All records of a device, page by page.
async fn stored(stores: &Stores, device: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let selection = Selection {
            device_id: device.to_owned(),
            start: None,
            end: None,
            order: Order::OldestFirst,
            limit: 1000,
            after,
        };
        let page = stores
            .records
            .query(TELEMETRY.to_owned(), selection)
            .await
            .unwrap();
        for entry in &page.entries {
            let expected = format!("{{\"id\":\"{}\"}}", entry.id);
            assert_eq!(entry.body, expected.as_bytes());
        }
        after = page.entries.last().map(|last| Position {
            time: last.time,
            id: last.id.clone(),
        });
        all.extend(page.entries.into_iter().map(|entry| entry.id));
        if !page.more {
            return all;
        }
    }
}

async fn books_are_right(stores: &Stores, writers: &[Writer]) {
    for writer in writers {
        let found = stored(stores, &writer.device).await;
        let set: BTreeSet<_> = found.iter().cloned().collect();
        assert_eq!(set.len(), found.len(), "each is there once");
        let said = writer.said.lock().unwrap();
        let lost: Vec<_> = said.acknowledged.difference(&set).collect();
        assert!(
            lost.is_empty(),
            "{}: acknowledged and lost: {lost:?}",
            writer.device
        );
        let invented: Vec<_> = set.difference(&said.tried).collect();
        assert!(invented.is_empty(), "{}: {invented:?}", writer.device);
    }
}

/// A server and a database with settings that do not wait for the disk. The sessions' own settings must override them.
async fn hasty_store(server: &Server) -> String {
    let database = server.new_store().await;
    let client = server.client("postgres").await;
    let hasty = format!("ALTER DATABASE {database} SET synchronous_commit = off");
    client.batch_execute(&hasty).await.unwrap();
    database
}

fn is_missing() -> bool {
    let missing = programs().err();
    if let Some(reason) = &missing {
        println!("skipped: failover of postgres: {reason}");
    }
    missing.is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_hosts_and_server_are_killed() {
    if is_missing() {
        return;
    }
    let server = Server::start().unwrap();
    let url = server.url(&hasty_store(&server).await);
    let mut writers = vec![Writer::start(&url, "one"), Writer::start(&url, "two")];
    for writer in &writers {
        writer.until_more(200).await;
    }
    // Kills a host in the middle of its work; another one replaces it.
    writers[0].kill().await;
    writers.push(Writer::start(&url, "three"));
    writers[1].until_more(100).await;
    writers[2].until_more(100).await;
    // Kills the server twice. The hosts stay, and continue by themselves.
    for _ in 0..2 {
        server.end(Signal::KILL);
        sleep(Duration::from_millis(200)).await;
        server.resume();
        writers[1].until_more(100).await;
        writers[2].until_more(100).await;
    }
    writers[1].kill().await;
    writers[2].kill().await;
    assert!(
        !writers[1].said.lock().unwrap().failures.is_empty(),
        "it met the server's absence"
    );
    server.end(Signal::KILL);
    server.resume();
    books_are_right(&open(&url).await, &writers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_primary_is_killed_and_the_standby_promoted() {
    if is_missing() {
        return;
    }
    let primary = Server::start().unwrap();
    let database = hasty_store(&primary).await;
    let standby = primary.synchronous_standby().await;
    let (one, other) = (primary.address(), standby.address());
    // The standby is first in the URL, but hosts use the server that can write.
    let url = format!("postgres://twin@{other},{one}/{database}?target_session_attrs=read-write");
    let mut writers = vec![Writer::start(&url, "one"), Writer::start(&url, "two")];
    for writer in &writers {
        writer.until_more(200).await;
    }
    primary.end(Signal::KILL);
    standby.promote().await;
    for writer in &writers {
        writer.until_more(200).await;
    }
    for writer in &mut writers {
        writer.kill().await;
    }
    books_are_right(&open(&standby.url(&database)).await, &writers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_the_standby_that_is_cancelled_is_no_acknowledgement_nor_is_what_it_left() {
    if is_missing() {
        return;
    }
    let primary = Server::start().unwrap();
    let database = primary.new_store().await;
    let standby = primary.synchronous_standby().await;
    let stores = open(&primary.url(&database)).await;
    let put = |id: &str| {
        let put = stores
            .records
            .put(TELEMETRY.to_owned(), vec![entry(1, id, "body")]);
        async { put.await.pop().unwrap() }
    };
    assert!(matches!(put("before").await, Ok(Outcome::Stored(_))));
    standby.signal_all(Signal::STOP);

    let client = primary.client("postgres").await;
    let cancel = async {
        let cancel =
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        while client.query(cancel, &[]).await.unwrap().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let (outcome, ()) = tokio::join!(put("cancelled"), cancel);
    assert!(
        matches!(outcome, Err(Failure::Unavailable(_))),
        "{outcome:?}"
    );

    // The record is now on one disk only: a repetition must not be acknowledged.
    let early = timeout(Duration::from_secs(1), put("cancelled")).await;
    assert!(!matches!(early, Ok(Ok(_))), "{early:?}");

    standby.signal_all(Signal::CONT);
    let deadline = Instant::now() + PATIENCE;
    while !matches!(put("cancelled").await, Ok(Outcome::Duplicate(_))) {
        assert!(Instant::now() < deadline);
    }
    primary.end(Signal::KILL);
    standby.promote().await;
    let stores = open(&standby.url(&database)).await;
    let page = stores
        .records
        .query(TELEMETRY.to_owned(), everything(Order::OldestFirst));
    let ids: Vec<_> = page
        .await
        .unwrap()
        .entries
        .into_iter()
        .map(|entry| entry.id)
        .collect();
    assert_eq!(ids, ["before", "cancelled"]);
}
