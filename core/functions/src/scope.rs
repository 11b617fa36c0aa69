//! Which request is being answered: many calls run in one instance at once, and each knows its own `x-request-id`.

use std::{
    cell::RefCell,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
};

use twin_contract::{REQUEST_ID, is_request_id};

use crate::{Request, gate};

thread_local! {
    /// The id of the request whose future is being polled.
    static CURRENT: RefCell<Option<Rc<str>>> = const { RefCell::new(None) };
}

/// The id that a request came with, if it is one.
pub fn id_of(request: &Request) -> Option<Rc<str>> {
    gate::header(request, REQUEST_ID)
        .filter(|id| is_request_id(id))
        .map(Into::into)
}

/// The id of the request that is being answered.
pub fn request_id() -> Option<Rc<str>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Runs a call so that [`request_id`] says `id` in it.
pub async fn within<F: Future>(id: Option<Rc<str>>, call: F) -> F::Output {
    Within {
        id,
        call: pin!(call),
    }
    .await
}

struct Within<'a, F> {
    id: Option<Rc<str>>,
    call: Pin<&'a mut F>,
}

impl<F: Future> Future for Within<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let outer = CURRENT.replace(self.id.clone());
        let polled = self.call.as_mut().poll(context);
        CURRENT.set(outer);
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Is pending once.
    async fn turn() {
        let mut first = true;
        std::future::poll_fn(|_| {
            if std::mem::take(&mut first) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    async fn twice() -> [Option<Rc<str>>; 2] {
        let before = request_id();
        turn().await;
        [before, request_id()]
    }

    #[test]
    fn calls_that_take_turns_each_know_their_own_request() {
        let mut context = Context::from_waker(Waker::noop());
        let mut first = pin!(within(Some("a".into()), twice()));
        let mut second = pin!(within(None, twice()));
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        let a = Some(Rc::from("a"));
        assert_eq!(first.poll(&mut context), Poll::Ready([a.clone(), a]));
        assert_eq!(second.poll(&mut context), Poll::Ready([None, None]));
        assert_eq!(request_id(), None);
    }
}
