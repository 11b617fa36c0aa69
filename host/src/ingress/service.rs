//! One HTTP request, from its head to its response.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Version, header, request::Parts};
use http_body_util::Full;
use hyper::{
    Method, Request, Response,
    body::{Body as _, Bytes, Incoming},
};
use tokio::{sync::watch, time};
use twin_contract::{Access, Cloud, MAX_PAGE_SENT};
use twin_tasks::DetachOnDrop;

use super::{
    IngressSettings, body,
    link::Link,
    query_key,
    refusal::Refusal,
    request_id,
    response::{self, Reply},
    routes::{Route, Routes},
    unpack,
};
use crate::{
    credentials,
    function::{self, CallError, FunctionName, Functions},
    headers,
    telemetry::metrics,
};
use twin_capabilities::credentials::Denied;

/// How long `/readyz` waits for an answer.
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers requests.
pub(super) struct Service {
    functions: Arc<dyn Functions>,
    settings: IngressSettings,
    routes: Routes,
    memory: body::Memory,
    replies: body::Memory,
    bodies: body::Reader,
    stop: watch::Receiver<bool>,
    /// Every call holds a receiver: it closes when all have ended.
    calls: watch::Sender<()>,
}

type Answer = Result<function::Response, Refusal>;

/// The request for a function, with the memory that it takes.
struct Asked {
    request: function::Request,
    /// Of the memory for replies.
    reserved: Option<body::Share>,
    /// Of the memory for bodies of requests.
    share: body::Share,
}

impl Service {
    pub(super) fn new(
        functions: Arc<dyn Functions>,
        mut settings: IngressSettings,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let mounted = FunctionName::ALL
            .into_iter()
            .filter(|function| functions.is_mounted(*function))
            .collect();
        let prefix = std::mem::take(&mut settings.route_prefix);
        let memory = body::Memory::new(settings.body_memory);
        Self {
            functions,
            routes: Routes::new(prefix, mounted),
            bodies: body::Reader::new(memory.clone(), settings.body_timeout),
            memory,
            replies: body::Memory::new(settings.body_memory),
            settings,
            stop,
            calls: watch::Sender::new(()),
        }
    }

    /// Resolves when no call is in progress.
    pub(super) async fn idle(&self) {
        self.calls.closed().await;
    }

