//! The HTTP/1.1 server: connections in, until it is told to stop, and then to their end.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time,
};

use super::{IngressSettings, service::Service};
use crate::function::Functions;

/// How long a request's head may take to arrive, and a connection may idle between two. Longer than `peers` keeps an
/// idle connection, so that a sender never meets one that is just closing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest head of a request, in bytes; a larger one gets 431.
const MAX_HEAD: usize = 32 * 1024;

/// How long the server rests when a connection cannot be accepted (no file descriptors left, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` becomes true or its sender is dropped; then accepts no more, and lets what was begun finish for at
/// most the drain timeout. A client that goes away does not end the call it began.
pub async fn serve(
    listener: TcpListener,
    functions: Arc<dyn Functions>,
    settings: IngressSettings,
    mut stop: watch::Receiver<bool>,
) {
    let drain_timeout = settings.drain_timeout;
    let service = Arc::new(Service::new(functions, settings, stop.clone()));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&service), graceful.watcher()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let drained = async {
        graceful.shutdown().await;
        service.idle().await;
    };
    if time::timeout(drain_timeout, drained).await.is_err() {
        tracing::warn!(?drain_timeout, "stopped before all calls had finished");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that whoever could tell us is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connection(stream: TcpStream, service: Arc<Service>, watcher: Watcher) {
    // Without it a reply may wait 40 ms for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let answer = service_fn(|request: Request<Incoming>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
