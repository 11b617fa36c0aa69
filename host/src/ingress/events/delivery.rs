//! What a function gets of an event.

use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use twin_contract::{MessageId, OtherDevice, PlatformMessage, digest};

use super::{Event, Subject, Topic};
use crate::function::FunctionName;

/// A call of a function.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) function: FunctionName,
    pub(super) path: &'static str,
    /// `idempotency-key`.
    pub(super) id: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Why an event is for no function. Another delivery would not help.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error(transparent)]
    OtherDevice(#[from] OtherDevice),
    #[error(
        "the platform does not say which device sent the message: an IoT rule must select clientid() AS device, which is n/a if the \
         message did not come over MQTT"
    )]
    UnknownDevice,
    #[error("the copy of the letter {0} has no envelope: replay the letter itself")]
    Pointer(String),
    #[error("the envelope in the copy of a letter is not base64")]
    Base64(#[from] DecodeError),
}

/// The copy of a letter, as `documents` writes it. An envelope that is sent by itself has none of these fields.
#[derive(Deserialize)]
struct Copy {
    letter_id: String,
    id: String,
    envelope: Option<String>,
    envelope_base64: Option<String>,
}

impl Delivery {
    /// Reads an event.
    ///
    /// # Errors
    /// If no function can take it.
    pub(super) fn of(event: &Event) -> Result<Self, Unusable> {
        let given = event.id.as_deref().map(usable_id);
        let (topic, id, body) = match &event.subject {
            Subject::Telemetry { device } => {
                let message = PlatformMessage::of(&event.body, device.as_deref())?;
                let id = given.filter(|_| message.needs_id);
                (Topic::Telemetry, id, message.body.into_owned())
            }
            Subject::UnknownDevice => return Err(Unusable::UnknownDevice),
            Subject::SystemError => (Topic::SystemErrors, given, event.body.clone()),
            Subject::Letter => match serde_json::from_slice::<Copy>(&event.body) {
                Ok(copy) => {
                    let (id, envelope) = copy.message()?;
                    (Topic::Letters, Some(id), envelope)
                }
                // Its identity is its content.
                Err(_) => (Topic::Letters, None, event.body.clone()),
            },
        };
        let function = topic.function();
        Ok(Self {
            function,
            path: function.routes().first().copied().unwrap_or("/"),
            id,
            body,
        })
    }
}

impl Copy {
    /// The message in it, and its id since its first hop.
    fn message(self) -> Result<(String, Vec<u8>), Unusable> {
        let envelope = match (self.envelope, self.envelope_base64) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(base64)) => STANDARD.decode(base64)?,
            (None, None) => return Err(Unusable::Pointer(self.letter_id)),
        };
        Ok((self.id, envelope))
    }
}

/// A platform's id where it can be an id of ours, and its digest where it cannot.
pub(super) fn usable_id(id: &str) -> String {
    match MessageId::parse(id) {
        Ok(_) => id.to_owned(),
        Err(_) => digest(id.as_bytes()),
    }
}
