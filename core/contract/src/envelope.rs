//! The inter-cloud envelope (spec §3): parsed as far as the functions need it, and carried as the bytes that were received.

use std::borrow::Cow;

use crate::{
    Cloud, ContractError, DeviceMessage, Layer, MAX_BODY, MAX_DEVICE_ID, MessageType, Sha256Hex,
    Timestamp,
    json::{Object, find, push_name, push_text},
    scan::Value,
};

/// A message sent between layers. Borrows from its bytes; unknown fields stay unchanged in them.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// The cloud that sent it.
    pub source_cloud: Cloud,
    /// The layer that receives it.
    pub target_layer: Layer,
    /// What kind of message it carries.
    pub message_type: MessageType,
    /// When the message was created.
    pub timestamp: Timestamp,
    /// `payload.device_id`: 1 to [`MAX_DEVICE_ID`] bytes.
    pub device_id: Cow<'a, str>,
    /// For distributed tracing.
    pub trace_id: Option<Cow<'a, str>>,
    payload: Value<'a>,
    object: Object<'a>,
}

/// What a connector accepts: a device's message, or an envelope for the next layer.
#[derive(Clone, Debug)]
pub enum Post<'a> {
    /// A body with at least two of the fields that make an envelope.
    Envelope(Envelope<'a>),
    /// Anything else.
    Device(DeviceMessage<'a>),
}

impl<'a> Post<'a> {
    /// Parses a body. A body with two of the envelope's own fields is an envelope. This way an envelope that lacks a field
    /// gets a suitable error, and a device may still use one of these names.
    ///
    /// # Errors
    /// If it is not valid.
    pub fn parse(body: &'a [u8]) -> Result<Self, ContractError> {
        let object = Object::from_body(body)?;
        if is_envelope(&object) {
            Envelope::from_object(object).map(Self::Envelope)
        } else {
            DeviceMessage::from_object(&object).map(Self::Device)
        }
    }
}

/// Whether a body is meant to be an envelope: it has at least two of the fields that make one.
pub(crate) fn is_envelope(object: &Object<'_>) -> bool {
    let marks = ["source_cloud", "target_layer", "message_type", "payload"];
    let given = marks
        .into_iter()
        .filter(|field| object.get(field).is_some());
    given.count() >= 2
}

impl<'a> Envelope<'a> {
    /// Parses and validates the body of a request.
    ///
    /// # Errors
    /// The first error, naming the field.
    pub fn parse(body: &'a [u8]) -> Result<Self, ContractError> {
        Self::from_object(Object::from_body(body)?)
    }

    fn from_object(mut object: Object<'a>) -> Result<Self, ContractError> {
        let source_cloud = object.text("source_cloud", "a string")?.parse()?;
        let target_layer = object.text("target_layer", "a string")?.parse()?;
        let message_type = object.text("message_type", "a string")?.parse()?;
        const TIMESTAMP: &str = "an RFC 3339 timestamp in UTC that ends in Z";
        let timestamp = Timestamp::parse_utc(&object.text("timestamp", TIMESTAMP)?).ok_or(
            ContractError::FieldInvalid {
                field: "timestamp",
                expected: TIMESTAMP,
            },
        )?;
        let payload = object
            .get("payload")
            .ok_or(ContractError::FieldMissing("payload"))?;
        let fields = object.payload.take().ok_or(ContractError::FieldInvalid {
            field: "payload",
            expected: "an object",
        })?;
        let device_id = find(&fields.each_once()?, "device_id")
            .ok_or(ContractError::FieldMissing("payload.device_id"))
            .and_then(|value| device_id("payload.device_id", value))?;
        let trace_id = object.get("trace_id").map(trace_id).transpose()?.flatten();
        Ok(Self {
            source_cloud,
            target_layer,
            message_type,
            timestamp,
            device_id,
            trace_id,
            payload,
            object,
        })
    }

    /// Rejects an envelope for the other layer.
    ///
    /// # Errors
    /// [`ContractError::FieldInvalid`] for `target_layer`.
    pub fn require_layer(&self, layer: Layer) -> Result<(), ContractError> {
        if self.target_layer == layer {
            return Ok(());
        }
        Err(ContractError::FieldInvalid {
            field: "target_layer",
            expected: match layer {
                Layer::L2 => "\"L2\" here",
                Layer::L3 => "\"L3\" here",
            },
        })
    }

    /// The payload's bytes, as received.
    pub fn payload(&self) -> &'a str {
        self.payload.get()
    }

    /// Hex SHA-256 of the payload's bytes, which distinguishes a repetition from another message with the same id.
    pub fn payload_digest(&self, sha256: Sha256Hex) -> String {
        sha256(self.payload().as_bytes())
    }

    /// The envelope for its next hop: unchanged except for its source and its target.
    ///
    /// # Errors
    /// [`ContractError::BodyTooLarge`] if this makes it too large.
    pub fn forward(
        &self,
        source_cloud: Cloud,
        target_layer: Layer,
    ) -> Result<String, ContractError> {
        // Another cloud's name and removed spaces change the length only slightly.
        let mut out = String::with_capacity(self.payload.get().len() + 256);
        out.push('{');
        for (name, value) in &self.object.fields {
            push_name(&mut out, name);
            match name.as_ref() {
                "source_cloud" => push_text(&mut out, source_cloud.as_str()),
                "target_layer" => push_text(&mut out, target_layer.as_str()),
                _ => out.push_str(value.get()),
            }
        }
        out.push('}');
        check_size(&out)?;
        Ok(out)
    }
}

