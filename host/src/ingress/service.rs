//! One HTTP request, from its head to its response.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use http::{header, request::Parts};
use http_body_util::Full;
use hyper::{
    Method, Request, Response,
    body::{Body as _, Bytes, Incoming},
};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time,
};
use twin_contract::{Access, Cloud};

use super::{
    IngressSettings, body,
    outliving::Outliving,
    refusal::Refusal,
    response,
    routes::{Route, Routes},
};
use crate::{
    bindings::credentials::Denied,
    function::{self, CallError, FunctionName, Functions},
    headers,
    telemetry::metrics,
};

/// How long `/readyz` waits for an answer.
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers requests.
pub(super) struct Service {
    functions: Arc<dyn Functions>,
    settings: IngressSettings,
    routes: Routes,
    bodies: body::Reader,
    stop: watch::Receiver<bool>,
    /// Every call holds a receiver: it closes when all have ended.
    calls: watch::Sender<()>,
}

type Answer = Result<function::Response, Refusal>;

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
        Self {
            functions,
            routes: Routes::new(prefix, mounted),
            bodies: body::Reader::new(settings.body_memory, settings.body_timeout),
            settings,
            stop,
            calls: watch::Sender::new(()),
        }
    }

    /// Resolves when no call is under way.
    pub(super) async fn idle(&self) {
        self.calls.closed().await;
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let response = match self.routes.find(head.uri.path()) {
            Some(Route::Function(function, path)) => {
                match self.function_request(path, &head, body).await {
                    Ok((request, share)) => {
                        // Most of a connection's memory, and it would stay for as long as the call waits.
                        drop(head);
                        self.call(function, request, share, started).await
                    }
                    Err(refusal) => conclude(self.settings.cloud, function, Err(refusal), started),
                }
            }
            own => {
                self.bodies.discard(body, expects_continue(&head));
                let response = self
                    .own(own, &head)
                    .await
                    .unwrap_or_else(|refusal| refusal.response());
                metrics::request(
                    self.settings.cloud,
                    None,
                    response.status,
                    started.elapsed(),
                );
                response
            }
        };
        response::to_http(response)
    }

    /// Answers on the host's own paths, and where there is nothing.
    async fn own(&self, route: Option<Route<'_>>, head: &Parts) -> Answer {
        match route {
            None | Some(Route::Function(..)) => Err(Refusal::NotFound),
            Some(_) if !matches!(head.method, Method::GET | Method::HEAD) => {
                Err(Refusal::MethodNotAllowed)
            }
            Some(Route::Health) => Ok(response::json(r#"{"status":"ok"}"#)),
            Some(Route::Ready) => self.ready().await,
            Some(Route::Metrics) => self.metrics(head).await,
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

    async fn metrics(&self, head: &Parts) -> Answer {
        match self
            .settings
            .credentials
            .may_operate(&headers::of_request(&head.headers))
        {
            Ok(true) => Ok(response::prometheus(&self.settings.metrics.render().await)),
            Ok(false) => Err(Refusal::CredentialForOther(Access::Operation)),
            Err(Denied::Missing) => Err(Refusal::CredentialMissing),
            Err(_) => Err(Refusal::CredentialWrong),
        }
    }

    /// What a function is asked, with the share of the memory for bodies that it takes.
    async fn function_request(
        &self,
        path: &str,
        head: &Parts,
        body: Incoming,
    ) -> Result<(function::Request, Option<OwnedSemaphorePermit>), Refusal> {
        let headers = headers::of_request(&head.headers);
        let body = self.body(&headers, head, body).await?;
        let request = function::Request {
            method: head.method.as_str().to_owned(),
            path: path.to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers,
            body: body.bytes,
            time_left_ms: u32::try_from(self.settings.function_deadline.as_millis()).ok(),
        };
        Ok((request, body.share))
    }

    async fn call(
        &self,
        function: FunctionName,
        request: function::Request,
        share: Option<OwnedSemaphorePermit>,
        started: Instant,
    ) -> function::Response {
        let cloud = self.settings.cloud;
        let functions = Arc::clone(&self.functions);
        // What the call holds until its end, which a client that goes away does not hasten.
        let held = (
            share,
            self.calls.subscribe(),
            metrics::InFlight::new(cloud, function),
        );
        let call = async move {
            // A panic is the end of this call, and not of the connection.
            let answer = AssertUnwindSafe(functions.call(function, request))
                .catch_unwind()
                .await
                .unwrap_or(Err(CallError::InstanceLost(function)));
            drop(held);
            conclude(cloud, function, answer.map_err(Refusal::from), started)
        };
        Outliving::of(call).await
    }

    /// Reads the body of a caller who is let in. All others the component refuses before it looks at the body: they get
    /// to fill no memory.
    async fn body(
        &self,
        headers: &[(String, String)],
        head: &Parts,
        body: Incoming,
    ) -> Result<body::Body, Refusal> {
        if body.is_end_stream() || self.settings.credentials.lets_in(headers) {
            return self.bodies.read(body, expects_continue(head)).await;
        }
        self.bodies.discard(body, expects_continue(head));
        Ok(body::Body::default())
    }
}

/// Whether the client waits for `100 Continue` before it sends its body.
fn expects_continue(head: &Parts) -> bool {
    head.headers.contains_key(header::EXPECT)
}

/// Measures an answer and puts it into the form of a response.
fn conclude(
    cloud: Cloud,
    function: FunctionName,
    answer: Answer,
    started: Instant,
) -> function::Response {
    let response = answer.unwrap_or_else(|refusal| {
        if refusal.is_overload() {
            metrics::overload(cloud, function);
        }
        refusal.response()
    });
    metrics::request(cloud, Some(function), response.status, started.elapsed());
    response
}
