//! What a function of Lambda is invoked with: the form decides what it is.

use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;

use super::http::{HttpRequest, Incoming, RequestError, RestRequest};
use crate::ingress::events::{Event, Subject};

/// The sources of the system errors that `twin-aws` publishes begin so.
const SOURCE: &str = "twin2multicloud.";

/// What `clientid()` is in an IoT rule if the message did not come over MQTT.
const NO_CLIENT: &str = "n/a";

/// An invocation.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// Of API Gateway or a function URL, which wait for the answer.
    Request(Box<Incoming>),
    /// Asynchronous: only the outcome counts.
    Event(Event),
    /// Of a queue, which asks which messages failed.
    Queue(Vec<Message>),
}

/// A message of a queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) event: Event,
}

/// Why an invocation cannot be read. No message contains a part of the event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvocationError {
    #[error(
        "the event has none of the forms that this function takes: a request of API Gateway or of a function URL, a system error of \
         EventBridge, messages of SQS, or a message of an IoT rule with `'telemetry' AS twin`"
    )]
    Unknown,
    #[error("the event is not JSON of the form that it begins with")]
    Json(#[from] serde_json::Error),
    #[error("the event is no request")]
    Request(#[from] RequestError),
    #[error(
        "the field `body` of the IoT rule's event is not base64: select encode(*, 'base64') AS body"
    )]
    Base64(#[from] DecodeError),
    #[error("the event's source is not twin2multicloud.FUNCTION, or its detail type not Error")]
    NotAnError,
}

/// The fields by which the forms differ. All others are read later.
#[derive(Deserialize)]
struct Marks {
    version: Option<IgnoredAny>,
    #[serde(rename = "httpMethod")]
    method: Option<IgnoredAny>,
    #[serde(rename = "rawPath")]
    raw_path: Option<IgnoredAny>,
    #[serde(rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
    #[serde(rename = "Records")]
    records: Option<IgnoredAny>,
    twin: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct BusEvent<'a> {
    source: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    id: String,
    #[serde(borrow)]
    detail: &'a RawValue,
}

/// What `twin-aws` publishes beside the fields of the system error.
#[derive(Deserialize)]
struct Detail {
    id: Option<String>,
}

#[derive(Deserialize)]
struct Queue {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: String,
    event_source: String,
}

/// What the rule selects: docs/functions.md.
#[derive(Deserialize)]
struct Telemetry {
    twin: String,
    body: String,
    device: Option<String>,
    id: Option<String>,
}

impl Invocation {
    /// Reads the payload of an invocation.
    ///
    /// # Errors
    /// If it has no known form.
    pub(crate) fn read(payload: &str) -> Result<Self, InvocationError> {
        let marks: Marks = serde_json::from_str(payload)?;
        Ok(match marks {
            Marks {
                raw_path: Some(_),
                version: Some(_),
                ..
            } => Self::Request(Box::new(parsed::<HttpRequest>(payload)?.read()?)),
            Marks {
                method: Some(_), ..
            } => Self::Request(Box::new(parsed::<RestRequest>(payload)?.read()?)),
            Marks {
                detail_type: Some(_),
                ..
            } => Self::Event(system_error(payload)?),
            Marks {
                records: Some(_), ..
            } => Self::Queue(messages(payload)?),
            Marks { twin: Some(_), .. } => Self::Event(telemetry(payload)?),
            _ => return Err(InvocationError::Unknown),
        })
    }
}

impl Message {
    /// A message of a queue for letters: the copy of one, or an envelope.
    pub(crate) fn new(id: String, body: Vec<u8>) -> Self {
        Self {
            event: Event {
                subject: Subject::Letter,
                id: Some(id.clone()),
                raw: body.clone(),
                body,
            },
            id,
        }
    }
}

fn parsed<T: DeserializeOwned>(payload: &str) -> Result<T, InvocationError> {
    Ok(serde_json::from_str(payload)?)
}

/// The identity of a system error is the one that its publisher gave it, where there is one: EventBridge's own differs for each copy.
fn system_error(payload: &str) -> Result<Event, InvocationError> {
    let event: BusEvent<'_> = serde_json::from_str(payload)?;
    if !event.source.starts_with(SOURCE) || event.detail_type != "Error" {
        return Err(InvocationError::NotAnError);
    }
    let Detail { id } = serde_json::from_str(event.detail.get())?;
    let mut error: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(event.detail.get())?;
    error.remove("id");
    Ok(Event {
        subject: Subject::SystemError,
        id: Some(id.unwrap_or(event.id)),
        body: serde_json::to_vec(&error)?,
        raw: payload.as_bytes().to_vec(),
    })
}

