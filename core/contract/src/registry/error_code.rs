//! The `error_code` of every error reply: one list for functions, host, documentation and callers.

use strum::{EnumMessage, EnumString, IntoStaticStr, VariantArray};

/// The `error_code` of an error reply. Its documentation here is its meaning in `docs/api.md`; its message is what the
/// caller should do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumMessage, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    // What is wrong with the body.
    /// The body is larger than 256 KiB (a delivery of events: 1 MiB), or was announced to be, or is after unpacking.
    #[strum(message = "Do not repeat the request; split the payload.")]
    BodyTooLarge,
    /// The body has a `content-encoding` that is not supported here; only the native host unpacks gzip.
    #[strum(message = "Send the body again without a content coding.")]
    CodingUnsupported,
    /// The body is not valid UTF-8.
    #[strum(message = "Correct the sender.")]
    BodyNotUtf8,
    /// The body is not valid JSON; the message gives line and column.
    #[strum(message = "Correct the sender.")]
    BodyNotJson,
    /// The body is valid JSON, but not one object.
    #[strum(message = "Correct the sender.")]
    BodyNotAnObject,
    /// Objects and arrays in the body nest deeper than 64 levels.
    #[strum(message = "Flatten the payload.")]
    BodyTooDeep,
    /// The body is not valid gzip, although `content-encoding` says so.
    #[strum(message = "Correct the sender, or send the body without a content coding.")]
    BodyNotGzip,
    /// The connection broke before the body was complete, or its framing is not valid HTTP.
    #[strum(message = "Send the request again.")]
    BodyUnreadable,
    /// The body did not arrive within `BODY_TIMEOUT_MS`.
    #[strum(message = "Send the request again.")]
    BodyTimeout,
    // What is wrong with a field, header or parameter.
    /// A required field is missing; the message names it.
    #[strum(message = "Correct the sender.")]
    FieldMissing,
    /// A field has the wrong type or value; the message names it and says what it must be.
    #[strum(message = "Correct the sender.")]
    FieldInvalid,
    /// A field occurs more than once, or under two of its spellings.
    #[strum(message = "Correct the sender.")]
    FieldRepeated,
    /// A field is not known, in a document that allows no others.
    #[strum(message = "Correct the sender.")]
    FieldUnknown,
    /// `idempotency-key` is not 1 to 128 characters of `A-Z a-z 0-9 . _ : -`.
    #[strum(message = "Correct the sender.")]
    IdInvalid,
    /// A header that decides something occurs more than once.
    #[strum(message = "Correct the sender, or the gateway in between.")]
    HeaderRepeated,
    /// A request of HTTP/1.1 has no header `host`, or more than one.
    #[strum(message = "Correct the client.")]
    HostInvalid,
    /// A parameter has a value that it does not take, or one that is not percent-encoded UTF-8.
    #[strum(message = "Correct the query.")]
    ParameterInvalid,
    /// A required parameter is missing.
    #[strum(message = "Correct the query.")]
    ParameterMissing,
    /// A parameter is not known, or occurs more than once.
    #[strum(message = "Correct the query.")]
    ParameterUnknown,
    // Who may do what.
    /// The request has no credential in the header of the receiving cloud.
    #[strum(message = "Present a key in the header that the receiving cloud takes.")]
    Unauthorized,
    /// The credential is not valid, or does not open this route.
    #[strum(message = "Present another key; do not repeat the request with this one.")]
    Forbidden,
    /// The credential cannot be checked at the moment.
    #[strum(message = "Try again after `retry-after`.")]
    CredentialsUnavailable,
    // Where it was sent.
    /// No function is mounted at this path.
    #[strum(message = "Correct the URL, or mount the function.")]
    NotFound,
    /// The route does not take this method; the header `allow` lists those that it takes.
    #[strum(message = "Use one of the methods in `allow`.")]
    MethodNotAllowed,
    // Records and identity.
    /// The id belongs to a message with another payload. Nothing was stored.
    #[strum(message = "Do not repeat the request; give each message an id of its own.")]
    IdReused,
    /// The store cannot be reached at the moment. Nothing was stored.
    #[strum(message = "Try again after `retry-after`.")]
    StoreUnavailable,
    /// The store has no room left. Nothing was stored.
    #[strum(message = "Try again later; make room, or raise `TWIN_DATA_MAX_BYTES`.")]
    StoreFull,
    /// The store does not exist, or refuses this function; the log and the system error name what. Nothing was stored.
    #[strum(message = "Prepare the store, or give the function access to it.")]
    StoreMisconfigured,
    /// The store failed for another reason; the log has the cause. Nothing was stored.
    #[strum(message = "Try again later; look at the log if it persists.")]
    StoreFailed,
    /// A setting of the function cannot be read at the moment, is missing, or has a value that it does not take.
    #[strum(message = "Try again after `retry-after`; look at the log if it persists.")]
    SettingsUnavailable,
    // Delivery.
    /// The function has no next hop: its configuration lacks the peer.
    #[strum(message = "Set the peer's `REMOTE_…_URL`, or mount the function here.")]
    PeerUnbound,
    /// This side lacks a resource that sending needs, such as a file descriptor. The message is still the caller's.
    #[strum(message = "Try again after `retry-after`.")]
    ResourcesExhausted,
    /// The message was neither delivered nor stored as a dead letter. It is still the caller's.
    #[strum(message = "Try again after `retry-after`.")]
    DeliveryFailed,
    /// The next hop refused the message, and not in the words of this contract: a gateway, perhaps.
    #[strum(message = "Do not repeat the request; check the URL and credential of the next hop.")]
    NextHopRefused,
    /// The next hop could not be reached, or asked for patience. The message is still the caller's.
    #[strum(message = "Try again after `retry-after`.")]
    NextHopUnavailable,
    /// The remote reader refused the query, and not because of the query.
    #[strum(message = "Check the URL and credential of the remote reader.")]
    RemoteReaderRefused,
    /// The remote reader could not be reached within the time and retries allowed.
    #[strum(message = "Try again after `retry-after`.")]
    RemoteReaderUnavailable,
    // Dead letters.
    /// There is no dead letter with this id.
    #[strum(message = "List the letters again; this one was replayed or discarded.")]
    LetterNotFound,
    /// A replay or another discard holds this letter.
    #[strum(message = "Try again in a moment.")]
    LetterLeased,
    /// The discard could not be reported as a system error, so the letter stays.
    #[strum(message = "Try again after `retry-after`.")]
    DiscardNotReported,
    // The host.
    /// Too many requests are being answered.
    #[strum(message = "Try again after `retry-after`.")]
    Overloaded,
    /// The host cannot do its work at the moment; the message says what is missing.
    #[strum(message = "Send requests elsewhere until `/readyz` answers 200.")]
    NotReady,
    /// The function gave a response that HTTP cannot carry.
    #[strum(message = "Report it: this is a bug.")]
    ResponseInvalid,
    /// The instance that had the call failed. Whether the message was stored is not known; a repetition is harmless.
    #[strum(message = "Send the request again with the same `idempotency-key`.")]
    InstanceLost,
    /// The function gave no response in time. Whether the message was stored is not known; a repetition is harmless.
    #[strum(message = "Send the request again with the same `idempotency-key`.")]
    DeadlineExceeded,
}

