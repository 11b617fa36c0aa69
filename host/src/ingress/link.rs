//! The state of one open connection: the client's address, when bytes last moved, and whether a request is being answered
//! on it.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// A connection, shared by its own task and the accepting task.
#[derive(Debug)]
pub(super) struct Link {
    source: SocketAddr,
    opened: Instant,
    /// When bytes last moved in either direction, in milliseconds since `opened`.
    moved_ms: AtomicU64,
    /// A request is being answered.
    answering: AtomicBool,
    /// A reply has been produced but not yet passed to the operating system.
    unsent: AtomicBool,
    /// Something has arrived since the last request began: part of a head, most likely.
    begun: AtomicBool,
    /// It has been asked to close.
    leaving: AtomicBool,
    sent: Notify,
    leave: Notify,
}

impl Link {
    pub(super) fn new(source: SocketAddr) -> Self {
        Self {
            source,
            opened: Instant::now(),
            moved_ms: AtomicU64::new(0),
            answering: AtomicBool::new(false),
            unsent: AtomicBool::new(false),
            begun: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            sent: Notify::new(),
            leave: Notify::new(),
        }
    }

    /// The client's address: a device, a peer, or a gateway in front of them.
    pub(super) const fn source(&self) -> SocketAddr {
        self.source
    }

    /// How long it has been idle.
    pub(super) fn idle(&self) -> Duration {
        let moved = Duration::from_millis(self.moved_ms.load(Relaxed));
        self.opened.elapsed().saturating_sub(moved)
    }

    fn moved(&self) {
        let ms = self.opened.elapsed().as_millis();
        self.moved_ms
            .store(u64::try_from(ms).unwrap_or(u64::MAX), Relaxed);
    }

    /// Bytes have arrived.
    pub(super) fn received(&self) {
        self.moved();
        self.begun.store(true, Relaxed);
    }

    /// Bytes have gone out.
    pub(super) fn wrote(&self) {
        self.moved();
    }

    /// Everything has been passed to the operating system.
    pub(super) fn flushed(&self) {
        if self.unsent.swap(false, Relaxed) {
            self.sent.notify_one();
        }
    }

    /// Resolves when the reply before this request has been passed to the operating system. If a client sends many requests
    /// at once and reads no replies, only its first request is answered.
    pub(super) async fn sent(&self) {
        while self.unsent.load(Relaxed) {
            self.sent.notified().await;
        }
    }

    /// Marks a request as being answered until the guard is dropped; from then on its reply is unsent.
    pub(super) fn answer(&self) -> Answering<'_> {
        self.begun.store(false, Relaxed);
        self.answering.store(true, Relaxed);
        Answering(self)
    }

    /// Whether nothing is pending on this connection: no answer, and no rest of a reply.
    pub(super) fn is_idle(&self) -> bool {
        !self.answering.load(Relaxed) && !self.unsent.load(Relaxed)
    }

    /// Whether part of a request has arrived.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Relaxed)
    }

    /// Whether it may be closed to make room: no request is being answered. A reply that the client does not read does not
    /// prevent this.
    pub(super) fn may_leave(&self) -> bool {
        !self.answering.load(Relaxed) && !self.is_leaving()
    }

    /// Whether the connection has been asked to close.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// Asks the connection to close.
    pub(super) fn make_room(&self) {
        self.leaving.store(true, Relaxed);
        self.leave.notify_one();
    }

    /// Resolves when this connection is to close to make room for others.
    pub(super) async fn told_to_leave(&self) {
        loop {
            self.leave.notified().await;
            if !self.answering.load(Relaxed) {
                return;
            }
            // A request has arrived in the meantime, and is answered.
            self.leaving.store(false, Relaxed);
        }
    }
}

/// A request is being answered.
pub(super) struct Answering<'a>(&'a Link);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.unsent.store(true, Relaxed);
        self.0.answering.store(false, Relaxed);
    }
}
