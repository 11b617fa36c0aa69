//! The forms of the platforms' queues, by the examples of the vendors' documentation; names of queues; rounds over queues in memory.

mod forms;
#[cfg(feature = "aws")]
mod lambda;
mod rounds;
mod sources;

use twin_capabilities::Undelivered;

/// A message with this content.
fn message(id: &str, body: &str) -> Undelivered {
    Undelivered {
        id: id.to_owned(),
        body: body.as_bytes().to_vec(),
        attributes: [].into(),
        since: Some(1_767_225_600_000_000),
        receipt: format!("receipt of {id}"),
    }
}
