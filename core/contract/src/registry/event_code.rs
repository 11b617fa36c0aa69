//! The `error_code` of every system error that functions and stores publish (spec §4).

use strum::{EnumMessage, EnumString, IntoStaticStr, VariantArray};

use crate::Severity;

/// The `error_code` of a system error. Its documentation here is its meaning in `docs/api.md`; its message is what the
/// operator should do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumMessage, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum EventCode {
    /// A peer has failed for `CIRCUIT_FAILING_SECONDS`: messages for it become dead letters without an attempt.
    #[strum(message = "Find out why the peer fails. It is probed after `CIRCUIT_OPEN_SECONDS`.")]
    CircuitOpened,
    /// A peer whose circuit was open answers again.
    #[strum(message = "Replay the dead letters.")]
    CircuitClosed,
    /// Messages could not be delivered and became dead letters; the message gives number, peer and last cause.
    #[strum(message = "Remove the cause, then replay the dead letters.")]
    DeliveryDeadLettered,
    /// A message could neither be delivered nor be stored as a dead letter. Its sender was told so.
    #[strum(message = "Look at the connector's store at once.")]
    DeadLetterNotStored,
    /// A message was left with its sender because this side lacked a resource, such as a file descriptor.
    #[strum(message = "Raise the limit that the message names.")]
    ResourcesExhausted,
    /// A call had too little time for a single attempt to send; the message gives the arithmetic.
    #[strum(message = "Raise the setting that the message names.")]
    TimeTooShort,
    /// A platform's events were refused for good and became dead letters of the peer `event`; the message gives number and last cause.
    #[strum(message = "Look at the letters, correct their sender, and discard them.")]
    EventRefused,
    /// Ingestion could not hand an envelope on; its sender keeps it.
    #[strum(message = "Look at the next hop: connector or writer.")]
    HandOnFailed,
    /// The writer could not store a record. Its sender was told so.
    #[strum(message = "Look at the writer's store at once.")]
    RecordWriteFailed,
    /// The store does not exist, or refuses this host; the message names the service, the action and the service's code.
    #[strum(message = "Prepare the store, or give the host access to it.")]
    StoreMisconfigured,
    /// The reader could not read records.
    #[strum(message = "Look at the reader's store.")]
    RecordReadFailed,
    /// A stored record differs from what was written. It is no longer served.
    #[strum(message = "Check the disk; restore the record from a backup.")]
    RecordDamaged,
    /// A stored dead letter differs from what was written. It is not replayed.
    #[strum(message = "Check the disk; restore the letter from a backup, or discard it.")]
    LetterDamaged,
    /// Dead letters older than `LETTER_DAYS` were removed; `raw_data` names them.
    #[strum(message = "Replay or discard letters before they expire.")]
    LetterExpired,
    /// An operator discarded a dead letter; the message says who, which and why.
    #[strum(message = "Nothing: it is a record of what was done.")]
    LetterDiscarded,
}

impl EventCode {
    /// All codes.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The code as it stands in a system error: `CIRCUIT_OPENED`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::DeadLetterNotStored
            | Self::RecordWriteFailed
            | Self::StoreMisconfigured
            | Self::RecordDamaged
            | Self::LetterDamaged
            | Self::LetterExpired => Severity::Critical,
            Self::CircuitOpened
            | Self::DeliveryDeadLettered
            | Self::ResourcesExhausted
            | Self::TimeTooShort
            | Self::EventRefused
            | Self::HandOnFailed
            | Self::RecordReadFailed => Severity::Warning,
            Self::CircuitClosed | Self::LetterDiscarded => Severity::Info,
        }
    }

    /// What it means, in one or two sentences.
    pub fn meaning(self) -> &'static str {
        self.get_documentation().unwrap_or_default()
    }

    /// What the operator should do.
    pub fn advice(self) -> &'static str {
        self.get_message().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_says_what_it_means_and_what_to_do() {
        for code in EventCode::ALL {
            assert!(code.meaning().ends_with('.'), "{code:?}");
            assert!(code.advice().ends_with('.'), "{code:?}");
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
        assert_eq!(EventCode::CircuitOpened.as_str(), "CIRCUIT_OPENED");
    }
}
