//! What a component may not send to a peer: anything that would name a receiver, a sender or a message other than the one
//! that the host sends.

use twin_contract::is_the_runtimes;

use crate::headers;
use twin_capabilities::peers::{Request, SendFailure};

/// Refuses methods other than GET and POST, and headers that the host sets.
pub(super) fn check(request: &Request) -> Result<(), SendFailure> {
    if !matches!(request.method.as_str(), "GET" | "POST") {
        return Err(SendFailure::RefusedByPolicy(
            "the method is neither GET nor POST".into(),
        ));
    }
    for (name, value) in &request.headers {
        let Some((parsed, _)) = headers::parse(name, value) else {
            return Err(SendFailure::RefusedByPolicy(format!(
                "invalid header {name:?}"
            )));
        };
        if is_the_runtimes(parsed.as_str()) {
            return Err(SendFailure::RefusedByPolicy(format!(
                "the header {parsed} is set by the host"
            )));
        }
    }
    Ok(())
}
