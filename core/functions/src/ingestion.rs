//! The ingestion: receives envelopes for L2 and hands them on to L3. `POST /ingest`.
//!
//! It acknowledges nothing by itself: what the next hop says is what its caller hears.

use std::{cell::Cell, time::Duration};

use twin_contract::{
    Access, Envelope, Layer, MessageId,
    reply::{ID_REUSED, is_in_our_words},
};
use twin_delivery::{Deadline, Verdict, millis};
use twin_guest::{
    Function, Request, Response, clock,
    digest::sha256,
    events::{self, Incident, Severity},
    gate, log,
    peer::{self, Sent},
    reply, settings,
};

/// The function's name in system errors.
const COMPONENT: &str = "L2-Ingestion";

struct Ingestion;

impl Function for Ingestion {
    async fn handle(request: Request) -> Response {
        ingest(&request).await.unwrap_or_else(|response| response)
    }
}

/// The response is an `Err` where the request ended early.
async fn ingest(request: &Request) -> Result<Response, Response> {
    let arrived = clock::mono();
    gate::admit(request, &["POST"], Access::Data).await?;
    let given = gate::given_id(request)?;
    let settings = settings::for_request().await?;
    let envelope = Envelope::parse(&request.body)
        .and_then(|envelope| envelope.require_layer(Layer::L2).map(|()| envelope))
        .and_then(|envelope| envelope.forward(settings.cloud, Layer::L3))
        .map_err(|error| reply::refused(&error))?;
    // The id is of the bytes that came, so that a retry of the sender keeps it.
    let id = given.unwrap_or_else(|| MessageId::of_envelope(&request.body, sha256));
    let deadline = gate::deadline(request, arrived, &settings.delivery);
    Ok(hand_on(&id, envelope.as_bytes(), deadline).await)
}

thread_local! {
    /// Who is bound does not change while an instance lives, and asking costs as much as sending.
    static NO_CONNECTOR: Cell<bool> = const { Cell::new(false) };
}

/// To the connector beside this function, which retries and keeps dead letters; where there is none, once to the writer.
async fn hand_on(id: &MessageId, envelope: &[u8], deadline: Deadline) -> Response {
    let timeout = || deadline.attempt_timeout(clock::mono(), Duration::MAX);
    let sent = if NO_CONNECTOR.get() {
        Sent::Unbound
    } else {
        peer::post("connector", id, envelope, timeout()).await
    };
    let sent = match sent {
        // The connector's reply is this function's, unchanged, and what failed there was reported there.
        Sent::Reply(reply)
            if is_in_our_words(reply.status, &reply.body) && !is_about_us(reply.status) =>
        {
            return unchanged(reply);
        }
        Sent::Unbound => {
            NO_CONNECTOR.set(true);
            peer::post("writer", id, envelope, timeout()).await
        }
        sent => sent,
    };
    let response = answer_for(sent);
    if response.status >= 500 {
        events::report_shortage(COMPONENT, deadline, Some(envelope)).await;
        report(&response, envelope).await;
    }
    response
}

/// What the caller hears of the writer, or of a connector that did not answer. Replies are passed on in the contract's words
/// only; other replies, such as a gateway's, become an error of our own.
fn answer_for(sent: Sent) -> Response {
    let verdict = sent
        .outcome()
        .map(|outcome| Verdict::of(&outcome, clock::now()));
    match (verdict, sent) {
        (None, _) => reply::try_again("PEER_UNBOUND", "neither connector nor writer is bound here"),
        (Some(Verdict::Delivered { custody, id }), _) => reply::custody(custody, &id),
        (
            Some(Verdict::Permanent { .. } | Verdict::Conflict | Verdict::Retryable { .. }),
            Sent::Reply(reply),
        ) if is_in_our_words(reply.status, &reply.body) && !is_about_us(reply.status) => {
            unchanged(reply)
        }
        (
            Some(Verdict::Retryable {
                cause, retry_after, ..
            }),
            _,
        ) => unavailable(&cause, retry_after),
        (Some(Verdict::Exhausted { cause }), _) => unavailable(&cause, None),
        (Some(Verdict::Permanent { cause, .. }), _) => {
            log::warn("next hop refused", &[("cause", &cause)]);
            reply::error(502, "NEXT_HOP_REFUSED", &format!("the next hop: {cause}"))
        }
        (Some(Verdict::Conflict), _) => reply::error(409, ID_REUSED, "this id was used before"),
    }
}

/// 503, with the next hop's own wish when to come again, or a second.
fn unavailable(cause: &str, retry_after: Option<Duration>) -> Response {
    let seconds = retry_after.map_or(1, |wish| millis(wish).div_ceil(1_000));
    let seconds = seconds.max(1);
    log::warn("next hop not reached", &[("cause", cause)]);
    let message = format!("the next hop: {cause}");
    let response = reply::error(503, "NEXT_HOP_UNAVAILABLE", &message);
    reply::with_header(response, "retry-after", &seconds.to_string())
}

/// 401 and 403 of the next hop are about this cloud's credential, and none of the caller's business.
const fn is_about_us(status: u16) -> bool {
    matches!(status, 401 | 403)
}

fn unchanged(reply: twin_guest::bindings::peers::Reply) -> Response {
    let keep = |name: &str| matches!(name, "content-type" | "retry-after");
    Response {
        status: reply.status,
        headers: reply
            .headers
            .into_iter()
            .filter(|(name, _)| keep(name))
            .collect(),
        body: reply.body,
    }
}

async fn report(response: &Response, envelope: &[u8]) {
    events::publish_seldom(Incident {
        severity: Severity::Warning,
        component: COMPONENT,
        code: "HAND_ON_FAILED",
        message: &format!(
            "an envelope could not be handed on: HTTP {} to its sender, which keeps it",
            response.status
        ),
        payload: Some(envelope),
    })
    .await;
}

twin_guest::export_function!(Ingestion);
