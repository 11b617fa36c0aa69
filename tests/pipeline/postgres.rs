//! Hosts on one PostgreSQL database: they share its data, and any host, the server or the primary may be killed.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use futures_util::{StreamExt, stream};
use reqwest::Method;
use rustix::process::Signal;
use twin_contract::Cloud::{Aws, Gcp};
use twin_postgres_server::{Server, shared};

use crate::{
    crossing::reading,
    house::Host,
    process::{Told, eventually, run},
    replies::text,
    site::Site,
};

/// A server that other tests may also use; `None`, with a message, if PostgreSQL is not installed.
fn server() -> Option<Arc<Server>> {
    there(shared())
}

/// A server that the test may kill.
fn own_server() -> Option<Server> {
    there(Server::start())
}

fn there<T>(server: Result<T, String>) -> Option<T> {
    server
        .map_err(|reason| println!("skipped: hosts over postgres: {reason}"))
        .ok()
}

/// All layers in one host that keeps its data in this database.
fn host(url: &str) -> Host {
    Host::of(Gcp, "connector,ingestion,writer,reader,error-reporter")
        .set("TWIN_STORE", "postgres")
        .set("TWIN_POSTGRES_URL", url)
}

/// A site with the same address, for sending while the host is killed and restarted.
fn site(host: &Host) -> Site {
    Site::of(host.cloud, host.base.clone(), host.key.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_host_stores_another_serves_and_replays() {
    let Some(server) = server() else { return };
    let url = server.url(&server.new_store().await);
    let mut peer = Host::of(Aws, "ingestion,writer,reader");
    let connector = || {
        Host::of(Aws, "connector,writer,reader,error-reporter")
            .set("TWIN_STORE", "postgres")
            .set("TWIN_POSTGRES_URL", &url)
            .next("INGESTION", &peer, "/ingest")
            .set("RETRY_MAX", "0")
    };
    let (mut one, other) = (connector().start().await, connector().start().await);

    let reply = one.post("/telemetry", &reading(1)).await;
    reply.assert_status(202);
    one.kill();
    assert_eq!(
        other.texts("/dead-letters", "id").await,
        [reply.field("id")],
        "the other host has the letter"
    );
    eventually("the system error is with the reporter", async || {
        let codes = other.texts("/errors", "error_code").await;
        (codes == ["DELIVERY_DEAD_LETTERED"]).then_some(())
    })
    .await;

    // The peer is available at last.
    peer.restart().await;
    let replayed = other.post("/dead-letters/replay", "").await;
    assert_eq!(replayed.json()["replayed"], 1, "{}", replayed.text);
    assert_eq!(
        peer.texts("/read?device_id=d", "id").await,
        [reply.field("id")]
    );
    one.restart().await;
    assert!(one.items("/dead-letters").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_names_what_is_wrong_with_the_database_and_never_shows_its_url() {
    let Some(server) = server() else { return };
    let database = server.new_database().await;
    let address = server.address();
    // A password that the server does not ask for.
    let url = format!("postgres://twin:p4ssw0rd-9@{address}/{database}");
    let start = |host: &Host, words: &str| {
        let Told { code, stderr, .. } = run(&mut host.command(["serve"]));
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(!stderr.contains("p4ssw0rd"), "{stderr}");
    };
    start(&host(&url), "twin store init");
    start(
        &host(&url.replace(&database, "nowhere")),
        "cannot use the database of TWIN_POSTGRES_URL",
    );
    start(
        &host(&url.replace("postgres:", "mysql:")),
        "TWIN_POSTGRES_URL must be a URL such as postgres://",
    );
    start(
        &host(""),
        "TWIN_POSTGRES_URL must be set: TWIN_STORE is postgres",
    );
    start(
        &host(&url).set("TWIN_DATA_MAX_BYTES", "33554432"),
        "TWIN_DATA_MAX_BYTES is set, but the store is postgres",
    );
    start(
        &host(&url).set("TWIN_STORE", "local"),
        "TWIN_POSTGRES_URL is set, but the store is local: set TWIN_STORE=postgres",
    );
    start(
        &host(&url).set("TWIN_STORE", "oracle"),
        "TWIN_STORE is \"oracle\", but must be local or postgres",
    );
    start(
        &host(&url).set("TWIN_POSTGRES_CONNECTIONS", "3"),
        "TWIN_POSTGRES_CONNECTIONS is \"3\", but must be an integer from 4",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_rotated_under_load_fails_no_request_and_needs_no_restart() {
    let Some(server) = own_server() else { return };
    let database = server.new_store().await;
    let client = server.client(&database).await;
    let role = "rotated";
    client
        .batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'p4ssw0rd-1'"))
        .await
        .unwrap();
    server.ask_for_password(role).await;
    twin_postgres::init(&server.settings(&database), Some(role))
        .await
        .unwrap();
    let kept = tempfile::NamedTempFile::new().unwrap();
    let keep = |password: &str| {
        let url = format!(
            "postgres://{role}:{password}@{}/{database}\n",
            server.address()
        );
        std::fs::write(kept.path(), url).unwrap();
    };
    let reference = format!("file:{}", kept.path().display());

    // A reference is looked up at the start, and what it refers to is never shown.
    keep("p4ssw0rd-0");
    for (kept_there, words) in [
        (None, "password authentication failed"),
        (Some("mysql://rotated:p4ssw0rd-0@db"), "TWIN_POSTGRES_URL"),
        (Some("two words p4ssw0rd-0"), "TWIN_POSTGRES_URL"),
    ] {
        if let Some(text) = kept_there {
            std::fs::write(kept.path(), text).unwrap();
        }
        let Told { code, stderr, .. } = run(&mut host(&reference).command(["serve"]));
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(!stderr.contains("p4ssw0rd"), "{stderr}");
    }

    keep("p4ssw0rd-1");
    let host = host(&reference).start().await;
    let (send, sent) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let rotation = async {
        for round in 2..=4 {
            let password = format!("p4ssw0rd-{round}");
            client
                .batch_execute(&format!("ALTER ROLE {role} PASSWORD '{password}'"))
                .await
                .unwrap();
            keep(&password);
            // Those that are open know nothing of the password.
            let ended = client
                .query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1",
                    &[&role],
                )
                .await
                .unwrap();
            assert!(!ended.is_empty(), "the host has connections");
            let before = sent.load(Relaxed);
            eventually("readings are stored after the rotation", async || {
                (sent.load(Relaxed) > before + 20).then_some(())
            })
            .await;
        }
    };
    let load = stream::repeat(())
        .map(|()| {
            let number = send.fetch_add(1, Relaxed);
            let (host, sent) = (&host, &sent);
            async move {
                let reply = host.post("/telemetry", &reading(number)).await;
                assert!(reply.status == 200 || reply.status == 202, "{}", reply.text);
                sent.fetch_add(1, Relaxed);
            }
        })
        .buffer_unordered(4)
        .for_each(|()| std::future::ready(()));
    tokio::select! {
        () = rotation => {}
        () = load => unreachable!("it has no end"),
    }
    assert!(!host.logs().contains("p4ssw0rd"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_prepared_by_one_role_and_used_by_another() {
    let Some(server) = server() else { return };
    let database = server.new_database().await;
    let client = server.client(&database).await;
    let role = format!("host_of_{database}");
    client
        .batch_execute(&format!("CREATE ROLE {role} LOGIN"))
        .await
        .unwrap();
    let owner = host(&server.url(&database));
    let used_by = format!("postgres://{role}@{}/{database}", server.address());
    let store = |arguments: [&str; 2]| run(&mut owner.command(arguments));

    let early = store(["store", "upgrade"]);
    assert_eq!(early.code, Some(2), "{early:?}");
    assert!(early.stderr.contains("twin store init"), "{early:?}");
    let made = store(["store", "init"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(made.stdout, "the store postgres was created in version 1\n");
    let again = store(["store", "upgrade"]);
    assert_eq!(
        again.stdout, "the store postgres already has version 1\n",
        "{again:?}"
    );

    let refused = run(&mut host(&used_by).command(["serve"]));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let command = format!("twin store init --grant {role}");
    assert!(refused.stderr.contains(&command), "{refused:?}");
    let granted = run(&mut owner.command(["store", "init", "--grant", &role]));
    assert_eq!(granted.code, Some(0), "{granted:?}");

    let host = host(&used_by).start().await;
    host.post("/telemetry", &reading(1))
        .await
        .assert_status(200);
    assert_eq!(host.items("/read?device_id=d").await.len(), 1);
    let drop = format!("SET ROLE {role}; DROP TABLE twin.records");
    let dropped = client.batch_execute(&drop).await;
    assert!(dropped.is_err(), "the hosts' role cannot change tables");
}

const READINGS: usize = 400;
const AT_ONCE: usize = 16;

/// Sends every reading, to the hosts in turn, until one of them has acknowledged it. Returns how many attempts failed.
async fn send_all(sites: &[Site], acknowledged: &AtomicUsize) -> usize {
    let failures = AtomicUsize::new(0);
    let sending = stream::iter(0..READINGS).map(async |n| {
        let mut turn = n;
        eventually("the reading is acknowledged", async || {
            let site = &sites[turn % sites.len()];
            turn += 1;
            let (name, key) = site.credential();
            let headers = [(name, key.as_str())];
            let body = reading(n);
            let reply = site.send(Method::POST, "/telemetry", &headers, &body);
            let stored = match reply.await {
                // A host took custody while its database was unavailable.
                Some(reply) if matches!(reply.status, 200 | 202) => true,
                Some(reply) => {
                    assert_eq!(reply.status, 503, "{}", reply.text);
                    false
                }
                None => false,
            };
            failures.fetch_add(usize::from(!stored), Relaxed);
            stored.then_some(())
        })
        .await;
        acknowledged.fetch_add(1, Relaxed);
    });
    sending.buffer_unordered(AT_ONCE).collect::<()>().await;
    failures.into_inner()
}

async fn until(acknowledged: &AtomicUsize, share: usize) {
    eventually("readings are acknowledged", async || {
        (acknowledged.load(Relaxed) >= READINGS * share / 10).then_some(())
    })
    .await;
}

/// Waits until a host has noticed that its database is unavailable.
async fn not_ready(site: &Site) {
    eventually("a host says that it is not ready", async || {
        let reply = site.send(Method::GET, "/readyz", &[], "").await;
        (reply?.status == 503).then_some(())
    })
    .await;
}

/// Checks that every reading is stored exactly once, after replaying the dead letters.
async fn books_are_right(host: &Host) {
    eventually("letters are replayed", async || {
        host.post("/dead-letters/replay", "").await;
        host.items("/dead-letters").await.is_empty().then_some(())
    })
    .await;
    let items = host.items("/read?device_id=d").await;
    let ids: BTreeSet<_> = items.iter().map(|item| text(item, "id")).collect();
    let numbers: BTreeSet<_> = items
        .iter()
        .map(|item| item["payload"]["n"].as_u64().unwrap())
        .collect();
    assert_eq!(items.len(), READINGS, "lost or doubled");
    assert_eq!((ids.len(), numbers.len()), (READINGS, READINGS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_hosts_and_a_killed_server_lose_nothing_and_double_nothing() {
    let Some(server) = own_server() else { return };
    let url = server.url(&server.new_store().await);
    let mut hosts = [host(&url).start().await, host(&url).start().await];
    let sites = [site(&hosts[0]), site(&hosts[1])];
    let acknowledged = AtomicUsize::new(0);
    let killing = async {
        for (share, victim) in [(1, 0), (3, 1)] {
            until(&acknowledged, share).await;
            hosts[victim].kill();
            until(&acknowledged, share + 1).await;
            hosts[victim].restart().await;
        }
        // Kills the server twice; the hosts reconnect by themselves.
        for share in [6, 8] {
            until(&acknowledged, share).await;
            server.end(Signal::KILL);
            not_ready(&sites[0]).await;
            server.resume();
        }
    };
    let (failures, ()) = futures_util::join!(send_all(&sites, &acknowledged), killing);
    assert!(failures > 0, "the kills were met");
    for host in &hosts {
        books_are_right(host).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_whose_standby_is_promoted_loses_nothing() {
    let Some(primary) = own_server() else { return };
    let database = primary.new_store().await;
    let standby = primary.synchronous_standby().await;
    // The standby is first in the URL, but a host uses the server that can write.
    let url = format!(
        "postgres://twin@{},{}/{database}?target_session_attrs=read-write",
        standby.address(),
        primary.address()
    );
    let hosts = [host(&url).start().await, host(&url).start().await];
    let sites = [site(&hosts[0]), site(&hosts[1])];
    let acknowledged = AtomicUsize::new(0);
    let killing = async {
        until(&acknowledged, 4).await;
        primary.end(Signal::KILL);
        // If the standby is promoted at once, it is found before any request fails.
        not_ready(&sites[0]).await;
        standby.promote().await;
    };
    futures_util::join!(send_all(&sites, &acknowledged), killing);
    for host in &hosts {
        books_are_right(host).await;
    }
}
