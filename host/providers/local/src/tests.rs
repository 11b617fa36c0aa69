//! Tests: when a job or a whole batch fails, nothing that was acknowledged is lost, and the writer continues.

use std::{
    path::PathBuf,
    sync::{
        atomic::Ordering,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use futures_util::{FutureExt, join};
use tempfile::{TempDir, tempdir};
use twin_capabilities::{
    DeadLetters, ErrorTopic, Outbox,
    dead_letters::Letter,
    dead_letters::Selection,
    error_topic::{Severity, SystemError},
    provider::system_clock,
    types::Failure,
};
use twin_contract::Cloud;

use super::{
    LocalSettings, Store,
    damage::Kind,
    database::Database,
    readers::Readers,
    session::Session,
    writer::{Need, Writer},
};

struct Bench {
    readers: Readers,
    writer: Writer,
    database: Database,
    folder: TempDir,
}

fn bench() -> Bench {
    let settings = LocalSettings {
        cloud: Some(Cloud::Aws),
        reserve: true,
        ..LocalSettings::default()
    };
    let folder = tempdir().unwrap();
    let database = Database::new(folder.path(), "twin", settings, system_clock()).unwrap();
    Bench {
        writer: Writer::start(&database).unwrap(),
        readers: Readers::start(&database).unwrap(),
        database,
        folder,
    }
}

fn insert(session: &Session<'_>, name: &str) -> rusqlite::Result<()> {
    let insert = "INSERT INTO circuits (twin, name, version, state) VALUES (?1, ?2, 1, '')";
    session.execute(insert, [session.twin(), name]).map(drop)
}

impl Bench {
    fn reserve(&self) -> PathBuf {
        self.folder.path().join("twin.reserve")
    }

    /// The store, and its folder.
    fn store(self) -> (Store, TempDir) {
        let store = Store {
            readers: self.readers,
            writer: self.writer,
            settings: LocalSettings::default(),
            clock: system_clock(),
            _in_use: None,
        };
        (store, self.folder)
    }

    async fn names(&self) -> Vec<String> {
        let names = self.readers.run(|session| {
            let select = "SELECT name FROM circuits ORDER BY name";
            let mut select = session.connection.prepare(select)?;
            let names = select.query_map([], |row| row.get(0))?;
            names.collect()
        });
        names.await.unwrap()
    }

    /// Prevents the writer from starting its next batch until something is sent or the sender is dropped.
    fn occupy(&self) -> Sender<()> {
        let (release, released) = channel();
        let (begin, begun) = channel();
        let occupied = self.writer.run(Need::Room, move |_| {
            begin.send(()).unwrap();
            released.recv().unwrap_or_default();
            Ok(())
        });
        assert!(occupied.now_or_never().is_none());
        begun.recv().unwrap();
        release
    }
}

#[tokio::test]
async fn a_job_that_panics_is_undone_and_fails_alone_and_ends_no_thread() {
    let bench = bench();
    let panics = |session: &Session<'_>| -> rusqlite::Result<()> {
        insert(session, "undone")?;
        panic!("as it should");
    };
    for round in 0..20 {
        let release = bench.occupy();
        let good = format!("good-{round:02}");
        let (panicked, stored, read) = join!(
            bench.writer.run(Need::Room, panics),
            bench
                .writer
                .run(Need::Room, move |session| insert(session, &good)),
            async {
                release.send(()).unwrap();
                bench
                    .readers
                    .run(|_| -> rusqlite::Result<()> { panic!("as it should") })
                    .await
            }
        );
        assert!(
            matches!(panicked, Err(Failure::Unavailable(_))),
            "{panicked:?}"
        );
        assert!(matches!(read, Err(Failure::Unavailable(_))), "{read:?}");
        assert_eq!(stored, Ok(()));
    }
    let names = bench.names().await;
    assert_eq!(names.len(), 20);
    assert!(
        names.iter().all(|name| name.starts_with("good-")),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_job_that_fails_is_undone_and_fails_alone() {
    let bench = bench();
    let occupied = bench.occupy();
    let (before, failing, after, ()) = join!(
        bench
            .writer
            .run(Need::Room, |session| insert(session, "before")),
        bench.writer.run(Need::Room, |session| {
            insert(session, "half")?;
            insert(session, "before")
        }),
        bench
            .writer
            .run(Need::Room, |session| insert(session, "after")),
        async { drop(occupied) },
    );

    assert_eq!(before, Ok(()));
    assert!(matches!(failing, Err(Failure::Other(_))));
    assert_eq!(after, Ok(()));
    assert_eq!(bench.names().await, ["after", "before"]);
}

#[tokio::test]
async fn a_lost_batch_acknowledges_nothing_and_the_next_is_stored() {
    let bench = bench();
    let occupied = bench.occupy();
    let (before, losing, after, ()) = join!(
        bench
            .writer
            .run(Need::Room, |session| insert(session, "before")),
        // SQLite itself does this after some disk errors.
        bench
            .writer
            .run(Need::Room, |session| session.execute("ROLLBACK", [])),
        bench
            .writer
            .run(Need::Room, |session| insert(session, "after")),
        async { drop(occupied) },
    );

    assert!(matches!(before, Err(Failure::Unavailable(_))));
    assert!(matches!(losing, Err(Failure::Unavailable(_))));
    assert!(matches!(after, Err(Failure::Unavailable(_))));
    let next = bench
        .writer
        .run(Need::Room, |session| insert(session, "next"));
    assert_eq!(next.await, Ok(()));
    assert_eq!(bench.names().await, ["next"]);
}

/// Makes the disk appear full to SQLite, or not full again.
async fn set_full(bench: &Bench, full: bool) {
    let limit = i64::from(full);
    bench.database.page_limit.store(limit, Ordering::SeqCst);
    // A failure makes the writer open a new connection.
    let broken = bench
        .writer
        .mark(|session| session.execute("ROLLBACK", []))
        .await;
    broken.unwrap_err();
}

fn insert_large(session: &Session<'_>) -> rusqlite::Result<()> {
    let insert = "INSERT INTO circuits (twin, name, version, state)
        VALUES ('twin', 'large', 1, hex(zeroblob(1000000)))";
    session.execute(insert, []).map(drop)
}

/// A bench with a full disk, of which the writer is aware.
async fn full_bench() -> Bench {
    let bench = bench();
    let before = bench
        .writer
        .run(Need::Room, |session| insert(session, "before"));
    before.await.unwrap();
    set_full(&bench, true).await;
    bench
}

#[tokio::test]
async fn a_full_disk_is_reported_and_survived() {
    let bench = full_bench().await;
    let large = bench.writer.run(Need::Room, insert_large).await;
    assert_eq!(large, Err(Failure::Full));
    assert!(bench.writer.is_short_of_room());
    assert_eq!(bench.names().await, ["before"]);

    set_full(&bench, false).await;
    assert_eq!(bench.writer.run(Need::Room, insert_large).await, Ok(()));
    assert!(!bench.writer.is_short_of_room());
    assert_eq!(bench.names().await, ["before", "large"]);
}

#[tokio::test]
async fn on_a_full_disk_what_needs_no_room_goes_on_in_the_same_batch() {
    let bench = full_bench().await;
    assert!(bench.reserve().exists());
    let occupied = bench.occupy();
    let (large, marked, small, ()) = join!(
        bench.writer.run(Need::Room, insert_large),
        bench.writer.mark(|session| {
            let rename = "UPDATE circuits SET name = 'after' WHERE name = 'before'";
            session.execute(rename, [])
        }),
        bench
            .writer
            .run(Need::Little, |session| insert(session, "small")),
        async { drop(occupied) },
    );
    assert_eq!(large, Err(Failure::Full));
    assert_eq!(marked, Ok(1));
    assert_eq!(small, Err(Failure::Full));
    assert_eq!(bench.names().await, ["after"]);
    assert!(!bench.reserve().exists(), "its room was given back");

    set_full(&bench, false).await;
    assert_eq!(bench.writer.run(Need::Room, insert_large).await, Ok(()));
    assert!(
        bench.reserve().exists(),
        "it is made again when there is room"
    );
}

#[tokio::test]
async fn what_needs_room_does_not_use_up_the_reserve() {
    let bench = full_bench().await;
    bench
        .writer
        .run(Need::Room, insert_large)
        .await
        .unwrap_err();
    // There is no room for the reserve.
    std::fs::remove_file(bench.reserve()).unwrap();
    std::fs::create_dir(bench.reserve()).unwrap();
    set_full(&bench, false).await;
    for need in [Need::Room, Need::Little] {
        let refused = bench.writer.run(need, |session| insert(session, "x")).await;
        assert_eq!(refused, Err(Failure::Full));
    }
    let marked = bench.writer.mark(|session| insert(session, "marked")).await;
    assert_eq!(marked, Ok(()));
    assert_eq!(bench.names().await, ["before", "marked"]);
}

#[tokio::test]
async fn near_a_full_disk_the_log_stays_shorter_than_the_reserve() {
    const RESERVE: u64 = 8 << 20;
    let bench = bench();
    for nearly_full in [true, false] {
        bench
            .database
            .nearly_full
            .store(nearly_full, Ordering::SeqCst);
        let mut longest = 0;
        for number in 0..40 {
            let occupied = bench.occupy();
            let large = |part| {
                bench.writer.run(Need::Room, move |session| {
                    let insert = "INSERT INTO circuits (twin, name, version, state)
                        VALUES ('twin', ?1, 1, hex(zeroblob(100000)))";
                    let name = format!("{nearly_full}-{number}-{part}");
                    session.execute(insert, [name]).map(drop)
                })
            };
            let (one, other, ()) = join!(large(0), large(1), async { drop(occupied) });
            assert_eq!((one, other), (Ok(()), Ok(())));
            longest = longest.max(bench.database.log_size());
        }
        assert_eq!(longest < RESERVE, nearly_full, "{longest} bytes");
    }
}

#[tokio::test]
async fn on_a_full_disk_a_system_error_without_a_payload_is_stored() {
    let bench = full_bench().await;
    let (store, _folder) = bench.store();
    let error = |raw_data: Option<String>| SystemError {
        twin_id: "twin".to_owned(),
        cloud_provider: "aws".to_owned(),
        severity: Severity::Info,
        component: "L1-Connector".to_owned(),
        error_code: "LETTER_DISCARDED".to_owned(),
        message: "an operator discarded a dead letter".to_owned(),
        timestamp: "2026-01-01T00:00:00Z".to_owned(),
        raw_data,
    };
    let large = error(Some("x".repeat(64 * 1024)));
    assert_eq!(store.publish(large).await, Err(Failure::Full));
    assert_eq!(store.publish(error(None)).await, Ok(()));
    let pending = store.pending(10, Duration::ZERO).await.unwrap();
    assert_eq!(pending.len(), 1);
}

#[tokio::test]
async fn one_wrong_read_puts_no_letter_out_of_replay() {
    let (store, _folder) = bench().store();
    let letter = Letter {
        letter_id: "a".to_owned(),
        id: "m".to_owned(),
        peer: "writer".to_owned(),
        trace_id: None,
        envelope: b"{}".to_vec(),
        attempts: Vec::new(),
        first_failure_at: 0,
        last_failure_at: 0,
    };
    store.push(letter).await.unwrap();
    // As if a reader had found it damaged.
    store.report(Kind::Letter, vec![1]).await;
    assert_eq!(store.pending(10, Duration::ZERO).await, Ok(Vec::new()));
    let noted = store.writer.mark(|session| {
        let count = "SELECT count(*) FROM damage";
        session.row(count, [], |row| row.get::<_, u32>(0))
    });
    assert_eq!(noted.await, Ok(0));
    let any = Selection {
        letter_id: None,
        peer: None,
        before: None,
    };
    let taken = store.take(any, None, 1, 1000).await.unwrap();
    assert_eq!(taken.leases.len(), 1);
}
