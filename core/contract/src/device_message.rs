//! What devices send: one JSON object in one of several dialects, wrapped into an envelope without changing a digit.

use std::borrow::Cow;

use crate::{
    Cloud, ContractError, Layer, MAX_DEPTH, MessageId, MessageType, Sha256Hex, Timestamp,
    envelope::{check_size, device_id},
    json::{Object, push_name, push_text},
    scan::Value,
};

/// The names of the field with the device's id.
pub(crate) const DEVICE_ID: [&str; 4] = ["device_id", "iotDeviceId", "deviceId", "IoTDeviceId"];
const TIMESTAMP: [&str; 3] = ["timestamp", "time", "ts"];

/// A parsed device message.
#[derive(Clone, Debug)]
pub struct DeviceMessage<'a> {
    /// The device's id, from whichever of the field's names the message uses.
    pub device_id: Cow<'a, str>,
    /// The device's own time; `None` if it gave none, and then the time of arrival is used.
    pub timestamp: Option<Time<'a>>,
    /// The payload: `device_id` first, then all other fields as received.
    payload: String,
}

/// A device's time, and its text for the envelope.
#[derive(Clone, Debug)]
pub struct Time<'a> {
    /// In UTC, ending in `Z`: the device's own text if it already has this form.
    text: Cow<'a, str>,
}

/// An envelope made from a device message, and the message's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The message's identity from now on.
    pub id: MessageId,
    /// The trace that the envelope names.
    pub trace_id: String,
    /// The envelope's bytes, which every attempt sends.
    pub envelope: String,
}

impl<'a> DeviceMessage<'a> {
    /// Parses a body.
    ///
    /// # Errors
    /// If the body is not a JSON object, its device id or time is invalid, the device id is missing, or either is given
    /// twice.
    pub fn parse(body: &'a [u8]) -> Result<Self, ContractError> {
        Self::from_object(&Object::from_body(body)?)
    }

    pub(crate) fn from_object(object: &Object<'a>) -> Result<Self, ContractError> {
        // The payload will be one level deeper in the envelope, and must still be within the limit.
        if object.depth >= MAX_DEPTH {
            return Err(ContractError::BodyTooDeep);
        }
        let device_id = one_of(object, &DEVICE_ID, |_| true)?
            .ok_or(ContractError::FieldMissing("device_id"))
            .and_then(|value| device_id("device_id", value))?;
        let timestamp = given_time(object)?.map(Time::parse).transpose()?;

        let mut payload = String::from("{");
        push_name(&mut payload, "device_id");
        push_text(&mut payload, &device_id);
        for (name, value) in &object.fields {
            if !DEVICE_ID.contains(&name.as_ref()) && !TIMESTAMP.contains(&name.as_ref()) {
                push_name(&mut payload, name);
                payload.push_str(value.get());
            }
        }
        payload.push('}');
        Ok(Self {
            device_id,
            timestamp,
            payload,
        })
    }

    /// The identity that the message brings: its sender's `idempotency-key` (`given`), otherwise the digest of the reading if
    /// the device gave a time. `None` if it has neither, and is another message each time it is sent.
    pub fn own_id(&self, given: Option<MessageId>, sha256: Sha256Hex) -> Option<MessageId> {
        given.or_else(|| {
            let time = self.timestamp.as_ref()?;
            let (device_id, payload) = (&self.device_id, self.payload.as_bytes());
            Some(MessageId::of_reading(
                device_id, &time.text, payload, sha256,
            ))
        })
    }

