//! What a PostgreSQL database guarantees beyond the behaviour of every provider.

use std::{
    collections::HashSet,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rustix::process::Signal;
use tokio::time::{sleep, timeout};
use twin_capabilities::{
    Failure, Stores,
    records::{Entry, Order, Outcome},
    testing::samples::{TELEMETRY, any_letter, entry, everything, letter, system_error},
};
use twin_contract::Cloud;
use twin_postgres::{Expired, Postgres, PostgresError, PostgresSettings, PostgresUrl, Prepared};
use twin_postgres_server::{Server, shared};

const TWIN: &str = "factory-01";

/// The server that the tests share; `None`, with a message, if there is none.
fn server() -> Option<Arc<Server>> {
    shared()
        .inspect_err(|reason| println!("skipped: promises of postgres: {reason}"))
        .ok()
}

async fn open(server: &Server, database: &str) -> Stores {
    let opened = twin_postgres::open(server.settings(database), TWIN).await;
    opened.unwrap().stores()
}

async fn put(stores: &Stores, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
    stores.records.put(TELEMETRY.to_owned(), entries).await
}

async fn refusal(settings: PostgresSettings) -> PostgresError {
    twin_postgres::open(settings, TWIN)
        .await
        .expect_err("it must not open")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_version_are_refused_with_the_command_that_helps() {
    let Some(server) = server() else { return };
    let database = server.new_database().await;
    let settings = server.settings(&database);
    let none = refusal(settings.clone()).await;
    assert!(matches!(none, PostgresError::SchemaMissing), "{none}");
    assert!(none.to_string().contains("twin store init"), "{none}");
    let none = twin_postgres::upgrade(&settings).await.unwrap_err();
    assert!(matches!(none, PostgresError::SchemaMissing), "{none}");

    assert_eq!(
        twin_postgres::init(&settings, None).await.unwrap(),
        Prepared::Made
    );
    assert_eq!(
        twin_postgres::init(&settings, None).await.unwrap(),
        Prepared::Unchanged
    );
    assert_eq!(
        twin_postgres::upgrade(&settings).await.unwrap(),
        Prepared::Unchanged
    );
    twin_postgres::open(settings.clone(), TWIN).await.unwrap();

    let client = server.client(&database).await;
    for (version, words) in [(2, "use a newer version"), (0, "twin store upgrade")] {
        client
            .execute("UPDATE twin.schema SET version = $1", &[&version])
            .await
            .unwrap();
        let error = refusal(settings.clone()).await;
        assert!(error.to_string().contains(words), "{error}");
        let error = twin_postgres::init(&settings, None).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_make_the_tables_at_once_make_them_once() {
    let Some(server) = server() else { return };
    let settings = server.settings(&server.new_database().await);
    let both = tokio::join!(
        twin_postgres::init(&settings, None),
        twin_postgres::init(&settings, None)
    );
    let mut both = [both.0.unwrap(), both.1.unwrap()];
    both.sort_by_key(|prepared| *prepared == Prepared::Unchanged);
    assert_eq!(both, [Prepared::Made, Prepared::Unchanged]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_needs_no_right_to_make_or_change_tables() {
    let Some(server) = server() else { return };
    let database = server.new_store().await;
    let client = server.client(&database).await;
    // Roles belong to the server: another test may have created it.
    let role = format!("host of \"{database}\"");
    let quoted = role.replace('"', "\"\"");
    client
        .batch_execute(&format!("CREATE ROLE \"{quoted}\" LOGIN"))
        .await
        .unwrap();
    let encoded = role.replace(' ', "%20").replace('"', "%22");
    let url = server
        .url(&database)
        .replace("twin@", &format!("{encoded}@"));
    let settings = PostgresSettings::new(PostgresUrl::parse(&url).unwrap());

    let error = refusal(settings.clone()).await;
    assert!(
        matches!(&error, PostgresError::NotGranted { role: named, .. } if *named == role),
        "{error}"
    );

    twin_postgres::init(&server.settings(&database), Some(&role))
        .await
        .unwrap();
    let stores = twin_postgres::open(settings.clone(), TWIN)
        .await
        .unwrap()
        .stores();
    everything_works(&stores).await;
    // The role may neither grant its privileges to others nor create tables.
    client
        .batch_execute(&format!("CREATE ROLE \"other {quoted}\""))
        .await
        .unwrap();
    let error = twin_postgres::init(&settings, Some(&format!("other {role}")))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            PostgresError::Refused(_) | PostgresError::NotGranted { .. }
        ),
        "{error}"
    );
    let empty = server.new_database().await;
    let url = server.url(&empty).replace("twin@", &format!("{encoded}@"));
    let elsewhere = PostgresSettings::new(PostgresUrl::parse(&url).unwrap());
    let error = twin_postgres::init(&elsewhere, None).await.unwrap_err();
    assert!(matches!(error, PostgresError::Refused(_)), "{error}");

    client
        .batch_execute(&format!("REVOKE DELETE ON twin.records FROM \"{quoted}\""))
        .await
        .unwrap();
    let error = refusal(settings).await;
    assert!(
        error.to_string().contains("privileges on records:"),
        "{error}"
    );
}

/// Uses each capability once.
async fn everything_works(stores: &Stores) {
    let stored = put(stores, vec![entry(1, "a", "body")]).await;
    assert!(matches!(stored[..], [Ok(Outcome::Stored(_))]), "{stored:?}");
    let found = stores
        .records
        .query(TELEMETRY.to_owned(), everything(Order::NewestFirst));
    assert_eq!(found.await.unwrap().entries.len(), 1);
    stores.dead_letters.push(letter("a")).await.unwrap();
    let taken = stores
        .dead_letters
        .take(any_letter(), None, 1, 1000)
        .await
        .unwrap();
    let receipt = taken.leases[0].receipt.clone();
    assert!(
        stores
            .dead_letters
            .settle("a".to_owned(), receipt)
            .await
            .unwrap()
    );
    stores.error_topic.publish(system_error("A")).await.unwrap();
    let outbox = stores.outbox.as_ref().unwrap();
    let events = outbox.pending(1, Duration::from_secs(1)).await.unwrap();
    outbox.settle(events[0].id.clone()).await.unwrap();
    stores
        .circuits
        .compare_and_swap("writer".to_owned(), 0, "open".to_owned())
        .await
        .unwrap();
    stores.health.check().await.unwrap();
    assert_eq!(
        stores.statistics.numbers().await.unwrap().dead_letters,
        Some(0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_wait_for_its_disk_is_refused_unless_the_data_may_be_lost() {
    if server().is_none() {
        return;
    }
    let server = Server::start().unwrap();
    let mut settings = server.settings(&server.new_store().await);
    server.end(Signal::INT);
    server.configure("fsync = off\n");
    server.resume();
    let error = refusal(settings.clone()).await;
    assert!(matches!(error, PostgresError::FsyncOff), "{error}");
    settings.ephemeral = true;
    let stores = twin_postgres::open(settings, TWIN).await.unwrap().stores();
    everything_works(&stores).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_and_times_are_by_the_servers_clock() {
    let Some(server) = server() else { return };
    let database = server.new_store().await;
    let stores = open(&server, &database).await;
    let client = server.client(&database).await;
    let clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let before: i64 = client.query_one(clock, &[]).await.unwrap().get(0);
    let stored = put(&stores, vec![entry(1, "a", "body")]).await;
    let after: i64 = client.query_one(clock, &[]).await.unwrap().get(0);
    let [Ok(Outcome::Stored(at))] = stored[..] else {
        panic!("{stored:?}")
    };
    assert!((before..=after).contains(&at));

    stores.dead_letters.push(letter("a")).await.unwrap();
    let take = || stores.dead_letters.take(any_letter(), None, 1, 300);
    assert_eq!(take().await.unwrap().leases.len(), 1);
    assert_eq!(take().await.unwrap().leases.len(), 0);
    sleep(Duration::from_millis(350)).await;
    assert_eq!(take().await.unwrap().leases.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_text_that_a_device_can_send_is_kept() {
    let Some(server) = server() else { return };
    let stores = open(&server, &server.new_store().await).await;
    let odd = "\0 \\ \\0 \u{1F321} \u{FFFF}";
    let odd_entry = Entry {
        device_id: odd.to_owned(),
        message_type: odd.to_owned(),
        digest: odd.to_owned(),
        ..entry(1, "a", "body")
    };
    // In one batch with another record: if the database refused the text, both would fail.
    let stored = put(&stores, vec![odd_entry.clone(), entry(1, "a", "body")]).await;
    assert!(
        matches!(stored[..], [Ok(Outcome::Stored(_)), Ok(Outcome::Stored(_))]),
        "{stored:?}"
    );
    let again = put(&stores, vec![odd_entry]).await;
    assert!(
        matches!(again[..], [Ok(Outcome::Duplicate(_))]),
        "{again:?}"
    );
    let selection = twin_capabilities::records::Selection {
        device_id: odd.to_owned(),
        ..everything(Order::OldestFirst)
    };
    let found = stores
        .records
        .query(TELEMETRY.to_owned(), selection)
        .await
        .unwrap();
    assert_eq!(found.entries.len(), 1);

    let mut odd_letter = letter(odd);
    odd_letter.peer = odd.to_owned();
    odd_letter.attempts[0].cause = odd.to_owned();
    stores.dead_letters.push(odd_letter.clone()).await.unwrap();
    let kept = stores
        .dead_letters
        .get(odd.to_owned())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.letter, odd_letter);
    let swapped = stores
        .circuits
        .compare_and_swap(odd.to_owned(), 0, odd.to_owned())
        .await
        .unwrap();
    assert_eq!(
        stores.circuits.load(odd.to_owned()).await.unwrap().state,
        swapped.state
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_with_the_same_keys_in_any_order_do_not_block_each_other() {
    const ROUNDS: usize = 30;
    const KEYS: usize = 200;
    let Some(server) = server() else { return };
    let database = server.new_store().await;
    let hosts = [
        open(&server, &database).await,
        open(&server, &database).await,
        open(&server, &database).await,
    ];
    let writers = hosts.iter().enumerate().map(|(host, stores)| async move {
        let mut stored = 0;
        for round in 0..ROUNDS {
            let mut entries: Vec<_> = (0..KEYS)
                .map(|key| entry(1, &format!("{round}-{key}"), "body"))
                .collect();
            match host {
                0 => {}
                1 => entries.reverse(),
                _ => entries.rotate_left(KEYS / 2),
            }
            let outcomes = put(stores, entries).await;
            stored += outcomes
                .iter()
                .filter(|outcome| matches!(outcome, Ok(Outcome::Stored(_))))
                .count();
            let refused: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_err()).collect();
            assert!(refused.is_empty(), "{refused:?}");
        }
        stored
    });
    let stored: usize = join_all(writers).await.into_iter().sum();
    assert_eq!(stored, ROUNDS * KEYS, "each is stored by one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_has_no_more_connections_than_it_may() {
    const LIMIT: u32 = 5;
    let Some(server) = server() else { return };
    let database = server.new_store().await;
    let mut settings = server.settings(&database);
    settings.connections = NonZeroU32::new(LIMIT).unwrap();
    let stores = twin_postgres::open(settings.clone(), TWIN)
        .await
        .unwrap()
        .stores();
    let client = server.client(&database).await;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'twin'";
    let mut most = 0;
    let work = join_all((0..300).map(|number| {
        let stores = stores.clone();
        async move {
            let id = number.to_string();
            stores
                .circuits
                .compare_and_swap(id.clone(), 0, id.clone())
                .await
                .unwrap();
            stores.circuits.load(id).await.unwrap();
        }
    }));
    let watch = async {
        loop {
            most = most.max(client.query_one(count, &[]).await.unwrap().get::<_, i64>(0));
        }
    };
    tokio::select! { _ = work => {}, () = watch => {} }
    assert!((3..=i64::from(LIMIT)).contains(&most), "{most}");

    settings.connections = NonZeroU32::new(3).unwrap();
    let error = refusal(settings).await;
    assert!(
        matches!(error, PostgresError::SettingInvalid { .. }),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_unavailable_and_is_used_again_when_it_is_back() {
    if server().is_none() {
        return;
    }
    let server = Server::start().unwrap();
    let database = server.new_store().await;
    let stores = open(&server, &database).await;
    everything_works(&stores).await;
    server.end(Signal::KILL);
    let began = Instant::now();
    // A process of the server may still store a record before it notices that the first process is gone.
    let mut lingering = 0;
    loop {
        let outcome = put(
            &stores,
            vec![entry(1, &format!("lingering-{lingering}"), "body")],
        )
        .await
        .remove(0);
        match outcome {
            Ok(_) => lingering += 1,
            Err(failure) => break assert!(matches!(failure, Failure::Unavailable(_)), "{failure}"),
        }
        assert!(began.elapsed() < Duration::from_secs(60));
    }
    let began = Instant::now();
    let refused = put(&stores, vec![entry(1, "b", "body")]).await;
    assert!(
        matches!(refused[..], [Err(Failure::Unavailable(_))]),
        "{refused:?}"
    );
    assert!(matches!(
        stores.health.check().await,
        Err(Failure::Unavailable(_))
    ));
    assert!(began.elapsed() < Duration::from_secs(5));
    server.resume();
    let stored = put(&stores, vec![entry(1, "b", "body")]).await;
    assert!(matches!(stored[..], [Ok(Outcome::Stored(_))]), "{stored:?}");

    // A server that does not answer is also unavailable in time.
    server.signal_all(Signal::STOP);
    let hung = timeout(
        Duration::from_secs(8),
        put(&stores, vec![entry(1, "c", "body")]),
    )
    .await;
    server.signal_all(Signal::CONT);
    assert!(matches!(hung.unwrap()[..], [Err(Failure::Unavailable(_))]));
    let again = put(&stores, vec![entry(1, "c", "body")]).await;
    assert!(matches!(again[..], [Ok(_)]), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_host_publishes_wakes_the_forwarders_of_all() {
    let Some(server) = server() else { return };
    let database = server.new_store().await;
    let (one, other) = (
        open(&server, &database).await,
        open(&server, &database).await,
    );
    let elsewhere = twin_postgres::open(server.settings(&database), "factory-02")
        .await
        .unwrap()
        .stores();
    let outbox = other.outbox.unwrap();
    // It looks once when it has begun to listen, because something may have been published before.
    timeout(Duration::from_secs(60), outbox.published())
        .await
        .unwrap();
    timeout(
        Duration::from_secs(60),
        elsewhere.outbox.as_ref().unwrap().published(),
    )
    .await
    .unwrap();

    one.error_topic.publish(system_error("A")).await.unwrap();

    timeout(Duration::from_secs(60), outbox.published())
        .await
        .unwrap();
    assert_eq!(
        outbox
            .pending(9, Duration::from_secs(1))
            .await
            .unwrap()
            .len(),
        1
    );
    let elsewhere = elsewhere.outbox.unwrap();
    let not_its_own = timeout(Duration::from_millis(200), elsewhere.published());
    assert!(not_its_own.await.is_err());
}

const DAY: i64 = 86_400_000_000;

/// A store that keeps records and letters for two days, and the control of its clock.
async fn forgetful(server: &Server, database: &str) -> (Postgres, Arc<AtomicI64>) {
    let mut settings = server.settings(database);
    settings.cloud = Some(Cloud::Aws);
    settings.record_age = Some(Duration::from_secs(2 * 86_400));
    settings.letter_age = Some(Duration::from_secs(2 * 86_400));
    let time = Arc::new(AtomicI64::new(1_767_225_600_000_000));
    let hands = Arc::clone(&time);
    let clock = Arc::new(move || hands.load(Ordering::SeqCst));
    (
        twin_postgres::open_at(settings, TWIN, clock).await.unwrap(),
        time,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_is_removed_and_each_letter_named() {
    const MANY: usize = 5_500;
    let Some(server) = server() else { return };
    let database = server.new_store().await;
    let (postgres, time) = forgetful(&server, &database).await;
    let stores = postgres.stores();
    let old: Vec<_> = (0..MANY)
        .map(|number| entry(1, &format!("old-{number}"), "body"))
        .collect();
    assert!(put(&stores, old).await.iter().all(Result::is_ok));
    for number in 0..150 {
        stores
            .dead_letters
            .push(letter(&format!("old-{number:03}")))
            .await
            .unwrap();
    }
    let client = server.client(&database).await;
    let damage = "UPDATE twin.records SET body = 'other' WHERE id IN ('old-1', 'old-2')";
    client.execute(damage, &[]).await.unwrap();
    let page = stores
        .records
        .query(TELEMETRY.to_owned(), everything(Order::OldestFirst))
        .await;
    assert_eq!(page.unwrap().entries.len(), 1000);
    time.fetch_add(2 * DAY, Ordering::SeqCst);
    put(&stores, vec![entry(1, "young", "body")]).await;
    stores.dead_letters.push(letter("young")).await.unwrap();
    assert_eq!(
        postgres.expire().await.unwrap(),
        Expired::default(),
        "two days are not over two days"
    );
    time.fetch_add(1, Ordering::SeqCst);

    // Only one of several hosts removes data, and the others do not wait for it.
    let other = forgetful(&server, &database).await.0;
    let lock = "SELECT pg_advisory_lock(x'7477696f'::int, hashtext($1))";
    client.query(lock, &[&TWIN]).await.unwrap();
    assert_eq!(postgres.expire().await.unwrap(), Expired::default());
    client
        .query("SELECT pg_advisory_unlock_all()", &[])
        .await
        .unwrap();
    let expired = Expired {
        records: MANY as u64,
        letters: 150,
    };
    assert_eq!(postgres.expire().await.unwrap(), expired);
    drop(other);

    let left = stores
        .records
        .query(TELEMETRY.to_owned(), everything(Order::OldestFirst))
        .await
        .unwrap();
    assert_eq!(
        left.entries
            .iter()
            .map(|entry| entry.id.as_str())
            .collect::<Vec<_>>(),
        ["young"]
    );
    let letters = stores.dead_letters.list(None, 100).await.unwrap().letters;
    assert_eq!(letters.len(), 1);
    let events = stores
        .outbox
        .unwrap()
        .pending(100, Duration::from_secs(1))
        .await
        .unwrap();
    let rows = client
        .query_one("SELECT count(*) FROM twin.damage", &[])
        .await
        .unwrap();
    assert_eq!(
        rows.get::<_, i64>(0),
        0,
        "what is removed is damaged no more"
    );
    let mut named = HashSet::new();
    for event in events
        .iter()
        .filter(|event| event.error.error_code != "RECORD_DAMAGED")
    {
        assert_eq!(event.error.error_code, "LETTER_EXPIRED");
        let raw = event.error.raw_data.as_deref().unwrap();
        let list: Vec<serde_json::Value> = serde_json::from_str(raw).unwrap();
        named.extend(
            list.iter()
                .map(|letter| letter["letter_id"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(named.len(), 150);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_verified_by_the_name_and_the_authority() {
    if server().is_none() {
        return;
    }
    let server = Server::start().unwrap();
    let database = server.new_store().await;
    let authority = tempfile::NamedTempFile::new().unwrap();
    let names = vec!["localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(authority.path(), made.cert.pem()).unwrap();
    server.secure(&made.cert.pem(), &made.signing_key.serialize_pem());
    let port = server.address().replace("127.0.0.1:", "");
    let settings = |host: &str, mode: &str| {
        let url = format!("postgres://twin@{host}:{port}/{database}?sslmode={mode}");
        PostgresSettings::new(PostgresUrl::parse(&url).unwrap())
    };
    let trusting = |host: &str| {
        let mut settings = settings(host, "require");
        settings.extra_ca_file = Some(authority.path().to_owned());
        settings
    };
    let error = refusal(settings("localhost", "require")).await;
    assert!(
        error.to_string().contains("cannot connect to the database"),
        "{error}"
    );
    refusal(trusting("127.0.0.1")).await;
    let client = server.client(&database).await;
    let secured = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'twin'";
    for settings in [trusting("localhost"), settings("127.0.0.1", "prefer")] {
        let stores = twin_postgres::open(settings, TWIN).await.unwrap().stores();
        stores.health.check().await.unwrap();
        let count: i64 = client.query_one(secured, &[]).await.unwrap().get(0);
        assert!(count > 0);
        drop(stores);
    }
    // A server without TLS is not accepted if TLS is required.
    server.end(Signal::INT);
    server.configure("ssl = off\n");
    server.resume();
    refusal(trusting("localhost")).await;
    everything_works(&open(&server, &database).await).await;
}
