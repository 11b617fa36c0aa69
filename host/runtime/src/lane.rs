//! Lanes: each is one task of the async runtime that runs an instance of every function.
//!
//! A call from one function to another in the same process stays in its lane, and needs neither another thread nor another
//! pass of the scheduler: a message from task to task may wake up a thread, which takes longer than the call itself. One
//! lane per core is enough to keep all cores busy.
//!
//! A panic ends only the task that panicked; the lane and its other tasks continue.

use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt},
    stream::FuturesUnordered,
};
use tokio::sync::mpsc;

use twin_tasks::enduring;

tokio::task_local! {
    /// The lane that is running on this thread.
    static CURRENT: usize;
}

/// A lane of a runtime.
#[derive(Clone)]
pub(super) struct Lane {
    tasks: mpsc::UnboundedSender<BoxFuture<'static, ()>>,
}

impl Lane {
    /// Opens a lane. It ends when it has no tasks left and all handles are dropped.
    pub(super) fn open(number: usize) -> Self {
        let (tasks, added) = mpsc::unbounded_channel();
        tokio::spawn(CURRENT.scope(number, run(added)));
        Self { tasks }
    }

    /// The number of the lane from which this is called; `None` outside a lane.
    pub(super) fn current() -> Option<usize> {
        CURRENT.try_with(|number| *number).ok()
    }

    /// Runs a task in this lane, until it ends or panics.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = enduring::unless_panic(task).map(drop);
        // Panics of tasks do not reach the lane, so it ends only with its async runtime.
        let _ = self.tasks.send(task.boxed());
    }
}

async fn run(mut added: mpsc::UnboundedReceiver<BoxFuture<'static, ()>>) {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(task) = added.recv() => running.push(task),
            Some(()) = running.next() => {}
            else => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_runs_in_a_lane_knows_it_and_goes_on_beside_the_rest() {
        let lane = Lane::open(7);
        assert_eq!(Lane::current(), None);
        let (tell, told) = oneshot::channel();
        let (release, released) = oneshot::channel::<()>();
        lane.spawn(async move {
            released.await.expect("a sign");
            let _ = tell.send(Lane::current());
        });
        lane.spawn(async move { release.send(()).expect("a listener") });
        assert_eq!(told.await, Ok(Some(7)));
    }

    #[tokio::test]
    async fn a_task_that_panics_takes_no_other_along() {
        let lane = Lane::open(0);
        let (release, released) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        lane.spawn(async move {
            released.await.expect("a sign");
            let _ = tell.send(());
        });
        let (held, ended) = oneshot::channel::<()>();
        lane.spawn(async move {
            let _held = held;
            assert_eq!(Lane::current(), None, "as it should");
        });
        assert!(ended.await.is_err());
        lane.spawn(async move { release.send(()).expect("a listener") });
        assert_eq!(told.await, Ok(()));
    }

    #[tokio::test]
    async fn a_lane_ends_when_nobody_can_add_to_it() {
        let lane = Lane::open(0);
        let (held, ended) = oneshot::channel::<()>();
        let (release, released) = oneshot::channel::<()>();
        lane.spawn(async move {
            let _held = held;
            let _ = released.await;
        });
        drop(lane);
        drop(release);
        assert!(ended.await.is_err());
    }
}