    /// Wraps the message into an envelope for L2. If the message has no time of its own, `now` is used.
    ///
    /// `id` is the sender's `idempotency-key`. Without it, the identity is the digest of the reading if the device gave a
    /// time, otherwise a new UUID version 7 from `now` and `random`. Without a trace, the envelope gets the identity's
    /// trace id.
    ///
    /// # Errors
    /// [`ContractError::BodyTooLarge`] if the envelope would be too large.
    pub fn wrap(
        &self,
        source_cloud: Cloud,
        trace_id: Option<&str>,
        id: Option<MessageId>,
        now: Timestamp,
        random: [u8; 10],
        sha256: Sha256Hex,
    ) -> Result<Wrapped, ContractError> {
        let id = self.own_id(id, sha256).unwrap_or_else(|| {
            let unix_ms = u64::try_from(now.as_micros() / 1000).unwrap_or(0);
            MessageId::unique(unix_ms, random)
        });
        let trace_id = trace_id.map_or_else(|| id.trace_id(), str::to_owned);
        let timestamp = match &self.timestamp {
            Some(time) => time.text.clone(),
            None => Cow::Owned(now.to_string()),
        };
        let mut envelope = String::with_capacity(self.payload.len() + 192);
        envelope.push('{');
        for (name, text) in [
            ("source_cloud", source_cloud.as_str()),
            ("target_layer", Layer::L2.as_str()),
            ("message_type", MessageType::Telemetry.as_str()),
            ("timestamp", &timestamp),
        ] {
            push_name(&mut envelope, name);
            push_text(&mut envelope, text);
        }
        push_name(&mut envelope, "payload");
        envelope.push_str(&self.payload);
        push_name(&mut envelope, "trace_id");
        push_text(&mut envelope, &trace_id);
        envelope.push('}');
        check_size(&envelope)?;
        Ok(Wrapped {
            id,
            trace_id,
            envelope,
        })
    }
}

impl<'a> Time<'a> {
    fn parse(value: Value<'a>) -> Result<Self, ContractError> {
        let invalid = || ContractError::FieldInvalid {
            field: "timestamp",
            expected: "an RFC 3339 timestamp or a number of seconds or milliseconds since 1970",
        };
        let text = match value.as_text() {
            Some(text) if Timestamp::parse_utc(&text).is_some() => text,
            Some(text) => {
                let instant = Timestamp::parse_with_offset(&text).ok_or_else(invalid)?;
                Cow::Owned(instant.to_string())
            }
            None => {
                let number: f64 = value.get().parse().map_err(|_| invalid())?;
                let instant = Timestamp::from_number(number).ok_or_else(invalid)?;
                Cow::Owned(instant.to_string())
            }
        };
        Ok(Self { text })
    }
}

/// The time that the device gave, if it gave one.
pub(crate) fn given_time<'a>(object: &Object<'a>) -> Result<Option<Value<'a>>, ContractError> {
    // A simulator sends `"time":""`, which means that it has no time of its own.
    let given = |value: Value<'_>| !matches!(value.get(), "null" | "\"\"");
    one_of(object, &TIMESTAMP, given)
}

