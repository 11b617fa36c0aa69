//! Where every request enters: the checks of `twin_guest::gate`, in the same order.

use twin_capabilities::credentials::Denied;
use twin_contract::{ContractError, MAX_BODY, MessageId};
use twin_host::function::{Request, Response};

use super::{Native, error, json};

const SINGLE: [&str; 5] = [
    "authorization",
    "idempotency-key",
    "x-api-key",
    "x-functions-key",
    "x-twin-timeout-ms",
];

pub(super) fn admit(native: &Native, request: &Request) -> Result<(), Response> {
    if request.method != "POST" {
        return Err(error(405, "METHOD_NOT_ALLOWED"));
    }
    for name in SINGLE {
        if headers(request, name).nth(1).is_some() {
            return Err(refused(&ContractError::HeaderRepeated(name)));
        }
    }
    match native.credentials.verify(&request.headers) {
        Ok(_) => {}
        Err(Denied::Missing) => return Err(error(401, "UNAUTHORIZED")),
        Err(_) => return Err(error(403, "FORBIDDEN")),
    }
    if request.body.len() > MAX_BODY {
        return Err(refused(&ContractError::BodyTooLarge));
    }
    Ok(())
}

pub(super) fn given_id(request: &Request) -> Result<Option<MessageId>, Response> {
    header(request, "idempotency-key")
        .map(MessageId::parse)
        .transpose()
        .map_err(|error| refused(&error))
}

pub(super) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    headers(request, name).next()
}

fn headers<'a>(request: &'a Request, name: &str) -> impl Iterator<Item = &'a str> {
    let all = request.headers.iter();
    all.filter_map(move |(header, value)| (header == name).then_some(value.as_str()))
}

pub(super) fn refused(error: &ContractError) -> Response {
    json(error.status(), error.body())
}
