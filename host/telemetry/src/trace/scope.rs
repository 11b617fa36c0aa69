//! What a task works for: set for a future, and found by everything that it calls.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::{Context, Span, SpanKind, Tracer};

tokio::task_local! {
    static CURRENT: Option<Scope>;
}

/// What the requests are that a call sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Part of the call: they continue its trace.
    Call,
    /// Messages of other traces, such as dead letters that are sent again: each continues its own.
    Messages,
}

/// A span that is in progress, or the caller's if none are recorded here. Clones are the same scope.
#[derive(Clone, Debug)]
pub struct Scope(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    context: Context,
    /// `None` if the context is only passed on.
    tracer: Option<Arc<Tracer>>,
    carries: Carries,
    attempts: AtomicU32,
}

impl Scope {
    /// A scope in which nothing is recorded. Its requests carry the caller's context unchanged.
    #[must_use]
    pub fn passing_on(context: Context, carries: Carries) -> Self {
        Self::new(context, None, carries)
    }

    pub(super) fn new(context: Context, tracer: Option<Arc<Tracer>>, carries: Carries) -> Self {
        Self(Arc::new(Inner {
            context,
            tracer,
            carries,
            attempts: AtomicU32::new(0),
        }))
    }

    /// The context for what follows this span.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// What the requests of this call are.
    pub fn carries(&self) -> Carries {
        self.0.carries
    }

    /// What records spans; `None` if the context is only passed on.
    pub fn tracer(&self) -> Option<&Arc<Tracer>> {
        self.0.tracer.as_ref()
    }

    /// How many attempts this call has made before this one.
    pub fn next_attempt(&self) -> u32 {
        self.0.attempts.fetch_add(1, Ordering::Relaxed)
    }

    /// Begins a span within this one; `None` if this trace is not recorded.
    pub fn child(&self, kind: SpanKind, name: impl FnOnce() -> String) -> Option<Span> {
        let tracer = self.tracer()?;
        self.context()
            .parent
            .flags
            .is_sampled()
            .then(|| tracer.child(self, kind, name()))
    }
}

/// The scope of the task that asks; `None` if it works for no trace.
pub fn current() -> Option<Scope> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Runs a future in a scope. Without one, it stays in that of its task.
pub fn within<F: Future>(scope: Option<Scope>, future: F) -> impl Future<Output = F::Output> {
    // One future in both cases: an `async` block would hold it more than once, and calls that wait are kept by the thousand.
    CURRENT.scope(scope.or_else(current), future)
}

/// Runs a function in a scope. Without one, it stays in that of its task.
pub fn within_sync<T>(scope: Option<Scope>, function: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(scope.or_else(current), function)
}
