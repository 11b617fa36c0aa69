//! W3C Trace Context (<https://www.w3.org/TR/trace-context-2/>): the headers `traceparent` and `tracestate`, and how the
//! `trace_id` of an envelope (spec §3) names the same trace.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{MessageId, Post, Sha256Hex};

/// The header that names the trace and the sender's span.
pub const TRACEPARENT: &str = "traceparent";
/// The header with what tracing systems add.
pub const TRACESTATE: &str = "tracestate";

/// The most members of a `tracestate`.
const MAX_MEMBERS: usize = 32;
/// The longest `tracestate` that is passed on, in bytes.
const MAX_STATE: usize = 512;
/// The length of a `traceparent` of version 00, in bytes.
const LENGTH: usize = 55;

/// A trace: 16 bytes, not all zero. Displayed as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// A span within a trace: 8 bytes, not all zero. Displayed as 16 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// The flags of a `traceparent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceFlags(u8);

/// What a `traceparent` says. Displayed as the header of version 00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: TraceId,
    /// The sender's span.
    pub span_id: SpanId,
    /// Whether that span is recorded.
    pub flags: TraceFlags,
}

/// A valid `tracestate`, which is passed on unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceState(String);

/// The trace of a message that came without a `traceparent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTrace {
    /// The trace.
    pub trace_id: TraceId,
    /// The `trace_id` of the envelope, if it is written differently.
    pub original: Option<String>,
}

impl TraceId {
    /// The id of these bytes; `None` if all are zero.
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The trace that the `trace_id` of an envelope names: 32 hex digits (not all zero) are the id itself, and for any other
    /// text it is the first 16 bytes of its SHA-256.
    pub fn of_text(text: &str) -> Self {
        let digits = hex::<16>(&text.to_ascii_lowercase()).and_then(Self::new);
        digits.unwrap_or_else(|| {
            let mut bytes = [0; 16];
            let digest = Sha256::digest(text);
            bytes
                .iter_mut()
                .zip(digest)
                .for_each(|(to, from)| *to = from);
            Self(bytes)
        })
    }

    /// Its bytes, as in the header from left to right.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl SpanId {
    /// The id of these bytes; `None` if all are zero.
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// Its bytes, as in the header from left to right.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl TraceFlags {
    /// The flag of a span that its sender may have recorded.
    const SAMPLED: u8 = 1;
    /// The flag of a trace id whose last 7 bytes are random.
    const RANDOM: u8 = 2;

    /// Whether the sender may have recorded its span.
    pub const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED != 0
    }

    /// The flags with another decision. Unknown flags are cleared, as the specification asks.
    #[must_use]
    pub const fn with_sampled(self, sampled: bool) -> Self {
        let known = self.0 & Self::RANDOM;
        Self(if sampled {
            known | Self::SAMPLED
        } else {
            known
        })
    }

    /// The flags as a byte.
    pub const fn to_byte(self) -> u8 {
        self.0
    }
}

impl TraceParent {
    /// Parses the value of a header. A higher version than 00 may have more fields at its end, which are ignored.
    /// `None` if it is not valid; the specification then asks for a new trace.
    pub fn parse(header: &str) -> Option<Self> {
        let header = header.trim_matches([' ', '\t']);
        let (known, rest) = header.split_at_checked(LENGTH)?;
        let mut fields = known.split('-');
        let [version] = hex::<1>(fields.next()?)?;
        let parsed = Self {
            trace_id: TraceId::new(hex(fields.next()?)?)?,
            span_id: SpanId::new(hex(fields.next()?)?)?,
            flags: TraceFlags(u8::from_be_bytes(hex(fields.next()?)?)),
        };
        let ends = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        (ends && fields.next().is_none()).then_some(parsed)
    }
}

impl TraceState {
    /// Parses the values of all `tracestate` headers of a request, in order. `None` if there are no members, one of them is
    /// not valid, or there are more than 32 members or 512 bytes.
    pub fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let headers = headers.into_iter();
        let members = headers
            .flat_map(|header| header.split(','))
            .map(|member| member.trim_matches([' ', '\t']))
            .filter(|member| !member.is_empty());
        let mut state = String::new();
        for (number, member) in members.enumerate() {
            if number >= MAX_MEMBERS || !is_member(member) {
                return None;
            }
            if number > 0 {
                state.push(',');
            }
            state.push_str(member);
        }
        (1..=MAX_STATE)
            .contains(&state.len())
            .then_some(Self(state))
    }

    /// The value of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl MessageTrace {
    /// The trace of the body of a message; `None` if it is neither an envelope nor a device message with an identity of its
    /// own. `given` is the sender's `idempotency-key`.
    ///
    /// It is the trace that a connector writes into the envelope of a device message, so that a reading that is sent again is
    /// in the same trace, and the one that an envelope names.
    pub fn of(body: &[u8], given: Option<MessageId>, sha256: Sha256Hex) -> Option<Self> {
        let id = match Post::parse(body).ok()? {
            Post::Device(message) => message.own_id(given, sha256)?,
            Post::Envelope(envelope) => match &envelope.trace_id {
                Some(text) => return Some(Self::of_text(text)),
                None => given.unwrap_or_else(|| MessageId::of_envelope(body, sha256)),
            },
        };
        Some(Self::of_text(&id.trace_id()))
    }

    fn of_text(text: &str) -> Self {
        let trace_id = TraceId::of_text(text);
        Self {
            trace_id,
            original: (trace_id.to_string() != text).then(|| text.to_owned()),
        }
    }
}

/// Whether this is a `key=value` that the specification permits.
fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else {
        return false;
    };
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=256).contains(&key.len())
        && key.bytes().next().is_some_and(lower)
        && key
            .bytes()
            .all(|byte| lower(byte) || b"_-*/@".contains(&byte))
        && (1..=256).contains(&value.len())
        && value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

/// The bytes of `2 * N` lower-case hex digits.
fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = digits.as_bytes().chunks_exact(2);
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair else { return None };
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

fn write_hex(formatter: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes
        .iter()
        .try_for_each(|byte| write!(formatter, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(formatter, &self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(formatter, &self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            span_id,
            flags,
        } = self;
        write!(formatter, "00-{trace_id}-{span_id}-{:02x}", flags.0)
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
#[path = "trace_context_tests.rs"]
mod tests;
