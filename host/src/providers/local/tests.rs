//! What the writer does when a job or a whole batch fails: nothing is lost that was acknowledged, and it goes on.

use std::sync::mpsc::{Sender, channel};

use futures_util::{FutureExt, join};
use tempfile::{TempDir, tempdir};

use super::{database::Database, readers::Readers, session::Session, writer::Writer};
use crate::{bindings::types::Failure, providers::system_clock};

struct Bench {
    readers: Readers,
    writer: Writer,
    _folder: TempDir,
}

fn bench() -> Bench {
    let folder = tempdir().unwrap();
    let database = Database::new(folder.path(), "twin", system_clock()).unwrap();
    Bench {
        writer: Writer::start(&database).unwrap(),
        readers: Readers::start(&database).unwrap(),
        _folder: folder,
    }
}

fn insert(session: &Session<'_>, name: &str) -> rusqlite::Result<()> {
    let insert = "INSERT INTO circuits (twin, name, version, state) VALUES (?1, ?2, 1, '')";
    session.execute(insert, [session.twin(), name]).map(drop)
}

impl Bench {
    async fn names(&self) -> Vec<String> {
        let names = self.readers.run(|session| {
            let select = "SELECT name FROM circuits ORDER BY name";
            let mut select = session.connection.prepare(select)?;
            let names = select.query_map([], |row| row.get(0))?;
            names.collect()
        });
        names.await.unwrap()
    }

    /// Keeps the writer from its next batch until something is sent or the sender dropped.
    fn occupy(&self) -> Sender<()> {
        let (release, released) = channel();
        let (begin, begun) = channel();
        let occupied = self.writer.run(move |_| {
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
            bench.writer.run(panics),
            bench.writer.run(move |session| insert(session, &good)),
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
        bench.writer.run(|session| insert(session, "before")),
        bench.writer.run(|session| {
            insert(session, "half")?;
            insert(session, "before")
        }),
        bench.writer.run(|session| insert(session, "after")),
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
        bench.writer.run(|session| insert(session, "before")),
        // SQLite itself does this after some errors of the disk.
        bench.writer.run(|session| session.execute("ROLLBACK", [])),
        bench.writer.run(|session| insert(session, "after")),
        async { drop(occupied) },
    );

    assert!(matches!(before, Err(Failure::Unavailable(_))));
    assert!(matches!(losing, Err(Failure::Unavailable(_))));
    assert!(matches!(after, Err(Failure::Unavailable(_))));
    let next = bench.writer.run(|session| insert(session, "next"));
    assert_eq!(next.await, Ok(()));
    assert_eq!(bench.names().await, ["next"]);
}

#[tokio::test]
async fn a_full_disk_is_reported_and_survived() {
    let bench = bench();
    let fill = |session: &Session<'_>| {
        let insert = "INSERT INTO circuits (twin, name, version, state)
            VALUES ('twin', 'large', 1, hex(zeroblob(1000000)))";
        session.execute(insert, []).map(drop)
    };
    // No page more than there are: to SQLite, the disk is full.
    let full = bench
        .writer
        .run(|session| session.connection.pragma_update(None, "max_page_count", 1));
    full.await.unwrap();
    assert!(matches!(
        bench.writer.run(fill).await,
        Err(Failure::Unavailable(_))
    ));
    assert!(bench.names().await.is_empty());

    let free = bench.writer.run(|session| {
        session
            .connection
            .pragma_update(None, "max_page_count", 1_000_000)
    });
    free.await.unwrap();
    assert_eq!(bench.writer.run(fill).await, Ok(()));
    assert_eq!(bench.names().await, ["large"]);
}
