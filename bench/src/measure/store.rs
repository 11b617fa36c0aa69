//! Durable records per second, directly into the providers, and into PostgreSQL by a minimal client with the same
//! statement.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::sync::{mpsc, oneshot};
use twin_capabilities::records::{Entry, Outcome};
use twin_host::providers::{Stores, local::Local};
use twin_postgres_server::Server;

use super::Spread;

/// Each producer waits until its record is durable before it stores the next one.
const PRODUCERS: usize = 64;

/// The provider's statement, with the same columns.
const INSERT: &str = "
    INSERT INTO twin.records
        (twin, collection, device_id, id, time_us, message_type, digest, body, seal, stored_at_us)
    SELECT 'bench', entry.*, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[],
        $7::bytea[], $8::bytea[]) AS entry
    ON CONFLICT (twin, collection, device_id, id) DO NOTHING
    RETURNING collection, device_id, id, stored_at_us";

/// Records per second.
#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) local: Spread,
    /// With a minimal client, or why there is no server.
    pub(crate) postgres: Result<(Spread, Spread), String>,
}

impl Durable {
    /// Measures this many rounds of this length, in alternation.
    pub(crate) fn measure(
        folder: &Path,
        rounds: usize,
        time: Duration,
        size: usize,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("no runtime")?;
        runtime.block_on(Self::rounds(folder, rounds, time, size))
    }

    async fn rounds(
        folder: &Path,
        rounds: usize,
        time: Duration,
        size: usize,
    ) -> anyhow::Result<Self> {
        let server = Server::start_on_disk();
        let (mut local, mut postgres, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let data = folder.join(format!("local-{round}"));
            let stores = Local::open(&data, "bench")
                .context("no data folder")?
                .stores();
            local.push(produce(Store::Provider(stores), time, size).await);
            if let Ok(server) = &server {
                let settings = server.settings(&server.new_store().await);
                let stores = twin_postgres::open(settings, "bench").await?.stores();
                postgres.push(produce(Store::Provider(stores), time, size).await);
                let database = server.new_store().await;
                let client = server.client(&database).await;
                bare.push(produce(Store::Bare(bare_client(client).await?), time, size).await);
            }
        }
        Ok(Self {
            local: Spread::of(local),
            postgres: server.map(|_| (Spread::of(postgres), Spread::of(bare))),
        })
    }
}

impl fmt::Display for Durable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |out: &mut fmt::Formatter<'_>, what: &str, rate: Spread| {
            let Spread {
                median,
                least,
                greatest,
            } = rate;
            writeln!(
                out,
                "| {what} | {median:.0} ({least:.0} to {greatest:.0}) |"
            )
        };
        writeln!(out, "| store | records/s |\n|---|--:|")?;
        row(out, "local", self.local)?;
        match &self.postgres {
            Ok((postgres, bare)) => {
                row(out, "postgres", *postgres)?;
                row(
                    out,
                    "PostgreSQL by a bare client: one connection, batches, the same statement",
                    *bare,
                )
            }
            Err(reason) => writeln!(out, "| postgres | skipped: {reason} |"),
        }
    }
}

/// Where records are stored.
#[derive(Clone)]
enum Store {
    Provider(Stores),
    Bare(mpsc::Sender<(Entry, oneshot::Sender<()>)>),
}

async fn put(store: &Store, entry: Entry) -> bool {
    match store {
        Store::Provider(stores) => {
            let stored = stores
                .records
                .put("telemetry".to_owned(), vec![entry])
                .await;
            matches!(stored.first(), Some(Ok(Outcome::Stored(_))))
        }
        Store::Bare(client) => {
            let (done, written) = oneshot::channel();
            client.send((entry, done)).await.is_ok() && written.await.is_ok()
        }
    }
}

/// Records per second. A producer ends if a record is not stored, so a store that fails appears slow.
async fn produce(store: Store, time: Duration, size: usize) -> f64 {
    let (over, count) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let start = Instant::now();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (store, over, count) = (store.clone(), Arc::clone(&over), Arc::clone(&count));
            tokio::spawn(async move {
                let mut number = 0;
                while !over.load(Ordering::Relaxed)
                    && put(&store, entry(producer, number, size)).await
                {
                    count.fetch_add(1, Ordering::Relaxed);
                    number += 1;
                }
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    over.store(true, Ordering::Relaxed);
    for producer in producers {
        // A producer that panicked has also stopped.
        let _ = producer.await;
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of a bench are small")]
    let count = count.load(Ordering::Relaxed) as f64;
    count / start.elapsed().as_secs_f64()
}

fn entry(producer: usize, number: i64, size: usize) -> Entry {
    let id = format!("{producer}-{number}");
    Entry {
        device_id: format!("device-{producer}"),
        time: number,
        digest: "0".repeat(64),
        message_type: "telemetry".to_owned(),
        body: vec![b'x'; size],
        id,
    }
}

/// A client that only stores what has gathered, in one statement.
async fn bare_client(
    client: tokio_postgres::Client,
) -> anyhow::Result<mpsc::Sender<(Entry, oneshot::Sender<()>)>> {
    client.batch_execute("SET synchronous_commit = on").await?;
    let statement = client.prepare(INSERT).await?;
    let (sender, mut queue) = mpsc::channel::<(Entry, oneshot::Sender<()>)>(4096);
    tokio::spawn(async move {
        while let Some(first) = queue.recv().await {
            let mut batch = vec![first];
            while let Ok(next) = queue.try_recv() {
                batch.push(next);
            }
            let text = |part: fn(&Entry) -> &str| -> Vec<&str> {
                batch.iter().map(|(entry, _)| part(entry)).collect()
            };
            let times: Vec<_> = batch.iter().map(|(entry, _)| entry.time).collect();
            let bodies: Vec<_> = batch
                .iter()
                .map(|(entry, _)| entry.body.as_slice())
                .collect();
            let seals = vec![[0_u8; 32].as_slice(); batch.len()];
            let stored = client
                .query(
                    &statement,
                    &[
                        &vec!["telemetry"; batch.len()],
                        &text(|entry| &entry.device_id),
                        &text(|entry| &entry.id),
                        &times,
                        &text(|entry| &entry.message_type),
                        &text(|entry| &entry.digest),
                        &bodies,
                        &seals,
                    ],
                )
                .await;
            if stored.is_err() {
                return;
            }
            for (_, done) in batch {
                let _ = done.send(());
            }
        }
    });
    Ok(sender)
}
