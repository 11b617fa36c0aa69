//! The connector: sends envelopes to the next layer, and keeps undeliverable ones as dead letters.
//!
//! `POST /telemetry`, `GET /dead-letters`, `GET` and `DELETE /dead-letters/{id}`, `POST /dead-letters/replay`.

mod circuit;
mod deliver;
mod letter_routes;
mod letters;
mod message;
mod replay;
mod telemetry;
mod views;

pub(crate) use views::Views;

use crate::{
    Call, Context, Request, Response,
    refused::{self, Refused},
    reply, worlds,
};

/// Answers a request.
pub async fn handle<C: worlds::Connector>(context: &Context<C>, request: Request) -> Response {
    let call = Call::of(context, &request);
    refused::response(answer(&call, request).await)
}

async fn answer<C: worlds::Connector>(
    call: &Call<'_, C>,
    request: Request,
) -> Result<Response, Refused> {
    let path = request.path.trim_end_matches('/');
    match path.strip_prefix("/dead-letters") {
        None if matches!(path, "" | "/telemetry") => telemetry::accept(call, request).await,
        Some("") => letter_routes::list(call, &request).await,
        Some("/replay") => replay::replay(call, &request).await,
        Some(rest) => match rest.strip_prefix('/') {
            Some(letter_id) if !letter_id.contains('/') => {
                letter_routes::one(call, &request, letter_id).await
            }
            _ => Err(reply::not_found().into()),
        },
        None => Err(reply::not_found().into()),
    }
}