impl ErrorCode {
    /// All codes, by subject.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The code as it stands in a reply: `BODY_TOO_LARGE`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The HTTP status that it comes with.
    pub const fn status(self) -> u16 {
        match self {
            Self::BodyNotUtf8
            | Self::BodyNotJson
            | Self::BodyNotAnObject
            | Self::BodyTooDeep
            | Self::BodyNotGzip
            | Self::BodyUnreadable
            | Self::FieldMissing
            | Self::FieldInvalid
            | Self::FieldRepeated
            | Self::FieldUnknown
            | Self::IdInvalid
            | Self::HeaderRepeated
            | Self::HostInvalid
            | Self::ParameterInvalid
            | Self::ParameterMissing
            | Self::ParameterUnknown => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound | Self::LetterNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTimeout => 408,
            Self::IdReused | Self::LetterLeased => 409,
            Self::BodyTooLarge => 413,
            Self::CodingUnsupported => 415,
            Self::StoreFailed | Self::ResponseInvalid => 500,
            Self::NextHopRefused | Self::RemoteReaderRefused => 502,
            Self::CredentialsUnavailable
            | Self::StoreUnavailable
            | Self::StoreFull
            | Self::StoreMisconfigured
            | Self::SettingsUnavailable
            | Self::PeerUnbound
            | Self::ResourcesExhausted
            | Self::DeliveryFailed
            | Self::NextHopUnavailable
            | Self::RemoteReaderUnavailable
            | Self::DiscardNotReported
            | Self::Overloaded
            | Self::NotReady
            | Self::InstanceLost => 503,
            Self::DeadlineExceeded => 504,
        }
    }

    /// What it means, in one or two sentences.
    pub fn meaning(self) -> &'static str {
        self.get_documentation().unwrap_or_default()
    }

    /// What the caller should do.
    pub fn advice(self) -> &'static str {
        self.get_message().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_says_what_it_means_and_what_to_do() {
        for code in ErrorCode::ALL {
            assert!(code.meaning().ends_with('.'), "{code:?}");
            assert!(code.advice().ends_with('.'), "{code:?}");
            assert!((400..600).contains(&code.status()), "{code:?}");
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
        assert_eq!(ErrorCode::BodyNotUtf8.as_str(), "BODY_NOT_UTF8");
        assert_eq!(ErrorCode::IdReused.as_str(), "ID_REUSED");
    }

    #[test]
    fn what_passes_by_itself_is_a_503_or_a_timeout() {
        for code in ErrorCode::ALL {
            let again = code.advice().starts_with("Try again after");
            assert!(!again || code.status() == 503, "{code:?}");
        }
    }
}
