//! From a request to its response, whichever ingress received it: route, caller, call, refusals, metrics, and the count of
//! calls in progress.
//!
//! [`Dispatch::answer`] takes a request with its complete body. An ingress of a function platform needs nothing else. The
//! HTTP server ([`crate::ingress::http`]) takes the same steps one by one, because it reads a body only once the caller is
//! known, and limits the memory for bodies.

mod caller;
mod deliver;
mod query_key;
pub(crate) mod refusal;
mod reply;
mod request_id;
mod routes;
#[cfg(test)]
mod tests;
mod traced;
#[cfg(test)]
mod traced_tests;
mod unpack;

use std::{
    fmt, mem,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Response, request::Parts};
use hyper::body::Bytes;
use tokio::{sync::watch, time};
use twin_capabilities::{
    Verifier,
    credentials::Caller,
    function::{self, CallError, FunctionName, Functions, Verdict},
};
use twin_contract::{Access, Cloud};
pub use twin_telemetry::Exposition;

pub(crate) use self::{
    refusal::Refusal,
    reply::{Reply, json},
    unpack::{READ_AT_MOST, unpack},
};
use self::{
    reply::prometheus,
    routes::{Route, Routes},
    traced::Traced,
};
use crate::{
    config::Config,
    credentials,
    function::call,
    headers,
    telemetry::{
        metrics,
        trace::{self, Scope, Tracer},
    },
};

/// How long `/readyz` waits for an answer.
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the host can do its work.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// Succeeds if components are loaded and the store can be written. Peers do not count: a peer's outage does not make
    /// this host unready.
    ///
    /// # Errors
    /// What is missing, as a text for the caller.
    async fn ready(&self) -> Result<(), String>;
}

/// What dispatch needs to answer requests.
#[derive(Clone)]
pub struct DispatchSettings {
    /// This host's cloud: for metrics, and for the form of a key.
    pub cloud: Cloud,
    /// Empty, or with a leading slash and no trailing slash.
    pub route_prefix: String,
    /// Checks callers.
    pub verifier: Arc<dyn Verifier>,
    /// Checked for `/readyz`.
    pub readiness: Arc<dyn Readiness>,
    /// Shown at `/metrics`.
    pub metrics: Arc<dyn Exposition>,
    /// The time that a function has, unless the platform gives it less.
    pub function_deadline: Duration,
    /// Records the spans of requests; `None` to record none, and only pass on the trace that a caller names.
    pub tracer: Option<Arc<Tracer>>,
}

impl fmt::Debug for DispatchSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DispatchSettings")
            .field("cloud", &self.cloud)
            .field("route_prefix", &self.route_prefix)
            .field("function_deadline", &self.function_deadline)
            .finish_non_exhaustive()
    }
}

impl DispatchSettings {
    /// Takes the settings from the configuration.
    pub fn new(
        config: &Config,
        verifier: Arc<dyn Verifier>,
        readiness: Arc<dyn Readiness>,
    ) -> Self {
        Self {
            cloud: config.cloud,
            route_prefix: config.listen.route_prefix.clone(),
            verifier,
            readiness,
            metrics: Arc::new(metrics::Process::recorded()),
            function_deadline: config.delivery.function_deadline,
            tracer: None,
        }
    }
}

/// The response of a function or of the host, before HTTP.
type Answer = Result<function::Response, Refusal>;

/// Answers requests.
pub struct Dispatch {
    functions: Arc<dyn Functions>,
    settings: DispatchSettings,
    routes: Routes,
    stop: watch::Receiver<bool>,
    /// Every call holds a receiver, so the channel closes when all calls have ended.
    calls: watch::Sender<()>,
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Dispatch")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A request whose route is known.
pub(crate) struct Received {
    /// `None` if nothing is mounted at the path.
    route: Option<Route<String>>,
    cloud: Cloud,
    /// `x-request-id`.
    id: HeaderValue,
    started: Instant,
    trace: Traced,
}

/// A request for a function whose caller has been checked.
pub(crate) struct Admitted {
    function: FunctionName,
    path: String,
    verdict: Verdict,
    /// Dropped when the call ends.
    under_way: watch::Receiver<()>,
}

/// A complete request for a function.
pub(crate) struct Call {
    function: FunctionName,
    request: function::Request,
    scope: Option<Scope>,
    under_way: watch::Receiver<()>,
}

impl Dispatch {
    /// Answers for those of these functions that are mounted. When `stop` becomes true, the host is stopping and no longer
    /// ready.
    pub fn new(
        functions: Arc<dyn Functions>,
        mut settings: DispatchSettings,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let mounted = FunctionName::ALL
            .into_iter()
            .filter(|function| functions.is_mounted(*function))
            .collect();
        let prefix = mem::take(&mut settings.route_prefix);
        Self {
            functions,
            routes: Routes::new(prefix, mounted),
            settings,
            stop,
            calls: watch::Sender::new(()),
        }
    }

