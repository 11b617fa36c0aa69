//! Reading bodies: no more than a component may see, for no longer than the time given, and no more of them at once than
//! fit the memory set aside.

use std::{sync::Arc, time::Duration};

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};
use twin_contract::MAX_BODY;

use super::refusal::Refusal;

/// What a component gets of a body that is too large: one byte more than it may be, so that it sees that.
const READ_AT_MOST: usize = MAX_BODY + 1;

/// How much of an unwanted body is read and thrown away. A client that is still sending when the connection closes would
/// never see the reply.
const DISCARD_AT_MOST: usize = 4 * 1024 * 1024;

/// A body, which takes its share of the memory for bodies as long as it exists.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) share: Option<OwnedSemaphorePermit>,
}

/// Reads bodies.
#[derive(Debug)]
pub(super) struct Reader {
    memory: Arc<Semaphore>,
    timeout: Duration,
}

impl Reader {
    /// `memory` in bytes; `timeout` for one whole body.
    pub(super) fn new(memory: u32, timeout: Duration) -> Self {
        let memory = usize::try_from(memory).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            memory: Arc::new(Semaphore::new(memory)),
            timeout,
        }
    }

    /// Reads a body to its end or to [`READ_AT_MOST`]. One that announces more is not read at all: its `content-length`
    /// tells the component enough.
    pub(super) async fn read(
        &self,
        mut body: Incoming,
        expects_continue: bool,
    ) -> Result<Body, Refusal> {
        let size = match body.size_hint().exact() {
            Some(0) => return Ok(Body::default()),
            Some(size) => usize::try_from(size).unwrap_or(usize::MAX),
            None => READ_AT_MOST,
        };
        if size > READ_AT_MOST {
            self.discard(body, expects_continue);
            return Ok(Body::default());
        }
        let Some(mut share) = self.share(size) else {
            self.discard(body, expects_continue);
            return Err(Refusal::Overloaded);
        };
        let bytes = time::timeout(self.timeout, collect(&mut body))
            .await
            .map_err(|_| Refusal::BodyTimeout)??;
        if !body.is_end_stream() {
            self.discard(body, false);
        }
        // A body in chunks could have been longer.
        drop(share.split(size.saturating_sub(bytes.len())));
        Ok(Body {
            bytes,
            share: Some(share),
        })
    }

    fn share(&self, size: usize) -> Option<OwnedSemaphorePermit> {
        let memory = Arc::clone(&self.memory);
        memory
            .try_acquire_many_owned(u32::try_from(size).ok()?)
            .ok()
    }

    /// Throws a body away while the reply is on its way. A client that waits for `100 Continue` has not sent any: it is
    /// not asked to.
    pub(super) fn discard(&self, mut body: Incoming, expects_continue: bool) {
        if expects_continue || body.is_end_stream() {
            return;
        }
        let reading = async move {
            let mut left = DISCARD_AT_MOST;
            while let Some(Ok(frame)) = body.frame().await {
                let read = frame.data_ref().map_or(0, |data| data.len());
                let Some(rest) = left.checked_sub(read) else {
                    break;
                };
                left = rest;
            }
        };
        tokio::spawn(time::timeout(self.timeout, reading));
    }
}

/// Reads until the end or [`READ_AT_MOST`].
async fn collect(body: &mut Incoming) -> Result<Vec<u8>, Refusal> {
    let size = body
        .size_hint()
        .exact()
        .and_then(|size| usize::try_from(size).ok());
    let mut bytes = Vec::with_capacity(size.unwrap_or_default().min(READ_AT_MOST));
    while let Some(frame) = body.frame().await {
        // Trailers are no part of what a function gets.
        let Ok(data) = frame.map_err(|_| Refusal::BodyUnreadable)?.into_data() else {
            continue;
        };
        let room = READ_AT_MOST - bytes.len();
        bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
        if bytes.len() == READ_AT_MOST {
            break;
        }
    }
    Ok(bytes)
}
