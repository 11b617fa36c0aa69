//! The other functions of the twin, by name. A function never sees the URL or the key of a peer.

use std::time::Duration;

use async_trait::async_trait;
pub use twin_contract::Peer;

/// A request to a peer. The host adds the URL, and appends the query to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// Without the `?`; may be empty.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Sent uncompressed, or compressed for a peer that announces support.
    pub body: Vec<u8>,
}

/// The peer's reply, with any status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case; at least those that the contract reads.
    pub headers: Vec<(String, String)>,
    /// At most 2 MiB.
    pub body: Vec<u8>,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFailure {
    /// Nothing is bound to this name.
    #[error("no such peer is bound")]
    UnknownPeer,
    /// Name resolution, connection or TLS failed, or the connection broke.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// No complete reply in time.
    #[error("timed out")]
    TimedOut,
    /// The sending host lacks a resource, such as a file descriptor, memory or a free port. Nothing was sent, and the peer
    /// is not at fault.
    #[error("this side could not send: {0}")]
    Exhausted(String),
    /// The host cannot look up the peer's URL or credential now. The peer is not at fault.
    #[error("credentials unavailable: {0}")]
    CredentialsUnavailable(String),
    /// The host's configuration forbids this request.
    #[error("refused by policy: {0}")]
    RefusedByPolicy(String),
    /// Anything else, described for a log.
    #[error("{0}")]
    Other(String),
}

/// A request with its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The receiver.
    pub peer: Peer,
    /// The request.
    pub request: Request,
    /// The time limit of the attempt.
    pub timeout: Duration,
}

/// Sends to peers, wherever they run: over HTTP with the receiving cloud's credential, or in the same process.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait Peers: Send + Sync + 'static {
    /// Makes one attempt for each message, concurrently, without following redirects; the outcomes are in the same order.
    /// After a failure, it is not known whether the request arrived.
    async fn send(&self, messages: Vec<Outgoing>) -> Vec<Result<Reply, SendFailure>>;
}
