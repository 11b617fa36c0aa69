//! The HTTP/1.1 server: accepts connections until it is stopped, and then completes them.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{self, Instant},
};

use super::{
    HttpSettings, connections::Connections, endpoints::Endpoints, events::Settle, link::Link,
    service::Service, socket::Socket,
};
use crate::dispatch::Dispatch;

/// How long a request's head may take to arrive, and how long a connection may be idle between requests. Longer than
/// `peers` keeps an idle connection, so a sender never uses one that is being closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest head of a request, in bytes; a larger head gets 431.
const MAX_HEAD: usize = 32 * 1024;

/// How many headers a request may have; more get 431. The limit is high because gateways in front of this host add many.
const MAX_HEADERS: usize = 256;

/// How long the server pauses when a connection cannot be accepted: no descriptors are left, or the number of connections is
/// at its limit.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long the rest of a request's head may take when the host is stopping.
const HEAD_GRACE: Duration = Duration::from_secs(1);

/// How long an idle connection stays open when the host is stopping: a request may be on its way.
const IDLE_GRACE: Duration = Duration::from_millis(100);

/// How often a connection checks whether it is finished while the host stops.
const TICK: Duration = Duration::from_millis(10);

/// Serves until `stop` becomes true or its sender is dropped. Then it accepts only connections that are already pending,
/// and gives requests in progress at most the drain timeout to finish. A client that disconnects does not end its call.
/// Events are accepted if there is something to settle them.
pub async fn serve(
    listener: TcpListener,
    dispatch: Arc<Dispatch>,
    events: Option<Arc<dyn Settle>>,
    settings: HttpSettings,
    mut stop: watch::Receiver<bool>,
) {
    let drain_timeout = settings.drain_timeout;
    let mut connections = Connections::new(settings.max_connections);
    let endpoints = Endpoints::new(settings.platform, events);
    let server = Server {
        write_timeout: settings.write_timeout,
        drain_timeout,
        service: Arc::new(Service::new(dispatch, endpoints, &settings, stop.clone())),
        stop: stop.clone(),
    };
    loop {
        let room = connections.has_room();
        tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, source)) => server.begin(&mut connections, stream, Link::new(source)),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    connections.close_longest_idle();
                    time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = time::sleep(ACCEPT_PAUSE), if !room => {}
            () = connections.ended() => {}
        }
        connections.make_room();
    }
    let told = Instant::now();
    server.accept_the_rest(listener, &mut connections);
    let drained = async {
        connections.all_ended().await;
        server.service.idle().await;
    };
    if time::timeout_at(told + drain_timeout, drained)
        .await
        .is_err()
    {
        tracing::warn!(?drain_timeout, "stopped before all calls had finished");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What all connections share.
struct Server {
    service: Arc<Service>,
    write_timeout: Duration,
    drain_timeout: Duration,
    stop: watch::Receiver<bool>,
}

impl Server {
    fn begin(&self, connections: &mut Connections, stream: TcpStream, link: Link) {
        // Otherwise a reply may wait 40 ms for an acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let link = Arc::new(link);
        let graces = [HEAD_GRACE, IDLE_GRACE].map(|grace| grace.min(self.drain_timeout / 4));
        let socket = Socket::new(stream, Arc::clone(&link), self.write_timeout);
        let serving = connection(
            socket,
            Arc::clone(&link),
            Arc::clone(&self.service),
            self.stop.clone(),
            graces,
        );
        connections.add(link, serving);
    }

    /// Accepts the pending connections, and closes the listener.
    fn accept_the_rest(&self, listener: TcpListener, connections: &mut Connections) {
        let listener = match listener.into_std() {
            Ok(listener) => listener,
            Err(error) => {
                return tracing::warn!(%error, "pending connections could not be accepted");
            }
        };
        while connections.has_room() {
            let accepted = listener.accept().and_then(|(stream, source)| {
                stream.set_nonblocking(true)?;
                Ok((TcpStream::from_std(stream)?, source))
            });
            match accepted {
                Ok((stream, source)) => self.begin(connections, stream, Link::new(source)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    return tracing::warn!(%error, "a connection could not be accepted");
                }
            }
        }
    }
}

async fn connection(
    socket: Socket,
    link: Arc<Link>,
    service: Arc<Service>,
    mut stop: watch::Receiver<bool>,
    [head_grace, idle_grace]: [Duration; 2],
) {
    let answer = service_fn(|request: Request<Incoming>| {
        let (service, link) = (Arc::clone(&service), Arc::clone(&link));
        async move { Ok::<_, Infallible>(service.answer(request, &link).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(MAX_HEAD)
        // A client may close its sending side after its request, and still read the reply.
        .half_close(true)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(socket), answer);
    let done = async {
        tokio::select! {
            () = link.told_to_leave() => return,
            () = stopped(&mut stop) => {}
        }
        // From now on, replies close their connections. This loop closes connections on which no reply is pending.
        let told = Instant::now();
        loop {
            time::sleep(TICK).await;
            let grace = if link.has_begun() {
                head_grace
            } else {
                idle_grace
            };
            if link.is_idle() && told.elapsed() >= grace {
                return;
            }
        }
    };
    let (mut serving, done) = (pin!(serving), pin!(done));
    tokio::select! {
        biased;
        served = serving.as_mut() => if let Err(error) = served {
            tracing::debug!(%error, "a connection ended early");
        },
        () = done => tracing::debug!("a connection was closed"),
    }
}
