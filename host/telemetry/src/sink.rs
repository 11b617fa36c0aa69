//! Writes lines to stdout or stderr: a bounded queue, and one thread that writes.
//!
//! If the other end (a pipe, a terminal, a disk) is closed, full, slow or gone, only that thread is affected. A line that
//! does not fit into the queue or cannot be written is lost and counted; there are no other effects.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use twin_tasks::enduring;

/// The most bytes that wait in the queue.
const MAX_WAITING: usize = 1024 * 1024;
/// The time between two rounds of upkeep.
const UPKEEP: Duration = Duration::from_secs(1);

/// Lines lost by all sinks of the process since it started.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Lines lost by all sinks of the process since it started.
pub(super) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// The end at which lines enter the queue.
pub(super) struct Sink {
    items: Sender<Item>,
    waiting: Arc<AtomicUsize>,
}

enum Item {
    Line(Vec<u8>),
    /// Answered when everything that was queued before it has been written or lost.
    Flush(SyncSender<()>),
}

impl Sink {
    /// Starts the thread, which calls `upkeep` about once a second, unless the other end blocks it. If the thread cannot be
    /// started, every line is lost.
    pub(super) fn start(
        name: &str,
        mut out: impl Write + Send + 'static,
        mut upkeep: impl FnMut() + Send + 'static,
    ) -> Self {
        let (items, queue) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&waiting);
        // Without the thread the queue has no receiver, and every line counts as lost.
        let _ = thread::Builder::new().name(name.to_owned()).spawn(move || {
            enduring::until_done(|| write(&queue, &counter, &mut out, &mut upkeep));
        });
        Self { items, waiting }
    }

    /// Queues a line, which must end with a newline. Never blocks and never panics.
    pub(super) fn push(&self, line: Vec<u8>) {
        let length = line.len();
        let before = self.waiting.fetch_add(length, Ordering::Relaxed);
        if before.saturating_add(length) > MAX_WAITING || self.items.send(Item::Line(line)).is_err()
        {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything in the queue has been written or lost, for at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let (done, flushed) = sync_channel(1);
        if self.items.send(Item::Flush(done)).is_ok() {
            // When the time is up, what is left is lost with the process.
            let _ = flushed.recv_timeout(limit);
        }
    }
}

/// Writes until all senders are gone.
fn write(
    queue: &Receiver<Item>,
    waiting: &AtomicUsize,
    out: &mut impl Write,
    upkeep: &mut impl FnMut(),
) {
    let mut last = Instant::now();
    loop {
        match queue.recv_timeout(UPKEEP) {
            Ok(Item::Line(line)) => {
                waiting.fetch_sub(line.len(), Ordering::Relaxed);
                if out.write_all(&line).and_then(|()| out.flush()).is_err() {
                    LOST.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(Item::Flush(done)) => {
                // The caller may have stopped waiting.
                let _ = done.try_send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if last.elapsed() >= UPKEEP {
            last = Instant::now();
            upkeep();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Mutex, mpsc},
    };

    use super::*;

    /// `LOST` counts for the whole process, so only one test at a time may read it.
    static TURN: Mutex<()> = Mutex::new(());

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Like a pipe without a reader, or a terminal that is gone.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Like a full pipe: blocks until it is released.
    struct Full(mpsc::Receiver<()>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_and_a_flush_waits_for_them() {
        let written = Written::default();
        let sink = Sink::start("test", written.clone(), || {});
        for line in ["one\n", "two\n"] {
            sink.push(line.into());
        }
        sink.flush(Duration::from_secs(60));
        assert_eq!(*written.0.lock().unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let _turn = TURN.lock().unwrap();
        let before = lost();
        let sink = Sink::start("test", Gone, || {});
        for _ in 0..3 {
            sink.push(b"lost\n".into());
        }
        sink.flush(Duration::from_secs(60));
        assert_eq!(lost() - before, 3);
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_blocks_no_caller() {
        let _turn = TURN.lock().unwrap();
        let before = lost();
        let (release, released) = mpsc::channel();
        let sink = Sink::start("test", Full(released), || {});
        let line = vec![b'x'; MAX_WAITING / 4];
        // The thread may already have taken one.
        for _ in 0..10 {
            sink.push(line.clone());
        }
        let dropped = lost() - before;
        assert!((5..=6).contains(&dropped), "{dropped}");
        // This ends in time although nothing is written.
        sink.flush(Duration::from_millis(10));
        drop(release);
        sink.flush(Duration::from_secs(60));
        sink.push(b"there is room again\n".into());
        sink.flush(Duration::from_secs(60));
        assert_eq!(lost() - before, dropped);
    }
}
