//! Replies in the form of the contract.

use twin_capabilities::peers::Reply;
use twin_contract::reply::{Custody, ID_REUSED, error_body};

/// A reply without headers, except its content type.
pub fn reply(status: u16, body: &[u8]) -> Reply {
    reply_with(status, &[], body)
}

/// A reply with headers.
pub fn reply_with(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let json = ("content-type", "application/json");
    let all = headers.iter().chain([&json]);
    Reply {
        status,
        headers: all
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        body: body.to_vec(),
    }
}

/// 200.
pub fn received(id: &str) -> Reply {
    reply(200, &Custody::Received.body(id))
}

/// 202.
pub fn dead_lettered(id: &str) -> Reply {
    reply(202, &Custody::DeadLettered.body(id))
}

/// 409.
pub fn conflict() -> Reply {
    reply(409, &error_body(ID_REUSED, "some message"))
}

/// A gateway's reply instead of the peer's.
pub fn page(status: u16) -> Reply {
    reply(status, b"<html>A gateway's page</html>")
}

/// Any error.
pub fn error(status: u16) -> Reply {
    reply(status, &error_body("SOME_CODE", "some message"))
}
