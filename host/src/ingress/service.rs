//! One HTTP request, from its head to its response. The HTTP server adds to [`Dispatch`] how and when a body is read, and
//! the memory that bodies take.

pub(super) mod deliveries;

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Version, header, request::Parts};
use http_body_util::Full;
use hyper::{
    Method, Request, Response,
    body::{Body as _, Bytes, Incoming},
};
use tokio::{sync::watch, time};
use twin_capabilities::function;
use twin_contract::MAX_PAGE_SENT;
use twin_tasks::DetachOnDrop;

use super::{HttpSettings, body, endpoints::Endpoints, link::Link};
use crate::dispatch::{Dispatch, Received, Refusal, Reply, unpack};

/// Answers requests.
pub(super) struct Service {
    dispatch: Arc<Dispatch>,
    endpoints: Endpoints,
    memory: body::Memory,
    replies: body::Memory,
    bodies: body::Reader,
    drain_timeout: Duration,
    stop: watch::Receiver<bool>,
}

impl Service {
    pub(super) fn new(
        dispatch: Arc<Dispatch>,
        endpoints: Endpoints,
        settings: &HttpSettings,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let memory = body::Memory::new(settings.body_memory);
        Self {
            dispatch,
            endpoints,
            bodies: body::Reader::new(memory.clone(), settings.body_timeout),
            memory,
            replies: body::Memory::new(settings.body_memory),
            drain_timeout: settings.drain_timeout,
            stop,
        }
    }

    /// Resolves when no call is in progress.
    pub(super) async fn idle(&self) {
        self.dispatch.idle().await;
    }

    /// Answers a request that came on this connection.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        link: &Link,
    ) -> Response<Full<Bytes>> {
        link.sent().await;
        let _answering = link.answer();
        let (mut head, body) = request.into_parts();
        let received = self.dispatch.receive(&mut head);
        let takes_bodies = head.method == Method::POST && received.is_for_a_function();
        let mut response = match names_its_host(&head) {
            Err(refusal) => {
                self.bodies.discard(body, expects_continue(&head));
                received.conclude(Err(refusal))
            }
            Ok(()) => match self.endpoints.find(&head, &self.dispatch) {
                Some(endpoint) => {
                    let source = link.source().ip();
                    received.conclude(self.deliver(endpoint, &head, body, source).await)
                }
                None => self.respond(received, head, body, link).await,
            },
        };
        let headers = response.headers_mut();
        if takes_bodies {
            // RFC 9110, 12.5.3: the codings that are accepted from now on.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if *self.stop.borrow() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(Full::new)
    }

    async fn respond(
        &self,
        mut received: Received,
        mut head: Parts,
        body: Incoming,
        link: &Link,
    ) -> Response<Bytes> {
        let source = Some(link.source().ip());
        let Some(admitted) = self.dispatch.admit(&mut received, &head, source).await else {
            self.bodies.discard(body, expects_continue(&head));
            let answer = self.dispatch.own(&received, &head, source).await;
            return received.conclude(answer.map(Reply::from));
        };
        let known = admitted.is_known();
        let memory = match self.memory(known, &mut head, body).await {
            Ok(memory) => memory,
            Err(refusal) => return received.conclude(Err(refusal)),
        };
        let Memory {
            body,
            share,
            reserved,
        } = memory;
        let call = self
            .dispatch
            .complete(&mut received, admitted, &head, body, None);
        // The head is most of a connection's memory, and would otherwise be kept while the call waits.
        drop(head);
        let (dispatch, replies) = (Arc::clone(&self.dispatch), self.replies.clone());
        // Runs to its end, even if the client disconnects earlier.
        DetachOnDrop::of(async move {
            let answer = dispatch.call(call).await;
            drop(share);
            received.conclude(answer.and_then(|response| counted(response, &replies, reserved)))
        })
        .await
    }

    /// The body of a request with its share of the memory for bodies, and the memory for its reply if that may be long.
    async fn memory(
        &self,
        known: bool,
        head: &mut Parts,
        body: Incoming,
    ) -> Result<Memory, Refusal> {
        let body::Body { bytes, share } = self.body(known, head, body).await?;
        // The number of queries at once is limited by the memory for pages. An unknown caller gets a short answer without
        // waiting.
        let reserved = if known && head.method == Method::GET {
            Some(self.replies.wait_for(MAX_PAGE_SENT).await?)
        } else {
            None
        };
        Ok(Memory {
            body: bytes,
            share,
            reserved,
        })
    }

    /// Reads and decompresses the body of a known caller. The component refuses all other callers before it uses the body,
    /// so their bodies take no memory and are not decompressed.
    async fn body(
        &self,
        known: bool,
        head: &mut Parts,
        body: Incoming,
    ) -> Result<body::Body, Refusal> {
        if !known && !body.is_end_stream() {
            self.bodies.discard(body, expects_continue(head));
            return Ok(body::Body::default());
        }
        let read = self
            .bodies
            .read(body, expects_continue(head), self.hurry())
            .await?;
        if !known {
            return Ok(read);
        }
        match unpack(&read.bytes, &mut head.headers)? {
            None => Ok(read),
            Some(bytes) => Ok(body::Body {
                share: self.memory.take(bytes.len())?,
                bytes,
            }),
        }
    }

    /// Resolves when half of the drain timeout is over; the other half is for processing the body.
    async fn hurry(&self) {
        let mut stop = self.stop.clone();
        // An error means that the sender is gone.
        let _ = stop.wait_for(|stop| *stop).await;
        time::sleep(self.drain_timeout / 2).await;
    }
}

/// The memory that a request for a function holds while it is answered.
struct Memory {
    body: Vec<u8>,
    /// Memory for the request's body.
    share: body::Share,
    /// Memory for the reply.
    reserved: Option<body::Share>,
}

/// A function's response, whose body is counted until the client has received it; `reserved` is the memory that was taken
/// for it. The host's own replies are not counted.
fn counted(
    response: function::Response,
    replies: &body::Memory,
    reserved: Option<body::Share>,
) -> Result<Reply, Refusal> {
    Ok(Reply {
        status: response.status,
        headers: response.headers,
        body: replies.reply(response.body, reserved)?,
    })
}

/// RFC 9112, 3.2: a request over HTTP/1.1 has exactly one `host` header.
fn names_its_host(head: &Parts) -> Result<(), Refusal> {
    let hosts = head.headers.get_all(header::HOST).iter().count();
    if hosts == 1 || (hosts == 0 && head.version < Version::HTTP_11) {
        return Ok(());
    }
    Err(Refusal::HostNotGiven)
}

/// Whether the client waits for `100 Continue` before it sends its body.
fn expects_continue(head: &Parts) -> bool {
    head.headers.contains_key(header::EXPECT)
}
