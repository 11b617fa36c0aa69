//! Functions that follow a script, for tests of their callers.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::function::{CallError, FunctionName, Functions, Request, Response, Verdict};

/// The outcome of a call.
pub(crate) type Outcome = Result<Response, CallError>;

type Script = dyn Fn(FunctionName, Request) -> BoxFuture<'static, Outcome> + Send + Sync;

/// Functions that answer as the script says.
pub(crate) struct Scripted {
    mounted: Vec<FunctionName>,
    script: Box<Script>,
}

impl Scripted {
    pub(crate) fn new<F, A>(mounted: &[FunctionName], script: F) -> Arc<Self>
    where
        F: Fn(FunctionName, Request) -> A + Send + Sync + 'static,
        A: Future<Output = Outcome> + Send + 'static,
    {
        Arc::new(Self {
            mounted: mounted.to_vec(),
            script: Box::new(move |function, request| Box::pin(script(function, request))),
        })
    }

    /// Functions that echo their request: a line with the short values, then the headers, then the verdict.
    pub(crate) fn echo(mounted: &[FunctionName]) -> Arc<Self> {
        Self::new(mounted, |function, request| async move {
            let Request {
                method,
                path,
                query,
                headers,
                body,
                time_left_ms,
                verdict,
            } = request;
            let mut text = format!(
                "{function} {method} {path} [{query}] {} {time_left_ms:?}\n",
                body.len()
            );
            headers
                .iter()
                .for_each(|(name, value)| text.push_str(&format!("{name}: {value}\n")));
            let verdict = match verdict {
                Verdict::Verified(caller) => format!("{} ({:?})", caller.name, caller.role),
                Verdict::Repeated(header) => format!("repeated {header}"),
                verdict => format!("{verdict:?}"),
            };
            text.push_str(&format!("verdict: {verdict}\n"));
            Ok(response(200, &text))
        })
    }
}

#[async_trait]
impl Functions for Scripted {
    fn is_mounted(&self, function: FunctionName) -> bool {
        self.mounted.contains(&function)
    }

    async fn call(&self, function: FunctionName, request: Request) -> Outcome {
        (self.script)(function, request).await
    }
}

/// A response without headers.
pub(crate) fn response(status: u16, body: &str) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: body.into(),
    }
}