    /// Answers a request that came on this connection.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        link: &Link,
    ) -> Response<Full<Bytes>> {
        link.sent().await;
        let _answering = link.answer();
        let started = Instant::now();
        let (mut head, body) = request.into_parts();
        let id = request_id::take(&mut head.headers);
        match self.settings.cloud {
            Cloud::Azure => query_key::take(&mut head),
            Cloud::Aws | Cloud::Gcp => query_key::conceal(&mut head),
        }
        let route = self.routes.find(head.uri.path());
        let takes_bodies =
            head.method == Method::POST && matches!(route, Some(Route::Function(..)));
        let reply = match route {
            Some(Route::Function(function, path)) => {
                let path = path.to_owned();
                let request = self.function_request(path, &mut head, body, link).await;
                // Most of a connection's memory, which would otherwise be kept while the call waits.
                drop(head);
                match request {
                    Ok(asked) => self.call(function, asked, started).await,
                    Err(refusal) => {
                        let cloud = self.settings.cloud;
                        let answer = Err(refusal);
                        conclude(cloud, &self.replies, function, answer, None, started)
                    }
                }
            }
            own => {
                self.bodies.discard(body, expects_continue(&head));
                let response = self
                    .own(own, &head, link)
                    .await
                    .unwrap_or_else(|refusal| refusal.response());
                let status = response.status;
                metrics::request(self.settings.cloud, None, status, started.elapsed());
                response.into()
            }
        };
        let mut response = response::to_http(reply);
        let headers = response.headers_mut();
        headers.insert(request_id::HEADER, id);
        if takes_bodies {
            // RFC 9110, 12.5.3: the codings that are accepted from now on.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if *self.stop.borrow() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Answers on the host's own paths, and on unknown ones.
    async fn own(&self, route: Option<Route<'_>>, head: &Parts, link: &Link) -> Answer {
        names_its_host(head)?;
        match route {
            None | Some(Route::Function(..)) => Err(Refusal::NotFound),
            Some(_) if !matches!(head.method, Method::GET | Method::HEAD) => {
                Err(Refusal::MethodNotAllowed)
            }
            Some(Route::Health) => Ok(response::json(r#"{"status":"ok"}"#)),
            Some(Route::Ready) => self.ready().await,
            Some(Route::Metrics) => self.metrics(head, link).await,
        }
    }

    async fn ready(&self) -> Answer {
        if *self.stop.borrow() {
            return Err(Refusal::NotReady("the host is stopping".into()));
        }
        match time::timeout(READINESS_TIMEOUT, self.settings.readiness.ready()).await {
            Ok(Ok(())) => Ok(response::json(r#"{"status":"ready"}"#)),
            Ok(Err(missing)) => Err(Refusal::NotReady(missing)),
            Err(_) => Err(Refusal::NotReady("no answer in time".into())),
        }
    }

    async fn metrics(&self, head: &Parts, link: &Link) -> Answer {
        let presented = headers::presented(&head.headers);
        let operator = self.settings.credentials.may_operate(&presented);
        match watched(self.settings.cloud, operator, &head.headers, link) {
            Ok(true) => Ok(response::prometheus(&self.settings.metrics.render().await)),
            Ok(false) => Err(Refusal::CredentialForOther(Access::Operation)),
            Err(Denied::Missing) => Err(Refusal::CredentialMissing),
            Err(_) => Err(Refusal::CredentialWrong),
        }
    }

    /// The request for a function, with its share of the memory for bodies.
    async fn function_request(
        &self,
        path: String,
        head: &mut Parts,
        body: Incoming,
        link: &Link,
    ) -> Result<Asked, Refusal> {
        if let Err(refusal) = names_its_host(head) {
            self.bodies.discard(body, expects_continue(head));
            return Err(refusal);
        }
        let presented = headers::presented(&head.headers);
        let caller = self.settings.credentials.verify(&presented);
        let caller = watched(self.settings.cloud, caller, &head.headers, link);
        let known = caller.is_ok();
        let verdict = credentials::verdict(caller, &presented);
        let body = self.body(known, head, body).await?;
        let request = function::Request {
            method: head.method.as_str().to_owned(),
            path,
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: headers::of_request(&head.headers),
            body: body.bytes,
            time_left_ms: u32::try_from(self.settings.function_deadline.as_millis()).ok(),
            verdict,
        };
        // As many queries run at once as there is memory for pages. An unknown caller gets a short answer without waiting.
        let reserved = if known && head.method == Method::GET {
            Some(self.replies.wait_for(MAX_PAGE_SENT).await?)
        } else {
            None
        };
        Ok(Asked {
            request,
            reserved,
            share: body.share,
        })
    }

    async fn call(
        &self,
        function: FunctionName,
        Asked {
            request,
            share,
            reserved,
        }: Asked,
        started: Instant,
    ) -> Reply {
        let (cloud, replies) = (self.settings.cloud, self.replies.clone());
        let functions = Arc::clone(&self.functions);
        // What the call holds until its end, even if the client disconnects earlier.
        let held = (
            share,
            self.calls.subscribe(),
            metrics::InFlight::new(cloud, function),
        );
        let call = async move {
            // A panic ends this call, but not the connection.
            let answer = AssertUnwindSafe(functions.call(function, request))
                .catch_unwind()
                .await
                .unwrap_or(Err(CallError::InstanceLost(function)));
            drop(held);
            let answer = answer.map_err(Refusal::from);
            conclude(cloud, &replies, function, answer, reserved, started)
        };
        DetachOnDrop::of(call).await
    }

    /// Reads and decompresses the body of a known caller. The component refuses all others before it uses the
    /// body, so their bodies take no memory and are not decompressed.
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
        if known {
            unpack::unpack(read, &mut head.headers, &self.memory)
        } else {
            Ok(read)
        }
    }

    /// Resolves when half of the drain timeout is over; the other half is for processing the body.
    async fn hurry(&self) {
        let mut stop = self.stop.clone();
        // An error means that the sender is gone.
        let _ = stop.wait_for(|stop| *stop).await;
        time::sleep(self.settings.drain_timeout / 2).await;
    }
}

/// The outcome of a check of credentials. A caller without a valid one is counted, and logged with its source.
fn watched<T>(
    cloud: Cloud,
    outcome: Result<T, Denied>,
    headers: &HeaderMap,
    link: &Link,
) -> Result<T, Denied> {
    if let Err(denied) = &outcome {
        let reason = match denied {
            Denied::Missing => "missing",
            _ => "wrong",
        };
        metrics::credential_refused(cloud, reason);
        tracing::warn!(
            source = %link.source().ip(),
            reason,
            request_id = request_id::of(headers),
            "a caller without a valid credential was refused"
        );
    }
    outcome
}

/// RFC 9112, 3.2: a request of HTTP/1.1 has one header `host`.
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

/// Records metrics for an answer, and converts it into a reply.
fn conclude(
    cloud: Cloud,
    replies: &body::Memory,
    function: FunctionName,
    answer: Answer,
    reserved: Option<body::Share>,
    started: Instant,
) -> Reply {
    let reply = answer
        .and_then(|response| Reply::new(response, replies, reserved))
        .unwrap_or_else(|refusal| {
            if refusal.is_overload() {
                metrics::overload(cloud, function);
            }
            refusal.response().into()
        });
    metrics::request(cloud, Some(function), reply.status, started.elapsed());
    reply
}
