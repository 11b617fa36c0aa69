//! Asking a remote reader, with the connector's retries: a query is safe to repeat.

use twin_contract::reply::is_json;
use twin_delivery::{Deadline, DeliverySettings, Next, Verdict};
use twin_guest::{
    Request, Response, clock, gate, log,
    peer::{self, Sent},
    reply, settings,
};

/// Asks the peer `reader`. None if there is none, and this function's own store is to answer.
///
/// # Errors
/// The response to send where nobody could be asked: 503.
pub(crate) async fn ask(request: &Request) -> Result<Option<Response>, Response> {
    let arrived = clock::mono_ms();
    let settings = settings::for_request().await?;
    let DeliverySettings {
        retry,
        function_deadline_ms,
        attempt_timeout_ms,
        ..
    } = settings.delivery;
    let header = gate::header(request, "x-twin-timeout-ms");
    let deadline = Deadline::new(arrived, function_deadline_ms, request.time_left_ms, header);
    let mut retries = 0;
    loop {
        let timeout_ms = deadline.attempt_timeout(clock::mono_ms(), attempt_timeout_ms);
        let sent = peer::get("reader", &request.query, timeout_ms).await;
        let unix_seconds = u64::try_from(clock::now().as_micros() / 1_000_000).unwrap_or(0);
        let Some(outcome) = sent.outcome() else {
            return Ok(None);
        };
        let verdict = Verdict::of(&outcome, unix_seconds);
        if let Verdict::Retryable { retry_after_ms, .. } = verdict {
            let left = deadline.time_left(clock::mono_ms());
            if let Next::Wait(ms) = retry.next(retries, retry_after_ms, left, clock::random_u64()) {
                clock::sleep_ms(ms).await;
                retries += 1;
                continue;
            }
        }
        return Ok(Some(pass_on(sent, &verdict)));
    }
}

/// What the caller hears. Its own mistakes come back as the remote reader put them; ours and the network's are 5xx.
fn pass_on(sent: Sent, verdict: &Verdict) -> Response {
    let cause = match verdict {
        Verdict::Retryable { cause, .. } | Verdict::Permanent { cause, .. } => cause,
        Verdict::Delivered { .. } | Verdict::Conflict => "no answer to a query",
    };
    match sent {
        Sent::Reply(reply)
            if matches!(reply.status, 200 | 400 | 404 | 413 | 414) && is_json(&reply.body) =>
        {
            reply::json(reply.status, reply.body)
        }
        _ => {
            log::error("remote reader did not answer", &[("cause", cause)]);
            let message = format!("the remote reader: {cause}");
            match verdict {
                Verdict::Retryable { .. } => {
                    reply::try_again("REMOTE_READER_UNAVAILABLE", &message)
                }
                _ => reply::error(502, "REMOTE_READER_REFUSED", &message),
            }
        }
    }
}
