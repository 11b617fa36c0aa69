//! The connector, native: wraps what a device sent, and delivers it with retries and a breaker.

use std::{
    sync::PoisonError,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use twin_contract::{MessageId, Post, Timestamp, digest, reply::Custody};
use twin_delivery::{Admission, Deadline, Next, Outcome, SendFailure, Signal, Verdict};
use twin_host::{
    bindings::peers::Failure,
    function::{FunctionName, Request, Response},
};

use super::{Native, custody, error, gate, ingestion::post};

pub(super) async fn accept(native: &Native, request: Request) -> Result<Response, Response> {
    let started = tokio::time::Instant::now();
    let mono = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    gate::admit(native, &request)?;
    let given = gate::given_id(&request)?;
    let (id, envelope) = read(native, &request, given)?;
    let deadline = Deadline::new(
        0,
        native.delivery.function_deadline_ms,
        request.time_left_ms,
        gate::header(&request, "x-twin-timeout-ms"),
    );
    for retries in 0.. {
        if native.breaker(|breaker| breaker.admit(mono())) == Admission::Refuse {
            break;
        }
        let timeout_ms = deadline.attempt_timeout(mono(), native.delivery.attempt_timeout_ms);
        let outgoing = post(&id, envelope.clone(), timeout_ms);
        let timeout = Duration::from_millis(timeout_ms.into());
        let sent = native
            .peers
            .send(
                FunctionName::Connector,
                "ingestion".to_owned(),
                outgoing,
                timeout,
            )
            .await;
        let outcome = match &sent {
            Ok(reply) => Outcome::Reply {
                status: reply.status,
                headers: &reply.headers,
                body: &reply.body,
            },
            Err(Failure::TimedOut) => Outcome::Failure(SendFailure::TimedOut),
            Err(failure) => Outcome::Failure(SendFailure::Unreachable(format!("{failure:?}"))),
        };
        native.breaker(|breaker| match Signal::of(&outcome) {
            Signal::Success => breaker.on_success(),
            Signal::Failure => breaker.on_failure(mono(), false),
            Signal::Nothing => None,
        });
        match Verdict::of(&outcome, now().as_secs()) {
            Verdict::Delivered { custody: by, id } => return Ok(custody(by, &id)),
            Verdict::Retryable { retry_after_ms, .. } => {
                let left = deadline.time_left(mono());
                match native.delivery.retry.next(retries, retry_after_ms, left, 0) {
                    Next::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                    Next::GiveUp(_) => break,
                }
            }
            Verdict::Conflict | Verdict::Permanent { .. } | Verdict::Exhausted { .. } => break,
        }
    }
    Err(error(
        503,
        Custody::DeadLettered.status().to_string().as_str(),
    ))
}

fn read(
    native: &Native,
    request: &Request,
    given: Option<MessageId>,
) -> Result<(MessageId, Vec<u8>), Response> {
    match Post::parse(&request.body).map_err(|error| gate::refused(&error))? {
        Post::Envelope(_) => {
            let id = given.unwrap_or_else(|| MessageId::of_envelope(&request.body, digest));
            Ok((id, request.body.clone()))
        }
        Post::Device(device) => {
            let mut random = [0; 10];
            random.copy_from_slice(uuid::Uuid::new_v4().as_bytes().split_at(10).0);
            let now = Timestamp::from_micros(i64::try_from(now().as_micros()).unwrap_or(0));
            let wrapped = device
                .wrap(native.config.cloud, None, given, now, random, digest)
                .map_err(|error| gate::refused(&error))?;
            Ok((wrapped.id, wrapped.envelope.into_bytes()))
        }
    }
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

impl Native {
    /// One process, so a lock does what the components do through `circuits`.
    fn breaker<T>(&self, act: impl FnOnce(&mut twin_delivery::Breaker) -> T) -> T {
        act(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
