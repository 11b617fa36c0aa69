//! Asking a remote reader, with the connector's retries: a query is safe to repeat.

use twin_contract::{is_page, reply::error_code};
use twin_delivery::{Next, Verdict};
use twin_guest::{
    Request, Response, clock, events, gate, log,
    peer::{self, Sent},
    reply, settings,
};

/// Asks the peer `reader`. None if there is none, and this function's own store is to answer.
///
/// # Errors
/// The response if no reader could be asked: 503.
pub(crate) async fn ask(request: &Request) -> Result<Option<Response>, Response> {
    let arrived = clock::mono();
    let settings = settings::for_request().await?.delivery;
    let deadline = gate::deadline(request, arrived, &settings);
    let mut retries = 0;
    loop {
        let timeout = deadline.attempt_timeout(clock::mono(), settings.attempt_timeout);
        let sent = peer::get("reader", &request.query, timeout).await;
        let Some(outcome) = sent.outcome() else {
            return Ok(None);
        };
        let verdict = Verdict::of(&outcome, clock::now());
        let wish = match &verdict {
            Verdict::Retryable { retry_after, .. } => Some(*retry_after),
            Verdict::Exhausted { .. } => Some(None),
            _ => None,
        };
        if let Some(retry_after) = wish {
            let left = deadline.time_left(clock::mono());
            let random = clock::random_u64();
            if let Next::Wait(span) = settings.retry.next(retries, retry_after, left, random) {
                clock::sleep(span).await;
                retries += 1;
                continue;
            }
        }
        let response = pass_on(sent, &verdict);
        if response.status >= 500 {
            events::report_shortage(crate::COMPONENT, deadline, None).await;
        }
        return Ok(Some(response));
    }
}

/// What the caller hears. Pages, and its own mistakes, come back as the remote reader put them, in the contract's words only;
/// what is wrong between the two is a 5xx in ours.
fn pass_on(sent: Sent, verdict: &Verdict) -> Response {
    let cause = match verdict {
        Verdict::Retryable { cause, .. }
        | Verdict::Exhausted { cause }
        | Verdict::Permanent { cause, .. } => cause,
        Verdict::Delivered { .. } | Verdict::Conflict => "no answer to a query",
    };
    match sent {
        Sent::Reply(reply) if is_answer(reply.status, &reply.body) => {
            reply::json(reply.status, reply.body)
        }
        _ => {
            log::error("remote reader did not answer", &[("cause", cause)]);
            let message = format!("the remote reader: {cause}");
            match verdict {
                Verdict::Retryable { .. } | Verdict::Exhausted { .. } => {
                    reply::try_again("REMOTE_READER_UNAVAILABLE", &message)
                }
                _ => reply::error(502, "REMOTE_READER_REFUSED", &message),
            }
        }
    }
}

/// Whether a reply answers the query: a page, or what is wrong with the query, in the contract's words.
fn is_answer(status: u16, body: &[u8]) -> bool {
    match status {
        200 => is_page(body),
        400 | 404 | 413 | 414 => error_code(body).is_some(),
        _ => false,
    }
}
