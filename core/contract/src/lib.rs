//! The contract between the clouds, as plain data: no wasm, no I/O, no clock.
//!
//! All data that crosses between clouds is parsed, checked and written here: the inter-cloud [`Envelope`], device messages,
//! replies, system errors, dead letters and queries. The components and the host share this crate, so they cannot disagree.
//! Time, identity, randomness and the function that hashes a message ([`Sha256Hex`]) are arguments.
//!
//! # Example
//!
//! A device message becomes an envelope. It has a time of its own, so neither the time nor the random bytes are used:
//!
//! ```
//! use twin_contract::{Cloud, DeviceMessage, Envelope, Timestamp, digest};
//!
//! let body = br#"{"iotDeviceId": "sensor-1", "time": 1767225600, "temperature": 25.40}"#;
//! let message = DeviceMessage::parse(body)?;
//! let now = Timestamp::from_micros(0);
//! let wrapped = message.wrap(Cloud::Aws, None, None, now, [0; 10], digest)?;
//!
//! let envelope = Envelope::parse(wrapped.envelope.as_bytes())?;
//! assert_eq!(envelope.timestamp.as_micros(), 1_767_225_600_000_000);
//! assert_eq!(envelope.payload(), r#"{"device_id":"sensor-1","temperature":25.40}"#);
//! # Ok::<(), twin_contract::ContractError>(())
//! ```

mod cloud;
mod coding;
mod dead_letter;
mod device_message;
mod envelope;
mod error;
mod function;
mod identity;
mod json;
mod key;
mod letter_query;
mod page;
mod paging;
mod parameters;
mod peer;
mod platform_message;
mod query;
mod query_key;
pub mod registry;
mod replay_command;
pub mod reply;
mod request_id;
mod scan;
mod system_error;
mod text;
mod timestamp;
mod trace_context;

pub use cloud::{Cloud, Layer, MessageType};
pub use coding::{codings, refuse_codings, without_bom};
pub use dead_letter::{Attempt, DeadLetter, LetterPlace, letter_id};
pub use device_message::{DeviceMessage, Wrapped};
pub use envelope::{Envelope, Post};
pub use error::ContractError;
pub use function::{FunctionName, UnknownFunction};
pub use identity::{MessageId, Sha256Hex, digest, is_twin_name};
pub use json::JsonObject;
pub use key::{Access, HeaderForm, KeyRefusal, KeyRing, Known, Role, is_key, keys};
pub use letter_query::{DiscardReason, LetterQuery};
pub use page::{Item, Listing, Page, is_page};
pub use paging::{Fill, Place, Span, fill};
pub use parameters::{no_parameters, parameter};
pub use peer::{
    Peer, PeerVariables, UnknownPeer, cloud_of_host, is_hop_by_hop, is_read_in_replies,
    is_the_runtimes,
};
pub use platform_message::{OtherDevice, PlatformMessage};
pub use query::{Order, Position, Query};
pub use query_key::QueryKey;
pub use registry::{ErrorCode, EventCode};
pub use replay_command::{
    LetterSummary, ReplayCommand, ReplayFailure, ReplayMode, ReplayPreview, ReplayReport,
};
pub use request_id::{REQUEST_ID, is_request_id};
pub use system_error::{Severity, SystemError};
pub use timestamp::Timestamp;
pub use trace_context::{
    MessageTrace, SpanId, TRACEPARENT, TRACESTATE, TraceFlags, TraceId, TraceParent, TraceState,
};

/// The largest body that a function accepts, in bytes: 256 KiB.
pub const MAX_BODY: usize = 256 * 1024;
/// The longest device id, in bytes.
pub const MAX_DEVICE_ID: usize = 256;
/// How deep objects and arrays may nest. JSON parsers commonly stop at about 100 levels, and must be able to read a stored
/// message.
pub const MAX_DEPTH: usize = 64;
/// The size at which a page of results ends, in bytes, unless its first item is larger: 1 MiB.
pub const MAX_PAGE: usize = 1024 * 1024;

/// The largest page as it is sent, in bytes, if it has more than one item. The fields added to each of at most 1000 items
/// (its id and when it was stored) take less than a quarter of the page.
pub const MAX_PAGE_SENT: usize = MAX_PAGE + MAX_PAGE / 4;
/// The size to which `raw_data` of a system error is truncated, in bytes: 64 KiB.
pub const MAX_RAW_DATA: usize = 64 * 1024;
