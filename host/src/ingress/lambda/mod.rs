//! AWS Lambda: the custom runtime `provided.al2023`, whose program asks the runtime API for one invocation after the other.
//!
//! A request of API Gateway or of a function URL is answered like any other. An event is settled: what is to be delivered again
//! fails its invocation, because Lambda repeats an asynchronous invocation only after an error.

mod http;
pub(crate) mod invocation;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use ::http::{Uri, uri::Scheme};
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use self::{
    http::{Incoming, Outgoing},
    invocation::{Invocation, Message},
};
use super::events::{Event, Settle, Settlement};
use crate::{
    config::{Config, ConfigError},
    credentials::IamCaller,
    dispatch::Dispatch,
    host::{Assembled, HostError},
    runtime::Sandbox,
    telemetry::trace::Tracer,
    traces,
};

/// What is left of an invocation's time when the function must be done: for a dead letter that is stored last, and for the answer.
/// At its deadline the platform ends the process.
const MARGIN: Duration = Duration::from_millis(500);

/// What an answer needs at most to reach the runtime API.
const LAST_ANSWER: Duration = Duration::from_millis(100);

/// Answers invocations until `told_to_stop`.
///
/// # Errors
/// If the host does not start, or the runtime API cannot be used.
pub async fn run(
    sandbox: &Sandbox,
    config: Config,
    told_to_stop: impl Future<Output = ()>,
) -> Result<(), HostError> {
    check_environment(|name| std::env::var(name).ok())?;
    let inside = Assembled::open(sandbox, config).await?;
    let handler = Arc::new(Handler {
        callers: inside.config.iam_callers.clone(),
        dispatch: inside.dispatch.clone(),
        events: inside.events.clone(),
        tracer: inside.tracer.clone(),
    });
    tracing::info!(
        twin = inside.config.twin,
        cloud = inside.config.cloud.as_str(),
        functions = ?inside.config.functions,
        "ready"
    );
    let runtime = Runtime::new(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let handler = Arc::clone(&handler);
        async move {
            let deadline = event.context.deadline();
            let limit = left(deadline, SystemTime::now());
            let answer = handler.answer(event.payload.get(), limit).await;
            handler.flush_traces(deadline).await;
            answer
        }
    }));
    let ended = tokio::select! {
        ended = runtime.run() => ended.map_err(HostError::RuntimeApi),
        () = told_to_stop => Ok(()),
    };
    inside.stop(std::future::ready(())).await;
    ended
}

/// The runtime's library panics if Lambda has not set all of its variables, or if its address is none.
fn check_environment(value: impl Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
    const ADDRESS: &str = "AWS_LAMBDA_RUNTIME_API";
    const MEMORY: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
    let names = [
        ADDRESS,
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        MEMORY,
    ];
    for name in names {
        let Some(value) = value(name) else {
            return Err(ConfigError::Needed {
                variables: name,
                reason: "AWS_LAMBDA_RUNTIME_API is set, and Lambda sets both".into(),
            });
        };
        let expected = match name {
            ADDRESS if !is_address(&value) => {
                "the host and port of the runtime API, as Lambda sets it, or its http URL"
            }
            MEMORY if value.parse::<i32>().is_err() => {
                "the memory of the function in MB, as Lambda sets it"
            }
            _ => continue,
        };
        return Err(ConfigError::Invalid {
            variable: name,
            value: Some(value),
            expected: expected.into(),
        });
    }
    Ok(())
}

/// `cargo lambda` sets a URL with a path, Lambda a host and a port.
fn is_address(value: &str) -> bool {
    let uri = value.parse::<Uri>().ok();
    uri.is_some_and(|uri| {
        uri.authority().is_some() && uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP)
    })
}

/// How long a function may take.
fn left(deadline: SystemTime, now: SystemTime) -> Duration {
    let left = deadline.duration_since(now).unwrap_or_default();
    left.saturating_sub(MARGIN)
}

struct Handler {
    callers: Vec<IamCaller>,
    dispatch: Arc<Dispatch>,
    events: Arc<dyn Settle>,
    tracer: Option<Arc<Tracer>>,
}

/// The result of an invocation.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Response(Outgoing),
    #[serde(rename_all = "camelCase")]
    Failed {
        batch_item_failures: Vec<FailedItem>,
    },
    Nothing(()),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedItem {
    item_identifier: String,
}

/// An invocation that fails, and so is repeated or goes to the function's dead-letter queue.
#[derive(Debug)]
struct FailedInvocation {
    kind: &'static str,
    cause: String,
}

impl From<FailedInvocation> for Diagnostic {
    fn from(failed: FailedInvocation) -> Self {
        Self {
            error_type: failed.kind.to_owned(),
            error_message: failed.cause,
        }
    }
}

impl Handler {
    async fn answer(&self, payload: &str, limit: Duration) -> Result<Answer, FailedInvocation> {
        let invocation = Invocation::read(payload).map_err(|error| {
            tracing::error!(%error, "an invocation cannot be read");
            FailedInvocation {
                kind: "UnknownEvent",
                cause: error.to_string(),
            }
        })?;
        match invocation {
            Invocation::Request(request) => {
                Ok(Answer::Response(self.request(*request, limit).await))
            }
            Invocation::Event(event) => self.event(event, limit).await,
            Invocation::Queue(messages) => Ok(self.queue(messages, limit).await),
        }
    }

    /// Sends the spans of an invocation, for as long as its answer can wait: Lambda stops the process after the answer.
    async fn flush_traces(&self, deadline: SystemTime) {
        if let Some(tracer) = &self.tracer {
            let left = deadline.duration_since(SystemTime::now());
            let left = left.unwrap_or_default().saturating_sub(LAST_ANSWER);
            // Spans that are not sent by then are sent with those of the next invocation.
            let _ = timeout(left, traces::flush(tracer)).await;
        }
    }

    async fn request(&self, request: Incoming, limit: Duration) -> Outgoing {
        let Incoming {
            head,
            body,
            source,
            user_arn,
            format,
        } = request;
        let caller = user_arn.and_then(|arn| IamCaller::among(&self.callers, &arn));
        let answer = self
            .dispatch
            .answer_for(caller, head, body, source, Some(limit));
        Outgoing::new(answer.await, format)
    }

    async fn event(&self, event: Event, limit: Duration) -> Result<Answer, FailedInvocation> {
        match self.events.settle(event, Some(limit)).await {
            Settlement::Acknowledged | Settlement::Kept => Ok(Answer::Nothing(())),
            Settlement::Again(cause) => {
                tracing::warn!(cause, "an event is to be delivered again");
                Err(FailedInvocation {
                    kind: "EventNotTaken",
                    cause,
                })
            }
        }
    }

    /// One message after the other, because each is a delivery with its own retries. Those for which there is no time are
    /// delivered again.
    async fn queue(&self, messages: Vec<Message>, limit: Duration) -> Answer {
        let end = tokio::time::Instant::now() + limit;
        let mut batch_item_failures = Vec::new();
        for Message { id, event } in messages {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            let settlement = if left.is_zero() {
                Settlement::Again("the invocation has no time left".to_owned())
            } else {
                self.events.settle(event, Some(left)).await
            };
            if let Settlement::Again(cause) = settlement {
                tracing::warn!(cause, id, "a message of the queue is to be delivered again");
                batch_item_failures.push(FailedItem {
                    item_identifier: id,
                });
            }
        }
        Answer::Failed {
            batch_item_failures,
        }
    }
}

#[cfg(test)]
mod tests;