    /// Answers a request. A body in gzip is decompressed. `source` is the address of the client, if it is known; `limit` is
    /// how long the platform will wait, if that is shorter than the function's deadline.
    pub async fn answer(
        &self,
        head: Parts,
        body: Vec<u8>,
        source: Option<IpAddr>,
        limit: Option<Duration>,
    ) -> Response<Bytes> {
        self.answer_for(None, head, body, source, limit).await
    }

    /// The same for a caller that the platform has authenticated, if it has: then no credential is looked at.
    pub async fn answer_for(
        &self,
        caller: Option<Caller>,
        mut head: Parts,
        body: Vec<u8>,
        source: Option<IpAddr>,
        limit: Option<Duration>,
    ) -> Response<Bytes> {
        let mut received = self.receive(&mut head);
        let admitted = match caller {
            None => self.admit(&mut received, &head, source).await,
            Some(caller) => self.admit_as(&mut received, Verdict::Verified(caller)),
        };
        let answer = match admitted {
            None => self.own(&received, &head, source).await,
            Some(admitted) => {
                // The component refuses an unknown caller before it uses the body.
                let body = match admitted.is_known() {
                    true => {
                        unpack(&body, &mut head.headers).map(|unpacked| unpacked.unwrap_or(body))
                    }
                    false => Ok(Vec::new()),
                };
                match body {
                    Ok(body) => {
                        let call = self.complete(&mut received, admitted, &head, body, limit);
                        self.call(call).await
                    }
                    Err(refusal) => Err(refusal),
                }
            }
        };
        received.conclude(answer.map(Reply::from))
    }

    /// Resolves when no call is in progress.
    pub async fn idle(&self) {
        self.calls.closed().await;
    }

    /// Whether a function is mounted here.
    pub(crate) fn mounts(&self, function: FunctionName) -> bool {
        self.functions.is_mounted(function)
    }

