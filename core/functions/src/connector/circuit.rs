//! The circuit of each peer: what the state machine decides, swapped into the store that all instances share.

use std::{cell::RefCell, collections::HashMap};

use twin_delivery::{Admission, Breaker, BreakerSettings, Circuit, Signal, StoreTime, Transition};
use twin_guest::{
    bindings::circuits::{self, SwapFailure},
    clock,
    events::{self, Incident, Severity},
    log, reply,
};

use crate::deliver::Message;

/// Whether a message may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Yes, with retries.
    Open,
    /// Yes, once: it is the probe of a circuit that was open.
    Probe,
    /// No.
    Closed,
}

struct View {
    breaker: Breaker,
    /// Somebody in this instance is reading the store; the others go by what is known.
    refreshing: bool,
}

thread_local! {
    static VIEWS: RefCell<HashMap<&'static str, View>> = RefCell::default();
}

fn with_view<T>(peer: &'static str, act: impl FnOnce(&mut View) -> T) -> Option<T> {
    VIEWS.with_borrow_mut(|views| views.get_mut(peer).map(act))
}

/// Reads the shared state, at most once a second.
pub(crate) async fn refresh(peer: &'static str, settings: BreakerSettings) {
    let now = clock::mono();
    let read = VIEWS.with_borrow_mut(|views| {
        let view = views.entry(peer).or_insert_with(|| View {
            breaker: Breaker::new(settings),
            refreshing: false,
        });
        // An instance that knows nothing yet must not let anybody pass by that.
        let unknown = !view.breaker.is_known();
        let read = unknown || (view.breaker.is_stale(now) && !view.refreshing);
        view.refreshing |= read;
        read
    });
    if !read {
        return;
    }
    let loaded = circuits::load(Circuit::name_of(peer)).await;
    with_view(peer, |view| {
        view.refreshing = false;
        match &loaded {
            Ok(circuit) => observe(view, circuit),
            // A store that is away must not stop the data: the last known state stands for another second.
            Err(_) => view.breaker.keep(clock::mono()),
        }
    });
    if let Err(failure) = loaded {
        let cause = reply::describe(&failure);
        log::warn("circuit not read", &[("peer", peer), ("cause", &cause)]);
    }
}

fn observe(view: &mut View, circuit: &circuits::Circuit) {
    let (store_now, now) = (StoreTime::from_millis(circuit.now_ms), clock::mono());
    view.breaker
        .observe(circuit.version, &circuit.state, store_now, now);
}

/// Whether a message may be sent now.
pub(crate) async fn admit(message: &Message, settings: BreakerSettings) -> Gate {
    refresh(message.peer, settings).await;
    // Each round is lost to somebody who moved the circuit on; it ends when it no longer asks for a probe.
    loop {
        let now = clock::mono();
        let admission = with_view(message.peer, |view| view.breaker.admit(now));
        match admission {
            None | Some(Admission::Pass) => return Gate::Open,
            Some(Admission::Refuse) => return Gate::Closed,
            Some(Admission::Probe(next)) => match swap(message, next).await {
                Swapped::Done => return Gate::Probe,
                Swapped::Conflict => {}
                // Nobody can be told who probes: too many probes are better than data that waits for a store.
                Swapped::Failed => return Gate::Probe,
            },
            Some(Admission::Renew(anew)) => match swap(message, anew).await {
                Swapped::Done => return Gate::Closed,
                Swapped::Conflict => {}
                // As above: a time that cannot be corrected must not keep the data waiting.
                Swapped::Failed => return Gate::Probe,
            },
        }
    }
}

/// Whether the circuit opened while a delivery waited.
pub(crate) async fn has_opened(peer: &'static str, settings: BreakerSettings) -> bool {
    refresh(peer, settings).await;
    with_view(peer, |view| view.breaker.is_open()).unwrap_or(false)
}

/// Tells the circuit what came of an attempt.
pub(crate) async fn record(message: &Message, signal: Signal, probing: bool) {
    loop {
        let now = clock::mono();
        let next = with_view(message.peer, |view| match signal {
            Signal::Success => view.breaker.on_success(),
            Signal::Failure => view.breaker.on_failure(now, probing),
            Signal::Nothing => None,
        });
        match next.flatten() {
            None => return,
            Some(next) => match swap(message, next).await {
                Swapped::Done | Swapped::Failed => return,
                Swapped::Conflict => {}
            },
        }
    }
}

enum Swapped {
    Done,
    Conflict,
    Failed,
}

/// Stores the next state if nobody was faster, and tells of the transition: only the winner does.
async fn swap(message: &Message, next: Circuit) -> Swapped {
    let peer = message.peer;
    let known = with_view(peer, |view| {
        (view.breaker.version(), view.breaker.circuit())
    });
    let Some((version, before)) = known else {
        return Swapped::Failed;
    };
    match circuits::compare_and_swap(Circuit::name_of(peer), version, next.to_json()).await {
        Ok(circuit) => {
            with_view(peer, |view| observe(view, &circuit));
            if let Some(transition) = before.transition(next) {
                tell(message, transition).await;
            }
            Swapped::Done
        }
        Err(SwapFailure::Conflict(circuit)) => {
            with_view(peer, |view| observe(view, &circuit));
            Swapped::Conflict
        }
        Err(SwapFailure::Store(failure)) => {
            let cause = reply::describe(&failure);
            log::warn("circuit not stored", &[("peer", peer), ("cause", &cause)]);
            Swapped::Failed
        }
    }
}

async fn tell(message: &Message, transition: Transition) {
    let peer = message.peer;
    let (severity, code, text) = match transition {
        Transition::Opened => (
            Severity::Warning,
            "CIRCUIT_OPENED",
            format!(
                "{peer} fails consistently: messages go to the dead letters without an attempt"
            ),
        ),
        Transition::Closed => (
            Severity::Info,
            "CIRCUIT_CLOSED",
            format!("{peer} answers again"),
        ),
    };
    log::warn("circuit changed", &[("peer", peer), ("error_code", code)]);
    events::publish(Incident {
        severity,
        component: message.component(),
        code,
        message: &text,
        payload: None,
    })
    .await;
}
