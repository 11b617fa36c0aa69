//! A message of a device that a platform delivers: the platform knows which device sent it.

use std::borrow::Cow;

use crate::{
    Envelope,
    device_message::{DEVICE_ID, given_time, one_of},
    envelope::is_envelope,
    json::{Object, push_name, push_text},
};

/// A device's message with what its platform knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformMessage<'a> {
    /// What the connector gets: the bytes of the device, with the device's id before them if it did not say it.
    pub body: Cow<'a, [u8]>,
    /// Whether nothing in the message tells it from the next: it has no time of its own and is no envelope, so its identity is the
    /// platform's id.
    pub needs_id: bool,
}

/// A message names another device than the one that sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message names the device {named:?}, but the platform got it from {sender:?}")]
pub struct OtherDevice {
    /// The device that the message names.
    pub named: String,
    /// The device that the platform authenticated.
    pub sender: String,
}

impl<'a> PlatformMessage<'a> {
    /// Completes the message of a device. `sender` is the device that the platform authenticated, if it says.
    ///
    /// What is no valid message stays as it is: the connector says what is wrong with it.
    ///
    /// # Errors
    /// If it names another device.
    pub fn of(body: &'a [u8], sender: Option<&str>) -> Result<Self, OtherDevice> {
        let as_it_is = |needs_id| Self {
            body: Cow::Borrowed(body),
            needs_id,
        };
        let Ok(object) = Object::from_body(body) else {
            return Ok(as_it_is(false));
        };
        if is_envelope(&object) {
            if let Ok(envelope) = Envelope::parse(body) {
                same(&envelope.device_id, sender)?;
            }
            return Ok(as_it_is(false));
        }
        let needs_id = matches!(given_time(&object), Ok(None));
        let named = one_of(&object, &DEVICE_ID, |_| true);
        match (named, sender) {
            (Ok(Some(value)), _) => {
                if let Some(named) = value.as_text() {
                    same(&named, sender)?;
                }
            }
            (Ok(None), Some(sender)) => {
                let body = named_after(sender, body, object.fields.is_empty());
                return Ok(Self { body, needs_id });
            }
            (Ok(None), None) | (Err(_), _) => {}
        }
        Ok(as_it_is(needs_id))
    }
}

fn same(named: &str, sender: Option<&str>) -> Result<(), OtherDevice> {
    match sender {
        Some(sender) if sender != named => Err(OtherDevice {
            named: named.to_owned(),
            sender: sender.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The object with a first field more. No other byte changes.
fn named_after<'a>(sender: &str, body: &'a [u8], is_empty: bool) -> Cow<'a, [u8]> {
    // What is before the first brace of an object is a byte order mark or white space.
    let Some(brace) = body.iter().position(|byte| *byte == b'{') else {
        return Cow::Borrowed(body);
    };
    let (_, rest) = body.split_at(brace + 1);
    let mut completed = String::from("{");
    push_name(&mut completed, "device_id");
    push_text(&mut completed, sender);
    if !is_empty {
        completed.push(',');
    }
    let mut completed = completed.into_bytes();
    completed.extend_from_slice(rest);
    Cow::Owned(completed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceMessage;

    fn completed(body: &str, sender: Option<&str>) -> (String, bool) {
        let message = PlatformMessage::of(body.as_bytes(), sender).unwrap();
        (
            String::from_utf8(message.body.into_owned()).unwrap(),
            message.needs_id,
        )
    }

    #[test]
    fn a_device_that_is_not_named_is_added_and_no_other_byte_changes() {
        for (body, expected) in [
            (r#"{"t":1.50}"#, r#"{"device_id":"d\"1","t":1.50}"#),
            ("{}", r#"{"device_id":"d\"1"}"#),
            (" {\n\t}\n", "{\"device_id\":\"d\\\"1\"\n\t}\n"),
            (
                "\u{feff}{ \"t\" : 1e3 }",
                r#"{"device_id":"d\"1", "t" : 1e3 }"#,
            ),
            // A name further inside, or in a text, is not the device's.
            (
                r#"{"a":{"device_id":"x"},"b":"{\"device_id\":\"x\"}"}"#,
                r#"{"device_id":"d\"1","a":{"device_id":"x"},"b":"{\"device_id\":\"x\"}"}"#,
            ),
        ] {
            assert_eq!(completed(body, Some("d\"1")), (expected.to_owned(), true));
            let message = DeviceMessage::parse(expected.as_bytes()).unwrap();
            assert_eq!(message.device_id, "d\"1");
            assert_eq!(completed(body, None), (body.to_owned(), true));
        }
    }

    #[test]
    fn a_device_speaks_only_for_itself() {
        let envelope = |device: &str| {
            format!(
                r#"{{"source_cloud":"aws","target_layer":"L2","message_type":"event","timestamp":"2026-01-01T00:00:00Z","payload":{{"device_id":"{device}"}}}}"#
            )
        };
        for (body, named) in [
            (r#"{"device_id":"e"}"#.to_owned(), "e"),
            (r#"{"iotDeviceId":"e","t":1}"#.to_owned(), "e"),
            (r#"{"deviceId":"\u0065"}"#.to_owned(), "e"),
            (r#"{"IoTDeviceId":""}"#.to_owned(), ""),
            (envelope("e"), "e"),
        ] {
            let refused = PlatformMessage::of(body.as_bytes(), Some("d")).unwrap_err();
            let expected = OtherDevice {
                named: named.to_owned(),
                sender: "d".to_owned(),
            };
            assert_eq!(refused, expected, "{body}");
            // A platform that names no device vouches for none.
            assert_eq!(completed(&body, None).0, body);
        }
        for body in [r#"{"deviceId":"\u0064"}"#.to_owned(), envelope("d")] {
            assert_eq!(completed(&body, Some("d")).0, body);
        }
    }

    #[test]
    fn only_what_has_no_time_of_its_own_needs_an_id() {
        for (body, needs_id) in [
            (r#"{"device_id":"d","t":1}"#, true),
            (r#"{"device_id":"d","time":""}"#, true),
            (r#"{"device_id":"d","time":null}"#, true),
            (r#"{"device_id":"d","time":"2026-01-01T00:00:00Z"}"#, false),
            (r#"{"device_id":"d","ts":1767225600}"#, false),
        ] {
            assert_eq!(completed(body, Some("d")), (body.to_owned(), needs_id));
        }
    }

    #[test]
    fn what_is_no_valid_message_stays_as_it_is() {
        for body in [
            "",
            "[]",
            "{",
            r#"{"device_id":7}"#,
            r#"{"device_id":"d","deviceId":"e"}"#,
            r#"{"device_id":"d","time":"yesterday"}"#,
            r#"{"source_cloud":"aws","payload":{"device_id":"e"}}"#,
        ] {
            let message = PlatformMessage::of(body.as_bytes(), Some("d")).unwrap();
            assert_eq!(message.body, body.as_bytes(), "{body}");
        }
    }
}