    /// The path of a request without the route prefix.
    pub(crate) fn path<'a>(&self, head: &'a Parts) -> &'a str {
        self.routes.strip(head.uri.path())
    }

    /// What counts as a call in progress until it is dropped.
    pub(crate) fn under_way(&self) -> watch::Receiver<()> {
        self.calls.subscribe()
    }

    /// Finds the route, and gives the request its id. On Azure, a key in the query becomes a header; on other clouds its
    /// value is removed.
    pub(crate) fn receive(&self, head: &mut Parts) -> Received {
        let started = Instant::now();
        let id = request_id::take(&mut head.headers);
        match self.settings.cloud {
            Cloud::Azure => query_key::take(head),
            Cloud::Aws | Cloud::Gcp => query_key::conceal(head),
        }
        let route = self.routes.find(head.uri.path());
        let route = route.map(Route::with_own_path);
        let trace = Traced::receive(self.settings.tracer.as_ref(), head, route.as_ref());
        Received {
            route,
            cloud: self.settings.cloud,
            id,
            started,
            trace,
        }
    }

    /// Checks the caller of a function, and takes its path out of `Received`; `None` if the request is not for a function.
    pub(crate) async fn admit(
        &self,
        received: &mut Received,
        head: &Parts,
        source: Option<IpAddr>,
    ) -> Option<Admitted> {
        if !received.is_for_a_function() {
            return None;
        }
        let _checking = self.under_way();
        let presented = headers::presented(&head.headers);
        let repeated = credentials::repeated(&presented);
        let caller = self.verify(head, presented, source).await;
        let verdict = repeated.map_or_else(|| caller.into(), Verdict::Repeated);
        self.admit_as(received, verdict)
    }

    /// The same with a verdict that is known.
    fn admit_as(&self, received: &mut Received, verdict: Verdict) -> Option<Admitted> {
        let Some(Route::Function(function, path)) = &mut received.route else {
            return None;
        };
        Some(Admitted {
            function: *function,
            path: mem::take(path),
            verdict,
            under_way: self.under_way(),
        })
    }

    /// Completes a request for a function, and begins its span. `body` is at most one byte longer than a body may be.
    pub(crate) fn complete(
        &self,
        received: &mut Received,
        admitted: Admitted,
        head: &Parts,
        body: Vec<u8>,
        limit: Option<Duration>,
    ) -> Call {
        let time_left = self.time_left(limit);
        let mut headers = headers::of_request(&head.headers);
        let scope = received.trace.begin(&mut headers, &body);
        Call {
            function: admitted.function,
            request: function::Request {
                method: head.method.as_str().to_owned(),
                path: admitted.path,
                query: head.uri.query().unwrap_or_default().to_owned(),
                headers,
                body,
                time_left_ms: u32::try_from(time_left.as_millis()).ok(),
                verdict: admitted.verdict,
            },
            scope,
            under_way: admitted.under_way,
        }
    }

    /// Calls the function. A panic ends only this call, not the task that made it.
    pub(crate) async fn call(&self, asked: Call) -> Answer {
        let Call {
            function,
            request,
            scope,
            under_way,
        } = asked;
        let in_flight = metrics::InFlight::new(self.settings.cloud, function);
        let answer = trace::within(scope, call(&*self.functions, function, request));
        let answer = AssertUnwindSafe(answer)
            .catch_unwind()
            .await
            .unwrap_or(Err(CallError::InstanceLost(function)));
        drop((in_flight, under_way));
        answer.map_err(Refusal::from)
    }

    /// Answers the host's own paths, and unknown ones.
    pub(crate) async fn own(
        &self,
        received: &Received,
        head: &Parts,
        source: Option<IpAddr>,
    ) -> Answer {
        match received.route {
            None | Some(Route::Function(..)) => Err(Refusal::NotFound),
            Some(_) if !matches!(head.method, Method::GET | Method::HEAD) => {
                Err(Refusal::MethodNotAllowed(["GET", "HEAD"]))
            }
            Some(Route::Health) => Ok(json(r#"{"status":"ok"}"#)),
            Some(Route::Ready) => self.ready().await,
            Some(Route::Metrics) => self.metrics(head, source).await,
        }
    }

    async fn ready(&self) -> Answer {
        if *self.stop.borrow() {
            return Err(Refusal::NotReady("the host is stopping".into()));
        }
        match time::timeout(READINESS_TIMEOUT, self.settings.readiness.ready()).await {
            Ok(Ok(())) => Ok(json(r#"{"status":"ready"}"#)),
            Ok(Err(missing)) => Err(Refusal::NotReady(missing)),
            Err(_) => Err(Refusal::NotReady("no answer in time".into())),
        }
    }

    async fn metrics(&self, head: &Parts, source: Option<IpAddr>) -> Answer {
        self.permit(head, source, Access::Operation).await?;
        Ok(prometheus(&self.settings.metrics.render().await))
    }
}

impl Received {
    /// Whether the request is for a function.
    pub(crate) const fn is_for_a_function(&self) -> bool {
        matches!(self.route, Some(Route::Function(..)))
    }

    /// Counts the answer, and turns it into an HTTP response.
    pub(crate) fn conclude(self, answer: Result<Reply, Refusal>) -> Response<Bytes> {
        let function = match self.route {
            Some(Route::Function(function, _)) => Some(function),
            _ => None,
        };
        let reply = answer.unwrap_or_else(|refusal| {
            if let Some(function) = function
                && refusal.is_overload()
            {
                metrics::overload(self.cloud, function);
            }
            refusal.response().into()
        });
        metrics::request(self.cloud, function, reply.status, self.started.elapsed());
        self.trace.end(reply.status);
        let mut response = reply.into_http();
        response.headers_mut().insert(request_id::HEADER, self.id);
        response
    }
}

impl Admitted {
    /// Whether the caller has a valid credential.
    pub(crate) const fn is_known(&self) -> bool {
        matches!(self.verdict, Verdict::Verified(_))
    }
}
