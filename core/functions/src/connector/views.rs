//! An instance's view of its peers' circuits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use twin_contract::Layer;
use twin_delivery::{Breaker, BreakerSettings, Mono};

/// One circuit, as this instance last read it.
#[derive(Debug)]
pub(super) struct View {
    pub(super) breaker: Breaker,
    /// A call of this instance is reading the store; other calls use the last known state.
    pub(super) refreshing: bool,
}

/// The circuits that an instance has read: at most one per layer.
#[derive(Debug)]
pub(crate) struct Views(Mutex<Vec<(Layer, View)>>);

impl Views {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Whether a call should read the shared state now. If so, the view is marked as refreshing.
    pub(super) fn begin_refresh(&self, layer: Layer, settings: BreakerSettings, now: Mono) -> bool {
        let mut views = self.lock();
        if !views.iter().any(|(known, _)| *known == layer) {
            let breaker = Breaker::new(settings);
            let refreshing = false;
            views.push((
                layer,
                View {
                    breaker,
                    refreshing,
                },
            ));
        }
        let mut views = views.iter_mut();
        views
            .find(|(known, _)| *known == layer)
            .is_some_and(|(_, view)| view.begin_refresh(now))
    }

    /// Reads or changes a view; `None` if the circuit was never read.
    pub(super) fn with<T>(&self, layer: Layer, act: impl FnOnce(&mut View) -> T) -> Option<T> {
        let mut views = self.lock();
        let found = views.iter_mut().find(|(known, _)| *known == layer);
        found.map(|(_, view)| act(view))
    }

    /// A call that panics leaves the list consistent, so a poisoned lock can still be used.
    fn lock(&self) -> MutexGuard<'_, Vec<(Layer, View)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    fn begin_refresh(&mut self, now: Mono) -> bool {
        // An instance must not send messages before it has read the state once.
        let unknown = !self.breaker.is_known();
        let read = unknown || (self.breaker.is_stale(now) && !self.refreshing);
        self.refreshing |= read;
        read
    }
}