fn messages(payload: &str) -> Result<Vec<Message>, InvocationError> {
    let queue: Queue = parsed(payload)?;
    let message = |record: Record| {
        if record.event_source != "aws:sqs" {
            return Err(InvocationError::Unknown);
        }
        Ok(Message::new(record.message_id, record.body.into_bytes()))
    };
    queue.records.into_iter().map(message).collect()
}

fn telemetry(payload: &str) -> Result<Event, InvocationError> {
    let message: Telemetry = parsed(payload)?;
    if message.twin != "telemetry" {
        return Err(InvocationError::Unknown);
    }
    Ok(Event {
        subject: match message.device {
            Some(device) if device != NO_CLIENT => Subject::Telemetry {
                device: Some(device),
            },
            _ => Subject::UnknownDevice,
        },
        id: message.id,
        body: STANDARD.decode(message.body)?,
        raw: payload.as_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: &str) -> Event {
        match Invocation::read(payload).unwrap() {
            Invocation::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_system_error_of_the_bus_has_the_identity_that_its_publisher_gave_it() {
        let bus = |source: &str, detail: &str| {
            format!(
                r#"{{"version":"0","id":"6a7e8feb","detail-type":"Error","source":"{source}","account":"123456789012","time":"2026-01-01T00:00:00Z","region":"eu-central-1","resources":[],"detail":{detail}}}"#
            )
        };
        let payload = bus(
            "twin2multicloud.writer",
            r#"{"id":"e-1","error_code":"X","raw_data":null}"#,
        );
        let found = event(&payload);
        assert_eq!(found.subject, Subject::SystemError);
        assert_eq!(found.id.as_deref(), Some("e-1"));
        assert_eq!(found.body, br#"{"error_code":"X","raw_data":null}"#);
        assert_eq!(found.raw, payload.as_bytes());
        let found = event(&bus("twin2multicloud.x", "{}"));
        assert_eq!(found.id.as_deref(), Some("6a7e8feb"));
        let foreign = Invocation::read(&bus("aws.s3", "{}"));
        assert!(
            matches!(foreign, Err(InvocationError::NotAnError)),
            "{foreign:?}"
        );
    }

    #[test]
    fn messages_of_a_queue_are_letters() {
        let payload = r#"{"Records":[
            {"messageId":"m1","receiptHandle":"r","body":"{\"x\":1}","attributes":{},"messageAttributes":{},"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:q","awsRegion":"us-east-1"},
            {"messageId":"m2","body":"","eventSource":"aws:sqs"}]}"#;
        let Invocation::Queue(messages) = Invocation::read(payload).unwrap() else {
            panic!("another form");
        };
        let read = messages
            .iter()
            .map(|message| (message.id.as_str(), &*message.event.body));
        assert_eq!(
            read.collect::<Vec<_>>(),
            [("m1", &br#"{"x":1}"#[..]), ("m2", b"")]
        );
        assert!(
            messages
                .iter()
                .all(|message| message.event.subject == Subject::Letter)
        );
    }

    #[test]
    fn a_message_of_an_iot_rule_from_no_client_is_from_an_unknown_device() {
        for device in [r#""device":"n/a","#, ""] {
            let found = event(&format!(
                r#"{{"twin":"telemetry","body":"eyJ0IjoxfQ==",{device}"id":"u"}}"#
            ));
            assert_eq!(found.subject, Subject::UnknownDevice);
        }
    }

    #[test]
    fn a_message_of_an_iot_rule_says_which_device_sent_it() {
        let found = event(r#"{"twin":"telemetry","body":"eyJ0IjoxfQ==","device":"d","id":"u"}"#);
        let device = Some("d".to_owned());
        assert_eq!(found.subject, Subject::Telemetry { device });
        assert_eq!(
            (found.id.as_deref(), &*found.body),
            (Some("u"), &br#"{"t":1}"#[..])
        );
        let plain = Invocation::read(r#"{"twin":"telemetry","body":"{}"}"#);
        assert!(
            matches!(plain, Err(InvocationError::Base64(_))),
            "{plain:?}"
        );
    }

    #[test]
    fn an_event_of_no_known_form_is_refused_without_being_repeated() {
        for payload in [
            "{}",
            "[]",
            "7",
            "{",
            r#"{"twin":"secret-value","body":""}"#,
            r#"{"Records":[{"messageId":"secret-value","body":"","eventSource":"aws:s3"}]}"#,
            r#"{"httpMethod":"GET"}"#,
            r#"{"version":"2.0","rawPath":"/"}"#,
        ] {
            let error = Invocation::read(payload).unwrap_err();
            assert!(!format!("{error}").contains("secret-value"), "{error}");
        }
    }
}
