//! The requests and replies of each operation.

use twin_contract::{ErrorCode, FunctionName, registry::Operation};

use crate::documents::{Field, parameter};

/// An operation with everything that its caller must know.
pub(crate) struct Described {
    /// Method, path, and the access that it gives.
    pub(crate) operation: &'static Operation,
    /// The function that answers it.
    pub(crate) function: FunctionName,
    /// What it does, in one sentence.
    pub(crate) summary: &'static str,
    /// The parameters of the query string.
    pub(crate) parameters: Vec<Field>,
    /// Whether the caller may give the message an id.
    pub(crate) takes_id: bool,
    /// The possible documents of the body; empty without a body.
    pub(crate) body: &'static [&'static str],
    /// Status and document of each success.
    pub(crate) successes: &'static [(u16, &'static str)],
    /// The possible errors.
    pub(crate) errors: Vec<ErrorCode>,
}

use ErrorCode::*;

/// The errors of every operation of a function.
pub(crate) const EVERYWHERE: &[ErrorCode] = &[
    HostInvalid,
    HeaderRepeated,
    Unauthorized,
    Forbidden,
    CredentialsUnavailable,
    BodyUnreadable,
    BodyNotGzip,
    BodyTimeout,
    BodyTooLarge,
    CodingUnsupported,
    Overloaded,
    InstanceLost,
    DeadlineExceeded,
    ResponseInvalid,
];

/// The errors of operations that accept a document.
const DOCUMENT: &[ErrorCode] = &[
    BodyNotUtf8,
    BodyNotJson,
    BodyNotAnObject,
    BodyTooDeep,
    FieldMissing,
    FieldInvalid,
    FieldRepeated,
];

const PARAMETERS: &[ErrorCode] = &[ParameterInvalid, ParameterUnknown];
const STORE: &[ErrorCode] = &[StoreUnavailable, StoreFull, StoreMisconfigured, StoreFailed];
const CONNECTOR: &[ErrorCode] = &[
    IdInvalid,
    IdReused,
    SettingsUnavailable,
    PeerUnbound,
    ResourcesExhausted,
    DeliveryFailed,
];
const INGESTION: &[ErrorCode] = &[NextHopRefused, NextHopUnavailable];
const PASSED_ON: &[(u16, &str)] = &[(200, "Received"), (202, "DeadLettered")];

/// All operations of all functions, in the order in which data passes through them.
pub(crate) fn all() -> Vec<Described> {
    FunctionName::ALL
        .into_iter()
        .flat_map(|function| {
            let operations = function.operations().iter();
            operations.map(move |operation| describe(function, operation))
        })
        .collect()
}

fn describe(function: FunctionName, operation: &'static Operation) -> Described {
    let (method, path) = (operation.method, operation.path);
    let (summary, parameters, body, successes, errors): (_, &[_], &[_], &[_], &[&[_]]) = match (
        method, path,
    ) {
        ("POST", "/telemetry") => (
            "Takes a device's message or an envelope, delivers it to the next layer, and answers when the outcome is known.",
            &[],
            &["DeviceMessage", "Envelope"],
            PASSED_ON,
            &[DOCUMENT, CONNECTOR],
        ),
        ("POST", "/ingest") => (
            "Takes an envelope for L2 and hands it on to L3; the reply is the next hop's own.",
            &[],
            &["Envelope"],
            PASSED_ON,
            &[DOCUMENT, CONNECTOR, INGESTION, STORE],
        ),
        ("POST", "/write") => (
            "Takes an envelope for L3 and stores it. A repetition is answered like the first.",
            &[],
            &["Envelope"],
            &[(200, "Received")],
            &[DOCUMENT, &[IdInvalid, IdReused], STORE],
        ),
        ("GET", "/read") => (
            "Lists a device's records, from the function's own store or from a remote reader.",
            &["device_id", "from", "to", "order", "limit", "cursor"],
            &[],
            &[(200, "Records")],
            &[
                PARAMETERS,
                &[ParameterMissing, SettingsUnavailable, NotFound],
                &[RemoteReaderRefused, RemoteReaderUnavailable],
                STORE,
            ],
        ),
        ("POST", "/errors") => (
            "Takes a system error, stores it once, and notifies the management application.",
            &[],
            &["SystemError"],
            &[(200, "Received")],
            &[
                DOCUMENT,
                &[FieldUnknown, IdInvalid, IdReused, SettingsUnavailable],
                STORE,
            ],
        ),
        ("GET", "/errors") => (
            "Lists system errors.",
            &["from", "to", "order", "limit", "cursor"],
            &[],
            &[(200, "SystemErrors")],
            &[PARAMETERS, &[SettingsUnavailable], STORE],
        ),
        ("GET", "/dead-letters") => (
            "Lists dead letters, oldest first.",
            &["limit", "cursor"],
            &[],
            &[(200, "DeadLetters")],
            &[PARAMETERS, STORE],
        ),
        ("DELETE", _) => (
            "Discards a dead letter, and reports that as a system error.",
            &["reason"],
            &[],
            &[(200, "Discarded")],
            &[
                PARAMETERS,
                &[
                    ParameterMissing,
                    LetterNotFound,
                    LetterLeased,
                    DiscardNotReported,
                ],
                STORE,
            ],
        ),
        ("POST", "/dead-letters/replay") => (
            "Sends dead letters again with their own ids, and removes those that arrive. Repeating it is harmless.",
            &[],
            &["ReplayCommand"],
            &[(200, "ReplayReport"), (200, "ReplayPreview")],
            &[
                DOCUMENT,
                PARAMETERS,
                &[FieldUnknown, SettingsUnavailable],
                STORE,
            ],
        ),
        _ => (
            "Shows one dead letter.",
            &[],
            &[],
            &[(200, "DeadLetter")],
            &[PARAMETERS, &[LetterNotFound], STORE],
        ),
    };
    let mut errors: Vec<_> = EVERYWHERE
        .iter()
        .chain(errors.iter().copied().flatten())
        .copied()
        .collect();
    errors.sort_by_key(|code| (code.status(), code.as_str()));
    errors.dedup();
    Described {
        operation,
        function,
        summary,
        parameters: parameters.iter().map(|name| parameter(name)).collect(),
        takes_id: errors.contains(&IdInvalid),
        body,
        successes,
        errors,
    }
}
