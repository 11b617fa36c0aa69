//! The connector, native: wraps what a device sent, and delivers it with retries and a breaker.

use std::{
    sync::PoisonError,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use twin_capabilities::peers::{Outgoing, Peer, SendFailure as NotSent};
use twin_contract::{MessageId, Post, Timestamp, digest, reply::Custody};
use twin_delivery::{Admission, Deadline, Mono, Next, Signal, Verdict};
use twin_host::function::{FunctionName, Request, Response};

use super::{Native, custody, error, gate, ingestion::post};

pub(super) async fn accept(native: &Native, request: Request) -> Result<Response, Response> {
    let started = tokio::time::Instant::now();
    let mono = || Mono::new(started.elapsed());
    gate::admit(native, &request)?;
    let given = gate::given_id(&request)?;
    let (id, envelope) = read(native, &request, given)?;
    let deadline = Deadline::new(
        Mono::default(),
        native.delivery.function_deadline,
        request
            .time_left_ms
            .map(|ms| Duration::from_millis(ms.into())),
        gate::header(&request, "x-twin-timeout-ms"),
    );
    for retries in 0.. {
        if native.breaker(|breaker| breaker.admit(mono())) == Admission::Refuse {
            break;
        }
        let timeout = deadline.attempt_timeout(mono(), native.delivery.attempt_timeout);
        let outgoing = post(&id, envelope.clone(), timeout);
        let sent = native
            .peers
            .of(FunctionName::Connector)
            .send(vec![Outgoing {
                peer: Peer::Ingestion,
                request: outgoing,
                timeout,
            }])
            .await
            .pop()
            .unwrap_or(Err(NotSent::UnknownPeer));
        native.breaker(|breaker| match Signal::of(&sent) {
            Signal::Success => breaker.on_success(),
            Signal::Failure => breaker.on_failure(mono(), false),
            Signal::Nothing => None,
        });
        match Verdict::of(&sent, timestamp()) {
            Verdict::Delivered { custody: by, id } => return Ok(custody(by, &id)),
            Verdict::Retryable { retry_after, .. } => {
                let left = deadline.time_left(mono());
                match native.delivery.retry.next(retries, retry_after, left, 0) {
                    Next::Wait(wait) => tokio::time::sleep(wait).await,
                    Next::GiveUp(_) => break,
                }
            }
            Verdict::Unbound
            | Verdict::Conflict
            | Verdict::Permanent { .. }
            | Verdict::Exhausted { .. } => break,
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
            let wrapped = device
                .wrap(
                    native.config.cloud,
                    None,
                    given,
                    timestamp(),
                    random,
                    digest,
                )
                .map_err(|error| gate::refused(&error))?;
            Ok((wrapped.id, wrapped.envelope.into_bytes()))
        }
    }
}

fn timestamp() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = now.unwrap_or_default().as_micros();
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(0))
}

impl Native {
    /// One process, so a lock does what the components do through `circuits`.
    fn breaker<T>(&self, act: impl FnOnce(&mut twin_delivery::Breaker) -> T) -> T {
        act(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