/// Rejects an envelope that no receiver would accept.
pub(crate) fn check_size(envelope: &str) -> Result<(), ContractError> {
    if envelope.len() > MAX_BODY {
        return Err(ContractError::BodyTooLarge);
    }
    Ok(())
}

/// Reads a device id.
pub(crate) fn device_id<'a>(
    field: &'static str,
    value: Value<'a>,
) -> Result<Cow<'a, str>, ContractError> {
    value
        .as_text()
        .filter(|id| (1..=MAX_DEVICE_ID).contains(&id.len()))
        .ok_or(ContractError::FieldInvalid {
            field,
            expected: "a string of 1 to 256 bytes",
        })
}

fn trace_id(value: Value<'_>) -> Result<Option<Cow<'_, str>>, ContractError> {
    if value.get() == "null" {
        return Ok(None);
    }
    let text = value.as_text().filter(|id| id.len() <= MAX_DEVICE_ID);
    text.map(Some).ok_or(ContractError::FieldInvalid {
        field: "trace_id",
        expected: "a string of at most 256 bytes",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"{"source_cloud":"aws","target_layer":"L2","message_type":"telemetry","timestamp":"2023-10-27T10:00:00Z","payload":{"device_id":"sensor-001","temperature":25.40},"trace_id":"abc-123-xyz"}"#;

    #[test]
    fn the_specifications_example_parses() {
        let envelope = Envelope::parse(GOOD.as_bytes()).expect("valid");
        assert_eq!(envelope.source_cloud, Cloud::Aws);
        assert_eq!(envelope.target_layer, Layer::L2);
        assert_eq!(envelope.message_type, MessageType::Telemetry);
        assert_eq!(envelope.timestamp.as_micros(), 1_698_400_800_000_000);
        assert_eq!(envelope.device_id, "sensor-001");
        assert_eq!(envelope.trace_id.as_deref(), Some("abc-123-xyz"));
        assert_eq!(
            envelope.payload(),
            r#"{"device_id":"sensor-001","temperature":25.40}"#
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let broken = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            Envelope::parse(GOOD.replace(from, to).as_bytes())
                .expect_err(from)
                .to_string()
        };
        for (from, to, named) in [
            (r#""source_cloud":"aws","#, "", "`source_cloud` is missing"),
            (r#""aws""#, "7", "`source_cloud` must be a string"),
            (
                r#""aws""#,
                r#""ibm""#,
                r#"`source_cloud` must be "aws", "azure" or "gcp""#,
            ),
            (
                r#""L2""#,
                r#""L4""#,
                r#"`target_layer` must be "L2" or "L3""#,
            ),
            (r#""target_layer":"L2","#, "", "`target_layer` is missing"),
            (
                r#""telemetry""#,
                r#""alarm""#,
                r#"`message_type` must be "telemetry", "event" or "command""#,
            ),
            (
                r#""message_type":"telemetry","#,
                "",
                "`message_type` is missing",
            ),
            (
                r#""2023-10-27T10:00:00Z""#,
                "1698400800",
                "`timestamp` must be an RFC 3339",
            ),
            (
                "10:00:00Z",
                "10:00:00+01:00",
                "`timestamp` must be an RFC 3339",
            ),
            (
                r#""timestamp":"2023-10-27T10:00:00Z","#,
                "",
                "`timestamp` is missing",
            ),
            (
                r#"{"device_id":"sensor-001","temperature":25.40}"#,
                "[]",
                "`payload` must be an object",
            ),
            (
                r#""device_id":"sensor-001","#,
                "",
                "`payload.device_id` is missing",
            ),
            (
                r#""sensor-001""#,
                "1",
                "`payload.device_id` must be a string of 1 to 256 bytes",
            ),
            (
                r#""sensor-001""#,
                r#""""#,
                "`payload.device_id` must be a string of 1 to 256 bytes",
            ),
            (
                r#""sensor-001""#,
                r#""\ud800""#,
                "`payload.device_id` must be a string of 1 to 256 bytes",
            ),
            (
                r#""temperature""#,
                r#""device_id""#,
                "`device_id` is given more than once",
            ),
            (r#""abc-123-xyz""#, "{}", "`trace_id` must be a string"),
            (
                r#""trace_id""#,
                r#""payload""#,
                "`payload` is given more than once",
            ),
        ] {
            let message = broken(from, to);
            assert!(message.contains(named), "{message} should say {named}");
        }
    }

    #[test]
    fn google_is_gcp_on_input_and_null_is_no_trace() {
        let text = GOOD
            .replace(r#""aws""#, r#""google""#)
            .replace(r#""abc-123-xyz""#, "null");
        let envelope = Envelope::parse(text.as_bytes()).expect("valid");
        assert_eq!(
            (envelope.source_cloud, envelope.trace_id),
            (Cloud::Gcp, None)
        );
    }

    #[test]
    fn a_forwarded_envelope_differs_in_two_fields_only() {
        let text = GOOD.replacen('{', r#"{"x":1e400,"#, 1);
        let envelope = Envelope::parse(text.as_bytes()).expect("valid");
        let expected = text
            .replace(r#""aws""#, r#""azure""#)
            .replace(r#""L2""#, r#""L3""#);
        assert_eq!(envelope.forward(Cloud::Azure, Layer::L3), Ok(expected));
    }

    #[test]
    fn the_other_layer_is_refused() {
        let envelope = Envelope::parse(GOOD.as_bytes()).expect("valid");
        assert_eq!(envelope.require_layer(Layer::L2), Ok(()));
        let error = envelope.require_layer(Layer::L3).expect_err("refused");
        assert_eq!(
            error.to_string(),
            r#"the field `target_layer` must be "L3" here"#
        );
    }

    #[test]
    fn two_of_its_fields_make_an_envelope() {
        assert!(matches!(
            Post::parse(GOOD.as_bytes()),
            Ok(Post::Envelope(_))
        ));
        let lacking = r#"{"payload":{"device_id":"d"},"message_type":"event"}"#;
        let error = Post::parse(lacking.as_bytes()).expect_err("an envelope without a cloud");
        assert_eq!(error, ContractError::FieldMissing("source_cloud"));
        let device = r#"{"device_id":"d","payload":{"a":1}}"#;
        assert!(matches!(
            Post::parse(device.as_bytes()),
            Ok(Post::Device(_))
        ));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Post::parse(&body);
        }

        #[test]
        fn no_mutation_makes_it_panic_or_change_the_payload(at in 0..GOOD.len(), byte in any::<u8>()) {
            let mut body = GOOD.as_bytes().to_vec();
            body[at] = byte;
            if let Ok(envelope) = Envelope::parse(&body) {
                let text = std::str::from_utf8(&body).expect("parsed");
                prop_assert!(text.contains(envelope.payload()));
            }
        }
    }
}
