//! A future that continues when nothing waits for it any more.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::runtime::Handle;

/// Runs in the task that waits for it, and continues in its own task if that one stops waiting. A separate task from
/// the beginning would cost each request two more turns of the scheduler.
pub(super) struct Outliving<T: Send + 'static>(
    /// `None` while it is polled, so that a future that panicked is not continued, and when it is done.
    Option<BoxFuture<'static, T>>,
);

impl<T: Send + 'static> Outliving<T> {
    pub(super) fn of(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(future.boxed()))
    }
}

impl<T: Send + 'static> Future for Outliving<T> {
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

impl<T: Send + 'static> Drop for Outliving<T> {
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
    async fn it_goes_on_when_nobody_waits() {
        let (release, released) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let mut outliving = Outliving::of(async move {
            released.await.expect("a sign");
            tell.send(()).expect("a listener");
        });
        assert!(poll!(&mut outliving).is_pending());
        drop(outliving);
        release.send(()).expect("still running");
        assert_eq!(told.await, Ok(()));
    }

    #[tokio::test]
    async fn it_begins_even_if_nobody_ever_waited() {
        let (tell, told) = oneshot::channel();
        drop(Outliving::of(
            async move { tell.send(()).expect("a listener") },
        ));
        assert_eq!(told.await, Ok(()));
    }

    #[tokio::test]
    async fn whoever_waits_gets_what_came_of_it() {
        assert_eq!(Outliving::of(async { 7 }).await, 7);
    }
}
