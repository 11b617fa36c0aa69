//! The circuit of each peer: the state machine's decisions are swapped into the store that all instances share.

use twin_capabilities::{
    Circuits,
    circuits::{self, SwapFailure},
};
use twin_contract::{Layer, registry::component::connector_before};
use twin_delivery::{Admission, BreakerSettings, Circuit, Signal, StoreTime, Transition};

use super::{message::peer_of, views::View};
use crate::{
    Call,
    events::{self, EventCode, Incident},
    worlds,
};

/// Whether a message may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Yes, with retries.
    Open,
    /// Yes, once: it is the probe of a circuit that was open.
    Probe,
    /// No.
    Closed,
}

/// Reads the shared state, at most once a second.
pub(super) async fn refresh<C: worlds::Connector>(
    call: &Call<'_, C>,
    layer: Layer,
    settings: BreakerSettings,
) {
    let views = &call.context().views;
    if !views.begin_refresh(layer, settings, call.mono()) {
        return;
    }
    let peer = peer_of(layer).as_str();
    let loaded = Circuits::load(call.capabilities(), Circuit::name_of(peer)).await;
    views.with(layer, |view| {
        view.refreshing = false;
        match &loaded {
            Ok(circuit) => observe(call, view, circuit),
            // If the store is not available, delivery continues with the last known state for another second.
            Err(_) => view.breaker.keep(call.mono()),
        }
    });
    if let Err(failure) = loaded {
        let cause = failure.to_string();
        call.warn("circuit not read", &[("peer", peer), ("cause", &cause)]);
    }
}

fn observe<C: worlds::Connector>(call: &Call<'_, C>, view: &mut View, circuit: &circuits::Circuit) {
    let (store_now, now) = (StoreTime::from_millis(circuit.now_ms), call.mono());
    view.breaker
        .observe(circuit.version, &circuit.state, store_now, now);
}

/// Whether a message may be sent now.
pub(super) async fn admit<C: worlds::Connector>(
    call: &Call<'_, C>,
    layer: Layer,
    settings: BreakerSettings,
) -> Gate {
    refresh(call, layer, settings).await;
    // A conflict means that another instance changed the circuit. The loop ends when the circuit no longer asks for a
    // probe.
    loop {
        let now = call.mono();
        let admission = (call.context().views).with(layer, |view| view.breaker.admit(now));
        match admission {
            None | Some(Admission::Pass) => return Gate::Open,
            Some(Admission::Refuse) => return Gate::Closed,
            Some(Admission::Probe(next)) => match swap(call, layer, next).await {
                Swapped::Done => return Gate::Probe,
                Swapped::Conflict => {}
                // The other instances cannot be told who probes. Too many probes are better than data that waits for a
                // store.
                Swapped::Failed => return Gate::Probe,
            },
            Some(Admission::Renew(anew)) => match swap(call, layer, anew).await {
                Swapped::Done => return Gate::Closed,
                Swapped::Conflict => {}
                // As above: data must not wait because a time cannot be corrected.
                Swapped::Failed => return Gate::Probe,
            },
        }
    }
}

/// Whether the circuit opened while a delivery waited.
pub(super) async fn has_opened<C: worlds::Connector>(
    call: &Call<'_, C>,
    layer: Layer,
    settings: BreakerSettings,
) -> bool {
    refresh(call, layer, settings).await;
    let opened = (call.context().views).with(layer, |view| view.breaker.is_open());
    opened.unwrap_or(false)
}

/// Records the outcome of an attempt in the circuit.
pub(super) async fn record<C: worlds::Connector>(
    call: &Call<'_, C>,
    layer: Layer,
    signal: Signal,
    probing: bool,
) {
    loop {
        let now = call.mono();
        let next = (call.context().views).with(layer, |view| match signal {
            Signal::Success => view.breaker.on_success(),
            Signal::Failure => view.breaker.on_failure(now, probing),
            Signal::Nothing => None,
        });
        match next.flatten() {
            None => return,
            Some(next) => match swap(call, layer, next).await {
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

/// Stores the next state unless another instance was faster, and reports the transition. Only the instance that stored it
/// reports.
async fn swap<C: worlds::Connector>(call: &Call<'_, C>, layer: Layer, next: Circuit) -> Swapped {
    let views = &call.context().views;
    let known = views.with(layer, |view| {
        (view.breaker.version(), view.breaker.circuit())
    });
    let Some((version, before)) = known else {
        return Swapped::Failed;
    };
    let peer = peer_of(layer).as_str();
    let circuits = call.capabilities();
    let swapped = circuits.compare_and_swap(Circuit::name_of(peer), version, next.to_json());
    match swapped.await {
        Ok(circuit) => {
            views.with(layer, |view| observe(call, view, &circuit));
            if let Some(transition) = before.transition(next) {
                report(call, layer, transition).await;
            }
            Swapped::Done
        }
        Err(SwapFailure::Conflict(circuit)) => {
            views.with(layer, |view| observe(call, view, &circuit));
            Swapped::Conflict
        }
        Err(SwapFailure::Store(failure)) => {
            let cause = failure.to_string();
            call.warn("circuit not stored", &[("peer", peer), ("cause", &cause)]);
            Swapped::Failed
        }
    }
}

async fn report<C: worlds::Connector>(call: &Call<'_, C>, layer: Layer, transition: Transition) {
    let peer = peer_of(layer).as_str();
    let (code, text) = match transition {
        Transition::Opened => (
            EventCode::CircuitOpened,
            format!(
                "{peer} fails consistently: messages go to the dead letters without an attempt"
            ),
        ),
        Transition::Closed => (EventCode::CircuitClosed, format!("{peer} answers again")),
    };
    call.warn(
        "circuit changed",
        &[("peer", peer), ("error_code", code.as_str())],
    );
    let incident = Incident {
        component: connector_before(layer),
        code,
        message: &text,
        payload: None,
    };
    events::publish(call, incident).await;
}
