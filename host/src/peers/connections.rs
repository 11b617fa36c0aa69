//! Whether an exchange used a new connection or one that was kept from an earlier exchange. A kept connection may have
//! broken since, which says nothing about the peer.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    /// Set when the exchange that runs in this scope opens a connection.
    static CONNECTED: Cell<bool>;
}

/// Runs an exchange, and also returns whether it opened a connection. The HTTP client connects within the future of the
/// exchange that needs the connection; a connection that it completes in the background counts as kept.
pub(super) async fn noting<T>(exchange: impl Future<Output = T>) -> (T, bool) {
    let scoped = async {
        let outcome = exchange.await;
        (outcome, CONNECTED.with(Cell::get))
    };
    CONNECTED.scope(Cell::new(false), scoped).await
}

/// Records new connections: a layer around the HTTP client's connector.
#[derive(Clone, Debug)]
pub(super) struct Noting;

impl<S> Layer<S> for Noting {
    type Service = Noted<S>;

    fn layer(&self, inner: S) -> Noted<S> {
        Noted(inner)
    }
}

/// A connector that records its connections.
#[derive(Clone, Debug)]
pub(super) struct Noted<S>(S);

impl<S, R> Service<R> for Noted<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.0.call(request);
        Box::pin(async move {
            let connected = connecting.await;
            if connected.is_ok() {
                // An error means that this connection is completed in the background, outside any exchange.
                let _ = CONNECTED.try_with(|note| note.set(true));
            }
            connected
        })
    }
}