/// The value of the field that is present under one of its names.
pub(crate) fn one_of<'a>(
    object: &Object<'a>,
    names: &[&'static str],
    counts: impl Fn(Value<'_>) -> bool,
) -> Result<Option<Value<'a>>, ContractError> {
    let mut found = names
        .iter()
        .filter_map(|name| Some((name, object.get(name).filter(|value| counts(*value))?)));
    match (found.next(), found.next()) {
        (_, Some((name, _))) => Err(ContractError::FieldRepeated((*name).to_owned())),
        (first, None) => Ok(first.map(|(_, value)| value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Envelope, digest};
    use proptest::prelude::*;

    /// RFC 3339 as devices write it, and its instant as computed by another library. Years at the ends of the range are as
    /// likely as those between.
    fn text_and_instant() -> impl Strategy<Value = (String, i128)> {
        let year = prop_oneof![Just(0_i16), Just(9999), 1_i16..9999];
        let date = (year, 1_i8..=12, 1_i8..=28);
        let time = (0_i8..24, 0_i8..60, 0_i8..60, 0_i32..1_000_000);
        let offset = (any::<bool>(), 0_i32..24, 0_i32..60, any::<bool>());
        (date, time, offset).prop_map(|((year, month, day), (h, m, s, micros), offset)| {
            let (east, hours, minutes, upper) = offset;
            let civil = jiff::civil::date(year, month, day).at(h, m, s, micros * 1000);
            let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
            let local = civil.duration_since(epoch).as_micros();
            let ahead = i128::from(hours * 3600 + minutes * 60) * 1_000_000;
            let (t, z) = if upper { ('T', 'Z') } else { ('t', 'z') };
            let zone = match (ahead, east) {
                (0, true) => z.to_string(),
                (_, true) => format!("+{hours:02}:{minutes:02}"),
                (_, false) => format!("-{hours:02}:{minutes:02}"),
            };
            let text =
                format!("{year:04}-{month:02}-{day:02}{t}{h:02}:{m:02}:{s:02}.{micros:06}{zone}");
            let utc = if east { local - ahead } else { local + ahead };
            (text, utc)
        })
    }

    /// The range of an envelope's timestamp, in microseconds.
    const NAMEABLE: std::ops::Range<i128> = -62_167_219_200_000_000..253_402_300_800_000_000;

    proptest! {
        #[test]
        fn what_is_wrapped_is_an_envelope_of_the_instant_that_was_given(
            (text, micros) in text_and_instant(),
            more in prop_oneof![Just("{}"), Just("[[1e400]]"), Just("\"x\""), Just("null"), Just("-0")],
        ) {
            let body = format!(r#"{{"device_id":"d","time":"{text}","more":{more},"payload":{more}}}"#);
            match DeviceMessage::parse(body.as_bytes()) {
                Err(error) => prop_assert!(!NAMEABLE.contains(&micros), "{}: {}", body, error),
                Ok(message) => {
                    let wrapped = message
                        .wrap(Cloud::Aws, None, None, NOW, [7; 10], digest)
                        .expect("fits");
                    let envelope = Envelope::parse(wrapped.envelope.as_bytes());
                    let envelope = envelope.expect("what is wrapped is valid");
                    prop_assert_eq!(i128::from(envelope.timestamp.as_micros()), micros, "{}", body);
                }
            }
        }

        #[test]
        fn a_number_is_wrapped_as_the_instant_that_it_names(
            seconds in prop_oneof![
                -62_167_219_201_i64..=-62_167_219_199, 253_402_300_798_i64..=253_402_300_801, any::<i32>().prop_map(i64::from)
            ],
            in_ms in any::<bool>(),
        ) {
            // From 1e11 on, a number means milliseconds.
            let in_ms = seconds >= 100_000_000 && (in_ms || seconds >= 100_000_000_000);
            let number = if in_ms { seconds * 1000 } else { seconds };
            let body = format!(r#"{{"device_id":"d","ts":{number}}}"#);
            let micros = i128::from(seconds) * 1_000_000;
            match DeviceMessage::parse(body.as_bytes()) {
                Err(error) => prop_assert!(!NAMEABLE.contains(&micros), "{}: {}", body, error),
                Ok(message) => {
                    let wrapped = message
                        .wrap(Cloud::Aws, None, None, NOW, [7; 10], digest)
                        .expect("fits");
                    let envelope = Envelope::parse(wrapped.envelope.as_bytes());
                    let envelope = envelope.expect("what is wrapped is valid");
                    prop_assert_eq!(i128::from(envelope.timestamp.as_micros()), micros, "{}", body);
                }
            }
        }
    }

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_123_456);

    fn wrap(body: &str) -> Wrapped {
        let message = DeviceMessage::parse(body.as_bytes()).expect(body);
        message
            .wrap(Cloud::Aws, Some("trace"), None, NOW, [7; 10], digest)
            .expect(body)
    }

    fn error(body: &str) -> String {
        DeviceMessage::parse(body.as_bytes())
            .expect_err(body)
            .to_string()
    }

    #[test]
    fn every_dialect_becomes_the_same_envelope() {
        for body in [
            r#"{"device_id":"d","timestamp":"2023-11-14T22:13:20Z","t":1.50}"#,
            r#"{"iotDeviceId":"d","time":"2023-11-14T22:13:20Z","t":1.50}"#,
            r#"{"t":1.50,"deviceId":"d","ts":"2023-11-14T22:13:20Z"}"#,
            r#"{"IoTDeviceId":"d","time":"","ts":"2023-11-14T22:13:20Z","timestamp":null,"t":1.50}"#,
        ] {
            assert_eq!(
                wrap(body).envelope,
                r#"{"source_cloud":"aws","target_layer":"L2","message_type":"telemetry","timestamp":"2023-11-14T22:13:20Z","payload":{"device_id":"d","t":1.50},"trace_id":"trace"}"#
            );
        }
    }

    #[test]
    fn times_are_understood_in_every_form() {
        for (time, written) in [
            ("1700000000", "2023-11-14T22:13:20.000000Z"),
            ("1700000000123", "2023-11-14T22:13:20.123000Z"),
            ("1.7e9", "2023-11-14T22:13:20.000000Z"),
            (
                r#""2023-11-14T23:13:20+01:00""#,
                "2023-11-14T22:13:20.000000Z",
            ),
            (
                r#""2023-11-14T22:13:20.123456789Z""#,
                "2023-11-14T22:13:20.123456789Z",
            ),
            (r#""2023-11-14t22:13:20z""#, "2023-11-14T22:13:20.000000Z"),
            (
                r#""2023-11-14t23:13:20+01:00""#,
                "2023-11-14T22:13:20.000000Z",
            ),
            ("null", "2023-11-14T22:13:20.123456Z"),
            (r#""""#, "2023-11-14T22:13:20.123456Z"),
        ] {
            let wrapped = wrap(&format!(r#"{{"device_id":"d","time":{time}}}"#));
            assert!(
                wrapped.envelope.contains(written),
                "{time}: {}",
                wrapped.envelope
            );
            Envelope::parse(wrapped.envelope.as_bytes()).expect("what is wrapped is valid");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, named) in [
            ("{}", "`device_id` is missing"),
            (r#"{"device_id":7}"#, "`device_id` must be a string"),
            (
                r#"{"device_id":"d","deviceId":"d"}"#,
                "`deviceId` is given more than once",
            ),
            (
                r#"{"device_id":"d","time":1,"ts":2}"#,
                "`ts` is given more than once",
            ),
            (
                r#"{"device_id":"d","time":"yesterday"}"#,
                "`timestamp` must be",
            ),
            (
                r#"{"device_id":"d","time":"1700000000"}"#,
                "`timestamp` must be",
            ),
            (r#"{"device_id":"d","time":1e300}"#, "`timestamp` must be"),
            (r#"{"device_id":"d","time":1e400}"#, "`timestamp` must be"),
            (
                r#"{"device_id":"d","time":"0000-01-01T00:00:00+01:00"}"#,
                "`timestamp` must be",
            ),
            (
                r#"{"device_id":"d","time":"9999-12-31T23:59:59-00:01"}"#,
                "`timestamp` must be",
            ),
            (r#"{"device_id":"d","time":{}}"#, "`timestamp` must be"),
            (r#"[{"device_id":"d"}]"#, "one JSON object"),
        ] {
            assert!(error(body).contains(named), "{body}: {}", error(body));
        }
    }

    #[test]
    fn a_reading_with_a_time_keeps_its_id_and_one_without_gets_a_new_one() {
        let timed = r#"{"device_id":"d","time":1700000000,"t":1}"#;
        assert_eq!(wrap(timed).id, wrap(timed).id);
        assert_ne!(
            wrap(timed).id,
            wrap(r#"{"device_id":"d","time":1700000000,"t":2}"#).id
        );
        let message = DeviceMessage::parse(br#"{"device_id":"d"}"#).expect("valid");
        let id = |random| {
            message
                .wrap(Cloud::Gcp, None, None, NOW, random, digest)
                .expect("fits")
                .id
        };
        assert_ne!(id([1; 10]), id([2; 10]));
        let given = MessageId::parse("mine").expect("valid");
        let wrapped = message.wrap(Cloud::Gcp, None, Some(given.clone()), NOW, [0; 10], digest);
        assert_eq!(wrapped.expect("fits").id, given);
    }

    #[test]
    fn what_would_not_pass_as_an_envelope_is_refused_at_once() {
        let deep = format!(
            r#"{{"device_id":"d","a":{}{}}}"#,
            "[".repeat(63),
            "]".repeat(63)
        );
        assert_eq!(
            DeviceMessage::parse(deep.as_bytes()).expect_err("too deep"),
            ContractError::BodyTooDeep
        );
        let large = format!(
            r#"{{"device_id":"d","a":"{}"}}"#,
            "x".repeat(crate::MAX_BODY - 30)
        );
        let message = DeviceMessage::parse(large.as_bytes()).expect("fits by itself");
        let wrapped = message.wrap(Cloud::Aws, None, None, NOW, [0; 10], digest);
        assert_eq!(wrapped, Err(ContractError::BodyTooLarge));
    }
}
