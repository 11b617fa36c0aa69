//! Reads bodies: no more of each than a component may see, within the given time, and no more of them at once than fit the
//! reserved memory. Memory is taken as bytes arrive, not as announced by `content-length`.

use std::{sync::Arc, time::Duration};

use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

use crate::dispatch::{READ_AT_MOST, Refusal};

/// How much of an unwanted body is read and discarded, in bytes. A client that is still sending when the connection closes
/// would never see the reply.
const DISCARD_AT_MOST: usize = 4 * 1024 * 1024;

/// The first buffer for a body, in bytes. It grows when it is full.
const FIRST_BUFFER: usize = 64 * 1024;

/// The longest reply whose memory is not counted, in bytes: the operating system accepts it at once.
const SMALL_REPLY: usize = 4 * 1024;

/// How long a request waits for the memory that its reply may take.
const TURN: Duration = Duration::from_secs(5);

/// The memory for request bodies, or for reply bodies, in bytes.
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Semaphore>);

/// A part of the memory for bodies. Dropping it gives the memory back.
#[derive(Debug, Default)]
pub(super) struct Share(Option<OwnedSemaphorePermit>);

impl Memory {
    pub(super) fn new(bytes: u32) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Takes a part.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] if not enough is left.
    pub(super) fn take(&self, bytes: usize) -> Result<Share, Refusal> {
        let bytes = u32::try_from(bytes).map_err(|_| Refusal::Overloaded)?;
        let permit = Arc::clone(&self.0).try_acquire_many_owned(bytes);
        permit
            .map(|permit| Share(Some(permit)))
            .map_err(|_| Refusal::Overloaded)
    }

    /// Takes a part as soon as there is enough, waiting at most [`TURN`].
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] if there is not enough by then.
    pub(super) async fn wait_for(&self, bytes: usize) -> Result<Share, Refusal> {
        let bytes = u32::try_from(bytes).map_err(|_| Refusal::Overloaded)?;
        let permit = Arc::clone(&self.0).acquire_many_owned(bytes);
        match time::timeout(TURN, permit).await {
            Ok(Ok(permit)) => Ok(Share(Some(permit))),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Refusal::Overloaded),
        }
    }

    /// The body of a reply. Unless it is small, its memory is counted until the operating system has taken it. `reserved`
    /// is what was taken for it in advance, if anything. The reply to a request that stored something is never refused.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] if it is larger than what was reserved, and there is not enough left for the rest.
    pub(super) fn reply(&self, body: Vec<u8>, reserved: Option<Share>) -> Result<Bytes, Refusal> {
        if body.len() <= SMALL_REPLY {
            return Ok(body.into());
        }
        let _share = match reserved {
            Some(share) => share.resized(body.len(), self)?,
            None => self.take(body.len()).unwrap_or_default(),
        };
        Ok(Bytes::from_owner(Held { body, _share }))
    }
}

impl Share {
    fn add(&mut self, more: Self) {
        match (&mut self.0, more.0) {
            (Some(mine), Some(more)) => mine.merge(more),
            (mine @ None, more) => *mine = more,
            (Some(_), None) => {}
        }
    }

    /// The same share, enlarged or reduced to `bytes`.
    fn resized(mut self, bytes: usize, memory: &Memory) -> Result<Self, Refusal> {
        let has = self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if bytes > has {
            self.add(memory.take(bytes - has)?);
        } else if let Some(permit) = &mut self.0 {
            drop(permit.split(has - bytes));
        }
        Ok(self)
    }
}

/// The body of a reply with its share of the memory.
struct Held {
    body: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// A body. It holds its share of the memory for bodies as long as it exists.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) share: Share,
}

/// Reads bodies.
#[derive(Debug)]
pub(super) struct Reader {
    memory: Memory,
    timeout: Duration,
}

impl Reader {
    /// `timeout` applies to one whole body.
    pub(super) const fn new(memory: Memory, timeout: Duration) -> Self {
        Self { memory, timeout }
    }

    /// Reads the body for a function to its end or to [`READ_AT_MOST`]. A body with a larger `content-length` is not read at
    /// all: the header is enough for the component. `hurry` resolves when the host stops and no longer waits for the body.
    pub(super) async fn read(
        &self,
        body: Incoming,
        expects_continue: bool,
        hurry: impl Future<Output = ()>,
    ) -> Result<Body, Refusal> {
        if announced(&body).is_some_and(|size| size > READ_AT_MOST) {
            self.discard(body, expects_continue);
            return Ok(Body::default());
        }
        self.read_at_most(READ_AT_MOST, body, hurry).await
    }

    /// Reads a body of at most `limit` bytes; `hurry` as in [`Self::read`].
    ///
    /// # Errors
    /// [`Refusal::BodyTooLarge`] if it is larger. One that is announced to be is not read.
    pub(super) async fn read_whole(
        &self,
        limit: usize,
        body: Incoming,
        expects_continue: bool,
        hurry: impl Future<Output = ()>,
    ) -> Result<Body, Refusal> {
        if announced(&body).is_some_and(|size| size > limit) {
            self.discard(body, expects_continue);
            return Err(Refusal::BodyTooLarge { limit });
        }
        let read = self.read_at_most(limit + 1, body, hurry).await?;
        match read.bytes.len() > limit {
            true => Err(Refusal::BodyTooLarge { limit }),
            false => Ok(read),
        }
    }

    /// Reads a body that is not announced to be longer to its end or to `at_most`.
    async fn read_at_most(
        &self,
        at_most: usize,
        mut body: Incoming,
        hurry: impl Future<Output = ()>,
    ) -> Result<Body, Refusal> {
        let size = announced(&body).unwrap_or(at_most);
        if size == 0 {
            return Ok(Body::default());
        }
        let read = tokio::select! {
            read = time::timeout(self.timeout, self.collect(&mut body, size, at_most)) => {
                read.unwrap_or(Err(Refusal::BodyTimeout))
            }
            () = hurry => Err(Refusal::BodyTimeout),
        };
        if matches!(read, Ok(_) | Err(Refusal::Overloaded)) {
            self.discard(body, false);
        }
        read
    }

    /// Reads until the end or `at_most`, and takes memory for what has arrived.
    async fn collect(
        &self,
        body: &mut Incoming,
        size: usize,
        at_most: usize,
    ) -> Result<Body, Refusal> {
        let mut read = Body::default();
        while let Some(frame) = body.frame().await {
            // Functions do not get trailers.
            let Ok(data) = frame.map_err(|_| Refusal::BodyUnreadable)?.into_data() else {
                continue;
            };
            let room = at_most - read.bytes.len();
            let data = data.get(..room).unwrap_or(&data);
            read.share.add(self.memory.take(data.len())?);
            let needed = read.bytes.len() + data.len();
            if needed > read.bytes.capacity() {
                let whole = if needed <= FIRST_BUFFER {
                    FIRST_BUFFER
                } else {
                    size
                };
                read.bytes
                    .reserve_exact(whole.min(size).max(needed) - read.bytes.len());
            }
            read.bytes.extend_from_slice(data);
            if read.bytes.len() == at_most {
                break;
            }
        }
        Ok(read)
    }

    /// Discards a body while the reply is being sent. A client that waits for `100 Continue` has not sent a body, and is
    /// not asked for it.
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

/// The length of a body that says it in its head.
fn announced(body: &Incoming) -> Option<usize> {
    let size = body.size_hint().exact()?;
    Some(usize::try_from(size).unwrap_or(usize::MAX))
}
