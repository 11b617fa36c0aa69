//! The upper limit of the durable route: records appended to a file, with one fsync for all that gathered during the
//! previous one.

use std::sync::Arc;
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::sync::oneshot;

use super::Spread;

const PRODUCERS: usize = 64;

struct Append {
    record: Vec<u8>,
    done: oneshot::Sender<()>,
}

/// Records per second, with 64 producers that each wait until their record is on the disk.
pub(crate) fn rate(folder: &Path, size: usize, time: Duration) -> anyhow::Result<f64> {
    let file = open(folder)?;
    let (sender, receiver) = channel();
    let writer = thread::spawn(move || write(file, &receiver));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (over, count) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let start = Instant::now();
    let took = runtime.block_on(async {
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|_| {
                let (sender, over, count) = (sender.clone(), Arc::clone(&over), Arc::clone(&count));
                tokio::spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        let (done, written) = oneshot::channel();
                        let record = vec![b'x'; size];
                        if sender.send(Append { record, done }).is_err() || written.await.is_err() {
                            return;
                        }
                        count.fetch_add(1, Ordering::Relaxed);
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
        start.elapsed()
    });
    drop(sender);
    writer
        .join()
        .map_err(|_| anyhow::anyhow!("the appender panicked"))??;
    #[allow(clippy::cast_precision_loss, reason = "counts of a bench are small")]
    Ok(count.load(Ordering::Relaxed) as f64 / took.as_secs_f64())
}

fn write(mut file: File, queue: &Receiver<Append>) -> anyhow::Result<()> {
    while let Ok(first) = queue.recv() {
        let batch: Vec<_> = std::iter::once(first).chain(queue.try_iter()).collect();
        let bytes: Vec<u8> = batch
            .iter()
            .flat_map(|append| &append.record)
            .copied()
            .collect();
        file.write_all(&bytes)?;
        file.sync_data()?;
        for append in batch {
            let _ = append.done.send(());
        }
    }
    Ok(())
}

/// How long one fsync of a short append takes, in microseconds.
pub(crate) fn fsync_us(folder: &Path) -> anyhow::Result<Spread> {
    let mut file = open(folder)?;
    let mut times = Vec::new();
    for _ in 0..100 {
        file.write_all(&[b'x'; 512])?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(Spread::of(times))
}

fn open(folder: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("raw"))
        .context("no file to append to")
}
