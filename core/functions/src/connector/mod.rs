//! The connector: sends envelopes to the next layer, and keeps what it could not deliver.
//!
//! `POST /telemetry`, `GET /dead-letters`, `GET` and `DELETE /dead-letters/{id}`, `POST /dead-letters/replay`.

mod circuit;
mod deliver;
mod letter_routes;
mod letters;
mod replay;
mod telemetry;

use twin_guest::{Function, Request, Response, reply};

struct Connector;

impl Function for Connector {
    async fn handle(request: Request) -> Response {
        let path = request.path.trim_end_matches('/');
        let answered = match path.strip_prefix("/dead-letters") {
            None if matches!(path, "" | "/telemetry") => telemetry::accept(&request).await,
            Some("") => letter_routes::list(&request).await,
            Some("/replay") => replay::replay(&request).await,
            Some(rest) => match rest.strip_prefix('/') {
                Some(letter_id) if !letter_id.contains('/') => {
                    letter_routes::one(&request, letter_id).await
                }
                _ => Err(reply::not_found()),
            },
            None => Err(reply::not_found()),
        };
        answered.unwrap_or_else(|response| response)
    }
}

twin_guest::export_function!(Connector);
