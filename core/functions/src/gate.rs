//! The entry of every request: method, credential, size, coding and identity are checked here, in this order, on every
//! runtime.

use std::time::Duration;

use twin_capabilities::{
    credentials::{Caller, Denied, Presented},
    function::{Request, Verdict},
};
use twin_contract::{
    Access, ContractError, ErrorCode, HeaderForm, MAX_BODY, MessageId, refuse_codings,
};
use twin_delivery::{Deadline, DeliverySettings, Mono};

use crate::{Call, refused::Refused, reply, worlds::Portable};

/// Headers that affect how a request is handled, and so must not be repeated.
const SINGLE: [&str; 5] = [
    "authorization",
    "idempotency-key",
    "x-api-key",
    "x-functions-key",
    "x-twin-timeout-ms",
];

/// Admits a request, or returns the response that refuses it. `methods` are those that the route allows, `access` is the
/// access that it gives.
///
/// # Errors
/// The response to send: 405, 400 (a repeated header), 401, 403, 503 (credentials cannot be checked now), 413 or
/// 415.
pub(crate) async fn admit<C: Portable>(
    call: &Call<'_, C>,
    request: &Request,
    methods: &[&str],
    access: Access,
) -> Result<Caller, Refused> {
    if !methods.contains(&request.method.as_str()) {
        return Err(reply::method_not_allowed(&methods.join(", ")).into());
    }
    for name in SINGLE {
        if headers(request, name).nth(1).is_some() || request.verdict.is_repeated(name) {
            return Err(ContractError::HeaderRepeated(name.to_owned()).into());
        }
    }
    let caller = caller(call, request).await?;
    if !caller.role.opens(access) {
        return Err(reply::error(ErrorCode::Forbidden, access.refusal()).into());
    }
    let announced = header(request, "content-length").and_then(|text| text.parse::<u64>().ok());
    if request.body.len() > MAX_BODY || announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(ContractError::BodyTooLarge.into());
    }
    // The native host has already decoded what it supports; a function cannot read a body that is still coded.
    if !request.body.is_empty() {
        refuse_codings(headers(request, "content-encoding"))?;
    }
    Ok(caller)
}

/// The time by which a request that came at `arrived` must be answered.
pub(crate) fn deadline(request: &Request, arrived: Mono, settings: &DeliverySettings) -> Deadline {
    let left = request.time_left_ms;
    let left = left.map(|ms| Duration::from_millis(ms.into()));
    let patience = header(request, "x-twin-timeout-ms");
    Deadline::new(arrived, settings.function_deadline, left, patience)
}

/// The id that the sender gave, if any.
///
/// # Errors
/// If it is not valid.
pub(crate) fn given_id(request: &Request) -> Result<Option<MessageId>, ContractError> {
    header(request, "idempotency-key")
        .map(MessageId::parse)
        .transpose()
}

/// The first value of a header; `name` in lower case.
pub(crate) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    headers(request, name).next()
}

fn headers<'a>(request: &'a Request, name: &str) -> impl Iterator<Item = &'a str> {
    let all = request.headers.iter();
    all.filter_map(move |(header, value)| (header == name).then_some(value.as_str()))
}

/// The credentials of a caller that has not been checked yet. Other headers are left out: passing them costs time.
fn presented(request: &Request) -> Presented {
    let path_with_query = if request.query.is_empty() {
        request.path.clone()
    } else {
        format!("{}?{}", request.path, request.query)
    };
    let headers = request.headers.iter();
    Presented {
        method: request.method.clone(),
        path_with_query,
        headers: headers
            .filter(|(name, _)| HeaderForm::is_credential(name))
            .cloned()
            .collect(),
    }
}

/// The caller, by the host's verdict. The verifier decides if the host has not checked the request.
async fn caller<C: Portable>(call: &Call<'_, C>, request: &Request) -> Result<Caller, Refused> {
    let verified = match &request.verdict {
        Verdict::Verified(caller) => Ok(caller.clone()),
        Verdict::Missing => Err(Denied::Missing),
        Verdict::Wrong => Err(Denied::Wrong),
        // The header carries credentials for the host, although this build does not know it.
        Verdict::Repeated(header) => {
            return Err(ContractError::HeaderRepeated(header.clone()).into());
        }
        Verdict::Unavailable(cause) => Err(Denied::Unavailable(cause.clone())),
        Verdict::Unchecked => call.capabilities().verify(presented(request)).await,
    };
    verified.map_err(|denied| refusal(call, denied))
}

fn refusal<C: Portable>(call: &Call<'_, C>, denied: Denied) -> Refused {
    Refused(match denied {
        Denied::Missing => reply::error(
            ErrorCode::Unauthorized,
            "no credential in the form that this cloud takes",
        ),
        Denied::Wrong => reply::error(ErrorCode::Forbidden, "the credential is not valid"),
        Denied::Unavailable(cause) | Denied::Other(cause) => {
            call.error("credentials cannot be checked", &[("cause", &cause)]);
            reply::try_again(
                ErrorCode::CredentialsUnavailable,
                "credentials cannot be checked now",
            )
        }
    })
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
