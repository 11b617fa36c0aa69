//! A future that continues when its caller stops waiting for it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::runtime::Handle;

/// Runs in its caller's task, and continues in a separate task if it is dropped before it has finished. Starting in a
/// separate task would cost each call two more turns of the scheduler.
///
/// If it is dropped outside an async runtime, it ends.
pub struct DetachOnDrop<T: Send + 'static>(
    /// `None` when it has finished, and during a poll, so a future that panics is not polled again.
    Option<BoxFuture<'static, T>>,
);

impl<T: Send + 'static> fmt::Debug for DetachOnDrop<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DetachOnDrop")
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> DetachOnDrop<T> {
    /// Wraps a future that must finish in any case.
    pub fn of(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(future.boxed()))
    }
}

impl<T: Send + 'static> Future for DetachOnDrop<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(mut future) = self.0.take() else {
            return Poll::Pending;
        };
        let polled = future.poll_unpin(context);
        if polled.is_pending() {
            self.0 = Some(future);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for DetachOnDrop<T> {
    fn drop(&mut self) {
        // Without a runtime nothing can continue.
        if let (Some(future), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn it_goes_on_when_it_is_dropped() {
        let (release, released) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let mut detached = DetachOnDrop::of(async move {
            released.await.expect("a sign");
            tell.send(()).expect("a listener");
        });
        assert!(poll!(&mut detached).is_pending());
        drop(detached);
        release.send(()).expect("still running");
        assert_eq!(told.await, Ok(()));
    }

    #[tokio::test]
    async fn it_begins_even_if_it_was_never_polled() {
        let (tell, told) = oneshot::channel();
        drop(DetachOnDrop::of(async move {
            tell.send(()).expect("a listener")
        }));
        assert_eq!(told.await, Ok(()));
    }

    #[tokio::test]
    async fn its_output_is_the_futures() {
        assert_eq!(DetachOnDrop::of(async { 7 }).await, 7);
    }
}
