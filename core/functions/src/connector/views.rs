//! What an instance knows of its peers' circuits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use twin_contract::Layer;
use twin_delivery::{Breaker, BreakerSettings, Mono};

/// One circuit, as an instance last saw it.
#[derive(Debug)]
pub(super) struct View {
    pub(super) breaker: Breaker,
    /// A call of this instance is reading the store; the others go by what is known.
    pub(super) refreshing: bool,
}

/// The circuits that an instance has looked at: one per layer at most.
#[derive(Debug)]
pub(crate) struct Views(Mutex<Vec<(Layer, View)>>);

impl Views {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Whether a call should read the shared state now. If so, the view says that it does.
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

    /// Looks at a view, or changes it; `None` if the circuit was never looked at.
    pub(super) fn with<T>(&self, layer: Layer, act: impl FnOnce(&mut View) -> T) -> Option<T> {
        let mut views = self.lock();
        let found = views.iter_mut().find(|(known, _)| *known == layer);
        found.map(|(_, view)| act(view))
    }

    /// A call that panics leaves the list consistent, so that a poisoned lock can still be used.
    fn lock(&self) -> MutexGuard<'_, Vec<(Layer, View)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    fn begin_refresh(&mut self, now: Mono) -> bool {
        // An instance that knows nothing yet must not let any message pass by that.
        let unknown = !self.breaker.is_known();
        let read = unknown || (self.breaker.is_stale(now) && !self.refreshing);
        self.refreshing |= read;
        read
    }
}
