//! The JSON documents of the contract: their fields, as tables and as JSON Schema.

use serde_json::{Map, Value, json};
use twin_contract::{
    Cloud, DiscardReason, Layer, MAX_DEVICE_ID, MAX_RAW_DATA, MessageType, Query, ReplayCommand,
};

/// A document: the body of a request or a reply.
pub(crate) struct Document {
    /// Its name among the schemas.
    pub(crate) name: &'static str,
    /// Its meaning.
    pub(crate) meaning: &'static str,
    /// Its fields.
    pub(crate) fields: Vec<Field>,
    /// Whether other fields are allowed and kept.
    pub(crate) open: bool,
    /// What its schema requires beyond its fields.
    also: Value,
}

/// A field of a document.
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether it is required.
    pub(crate) required: bool,
    /// Its value, as JSON Schema.
    pub(crate) schema: Value,
    /// Its meaning.
    pub(crate) meaning: &'static str,
}

fn must(name: &'static str, schema: Value, meaning: &'static str) -> Field {
    Field {
        name,
        required: true,
        schema,
        meaning,
    }
}

fn may(name: &'static str, schema: Value, meaning: &'static str) -> Field {
    Field {
        required: false,
        ..must(name, schema, meaning)
    }
}

pub(crate) fn text() -> Value {
    json!({ "type": "string" })
}

fn some_text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

pub(crate) fn one_of<T: AsRef<str>>(words: &[T]) -> Value {
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    json!({ "type": "string", "enum": words })
}

pub(crate) fn integer(least: u64, most: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

pub(crate) fn instant() -> Value {
    json!({ "type": "string", "format": "date-time", "pattern": "[Zz]$" })
}

pub(crate) fn id() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$" })
}

pub(crate) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn document(name: &'static str, meaning: &'static str, fields: Vec<Field>) -> Document {
    Document {
        name,
        meaning,
        fields,
        open: false,
        also: json!({}),
    }
}

impl Document {
    fn open(mut self) -> Self {
        self.open = true;
        self
    }

    fn also(mut self, also: Value) -> Self {
        self.also = also;
        self
    }

    /// The document as JSON Schema.
    pub(crate) fn schema(&self) -> Value {
        let properties: Map<_, _> = self
            .fields
            .iter()
            .map(|field| {
                let mut schema = field.schema.clone();
                if let Some(object) = schema.as_object_mut() {
                    object.insert("description".to_owned(), field.meaning.into());
                }
                (field.name.to_owned(), schema)
            })
            .collect();
        let required: Vec<_> = self
            .fields
            .iter()
            .filter_map(|field| field.required.then_some(field.name))
            .collect();
        let mut schema = json!({
            "type": "object",
            "description": self.meaning,
            "properties": properties,
            "required": required,
            "additionalProperties": self.open,
        });
        if let (Some(schema), Some(also)) = (schema.as_object_mut(), self.also.as_object()) {
            schema.extend(also.clone());
        }
        schema
    }
}

/// All documents, requests first.
pub(crate) fn all() -> Vec<Document> {
    let mut all = requests();
    all.extend(replies());
    all.extend(listings());
    all
}

fn clouds() -> Vec<&'static str> {
    Cloud::ALL.iter().map(|cloud| cloud.as_str()).collect()
}

fn envelope_fields() -> Vec<Field> {
    let mut clouds = clouds();
    clouds.push("google");
    let layers: Vec<_> = Layer::ALL.iter().map(|layer| layer.as_str()).collect();
    let types: Vec<_> = MessageType::ALL.iter().map(|kind| kind.as_str()).collect();
    let device_id = json!({ "type": "string", "minLength": 1, "maxLength": MAX_DEVICE_ID });
    vec![
        must(
            "source_cloud",
            one_of(&clouds),
            "The cloud that sent it; `google` is understood for `gcp`.",
        ),
        must(
            "target_layer",
            one_of(&layers),
            "The layer that it is meant for: L2 processes, L3 stores.",
        ),
        must(
            "message_type",
            one_of(&types),
            "What kind of message it carries.",
        ),
        must("timestamp", instant(), "When the message was made."),
        must(
            "payload",
            json!({ "type": "object", "properties": { "device_id": device_id }, "required": ["device_id"] }),
            "The message itself. `device_id` is required, with 1 to 256 bytes; all else is carried byte for byte.",
        ),
        may(
            "trace_id",
            json!({ "type": ["string", "null"] }),
            "For distributed tracing.",
        ),
    ]
}

fn system_error_fields() -> Vec<Field> {
    let mut clouds = clouds();
    clouds.push("google");
    vec![
        must("twin_id", some_text(), "The twin's name."),
        must(
            "cloud_provider",
            one_of(&clouds),
            "The cloud on which it happened.",
        ),
        must(
            "severity",
            one_of(&["CRITICAL", "WARNING", "INFO"]),
            "CRITICAL: data is lost or at risk. WARNING: service is degraded, data is safe. INFO: service is restored.",
        ),
        must(
            "component",
            some_text(),
            "What reports it, such as `L1-Connector` or `L3-Writer`.",
        ),
        must(
            "error_code",
            some_text(),
            "See the list of codes of system errors.",
        ),
        must("message", text(), "For people."),
        must("timestamp", instant(), "When it happened."),
        may(
            "raw_data",
            json!({ "type": ["string", "null"] }),
            "The payload that caused it; what exceeds 64 KiB is cut off.",
        ),
    ]
}

fn requests() -> Vec<Document> {
    let device_ids = ["device_id", "iotDeviceId", "deviceId", "IoTDeviceId"];
    let device_id = json!({ "type": "string", "minLength": 1, "maxLength": MAX_DEVICE_ID });
    let time = json!({ "type": ["string", "number", "null"] });
    let mut device: Vec<_> = device_ids
        .map(|name| {
            may(
                name,
                device_id.clone(),
                "The device; exactly one of its four spellings is required.",
            )
        })
        .into();
    device.extend(["timestamp", "time", "ts"].map(|name| {
        let meaning = "The time of the reading, under one of three names: RFC 3339, or a number of seconds (below 1e11) or \
                       milliseconds since 1970. Missing, null or empty: now.";
        may(name, time.clone(), meaning)
    }));
    let one_id: Vec<_> = device_ids.map(|name| json!({ "required": [name] })).into();
    vec![
        document(
            "Envelope",
            "A message between layers (specification, section 3).",
            envelope_fields(),
        )
        .open(),
        document(
            "DeviceMessage",
            "What a device sends; all other fields become part of the payload.",
            device,
        )
        .open()
        .also(json!({ "oneOf": one_id })),
        document(
            "SystemError",
            "What the error topic delivers (specification, section 4).",
            system_error_fields(),
        ),
        document(
            "ReplayCommand",
            "Which dead letters to send again: those that meet every condition. An empty body selects all.",
            vec![
                may("letter_id", text(), "Only this letter."),
                may(
                    "peer",
                    one_of(&["ingestion", "writer"]),
                    "Only letters for this peer.",
                ),
                may(
                    "before",
                    instant(),
                    "Only letters that were stored before this time.",
                ),
                may(
                    "limit",
                    integer(1, ReplayCommand::MAX_LIMIT.into()),
                    "At most so many letters; 1000 by default.",
                ),
                may(
                    "dry_run",
                    json!({ "type": "boolean" }),
                    "Show what would be sent, and send nothing.",
                ),
                may(
                    "cursor",
                    text(),
                    "The `next` of an earlier report of the same command.",
                ),
            ],
        ),
    ]
}

fn replies() -> Vec<Document> {
    let custody = |word: &str| {
        vec![
            must(
                "status",
                json!({ "const": word }),
                "What became of the message.",
            ),
            must("id", id(), "The message's identity from now on."),
        ]
    };
    let letter_id = || must("letter_id", some_text(), "The letter's name.");
    vec![
        document(
            "Received",
            "The message is durable where it was going.",
            custody("received"),
        ),
        document(
            "DeadLettered",
            "The message could not be delivered, and is safe among the dead letters: do not send it again.",
            custody("dead-lettered"),
        ),
        document(
            "Error",
            "Why the request was not carried out.",
            vec![
                must("status", json!({ "const": "error" }), "Always `error`."),
                must(
                    "error_code",
                    json!({ "type": "string", "pattern": "^[A-Z0-9_]+$" }),
                    "See the list of error codes.",
                ),
                must("message", text(), "For people; names what is wrong."),
            ],
        ),
        document(
            "ReplayReport",
            "What came of a replay.",
            vec![
                must(
                    "replayed",
                    count(),
                    "Letters that arrived and are gone from the store.",
                ),
                must("failed", count(), "Letters that were sent and stay."),
                must(
                    "postponed",
                    count(),
                    "Letters that stay unsent, because their peer is down or another replay has them.",
                ),
                must(
                    "failures",
                    list(reference("ReplayFailure")),
                    "Why each of the failed ones failed.",
                ),
                may(
                    "next",
                    some_text(),
                    "The `cursor` of a command that goes on with the rest; absent if there is none.",
                ),
            ],
        ),
        document(
            "ReplayFailure",
            "A letter that was sent in vain.",
            vec![letter_id(), must("cause", text(), "What went wrong.")],
        ),
        document(
            "ReplayPreview",
            "What a replay would send.",
            vec![
                must("dry_run", json!({ "const": true }), "Nothing was sent."),
                must(
                    "letters",
                    list(reference("LetterSummary")),
                    "In the order in which they would be sent.",
                ),
                must("count", count(), "How many there are on this page."),
                may(
                    "next",
                    some_text(),
                    "The `cursor` of the page that follows; absent on the last one.",
                ),
            ],
        ),
        document(
            "LetterSummary",
            "A dead letter without its content.",
            vec![
                letter_id(),
                must("id", some_text(), "The message's identity."),
                must("peer", some_text(), "Where it was going."),
                must(
                    "stored_at",
                    instant(),
                    "When it was stored, by the store's clock.",
                ),
            ],
        ),
        document(
            "Discarded",
            "The letter is gone, and its discard was reported.",
            vec![
                must(
                    "status",
                    json!({ "const": "discarded" }),
                    "Always `discarded`.",
                ),
                letter_id(),
            ],
        ),
        document(
            "Health",
            "The process runs.",
            vec![must("status", json!({ "const": "ok" }), "Always `ok`.")],
        ),
        document(
            "Ready",
            "The host can do its work.",
            vec![must(
                "status",
                json!({ "const": "ready" }),
                "Always `ready`.",
            )],
        ),
    ]
}

fn listings() -> Vec<Document> {
    let page = |name, meaning, item| {
        document(
            name,
            meaning,
            vec![
                must("items", list(reference(item)), "In the order asked for."),
                must("count", count(), "How many there are on this page."),
                may(
                    "next",
                    some_text(),
                    "The `cursor` of the page that follows; absent on the last one.",
                ),
            ],
        )
    };
    let stored = |mut fields: Vec<Field>| {
        fields.push(must("id", id(), "Its identity."));
        fields.push(must(
            "stored_at",
            instant(),
            "When it was stored, by the store's clock.",
        ));
        fields
    };
    vec![
        page("Records", "A page of records.", "Record"),
        document(
            "Record",
            "An envelope as it was sent, with its identity.",
            stored(envelope_fields()),
        )
        .open(),
        page(
            "SystemErrors",
            "A page of system errors.",
            "StoredSystemError",
        ),
        document(
            "StoredSystemError",
            "A system error with its identity.",
            stored(system_error_fields()),
        ),
        page(
            "DeadLetters",
            "A page of dead letters, oldest first.",
            "DeadLetter",
        ),
        document(
            "DeadLetter",
            "A message that could not be delivered, with its history.",
            vec![
                must(
                    "letter_id",
                    some_text(),
                    "The letter's name: it follows from peer, id and envelope.",
                ),
                must("id", some_text(), "The message's identity."),
                must("peer", some_text(), "Where it was going."),
                may("trace_id", text(), "The message's trace."),
                must(
                    "attempts",
                    list(reference("Attempt")),
                    "Each attempt and its outcome.",
                ),
                must(
                    "first_failure_at",
                    instant(),
                    "When the first attempt failed.",
                ),
                must(
                    "last_failure_at",
                    instant(),
                    "When the last attempt failed.",
                ),
                must(
                    "stored_at",
                    instant(),
                    "When it was stored, by the store's clock.",
                ),
                may(
                    "leased_until",
                    instant(),
                    "Until when a replay or a discard holds it.",
                ),
                must("envelope", json!({}), "The envelope, byte for byte."),
            ],
        ),
        document(
            "Attempt",
            "One attempt to deliver.",
            vec![
                must("at", instant(), "When it failed."),
                may(
                    "status",
                    integer(100, 599),
                    "The peer's HTTP status, if it replied.",
                ),
                must("cause", text(), "What went wrong."),
            ],
        ),
    ]
}

/// The parameters of a query string, by name.
pub(crate) fn parameter(name: &'static str) -> Field {
    match name {
        "device_id" => must(
            name,
            json!({ "type": "string", "minLength": 1, "maxLength": MAX_DEVICE_ID }),
            "The device whose records are asked for.",
        ),
        "from" => may(name, instant(), "Only what is at or after this time."),
        "to" => may(name, instant(), "Only what is before this time."),
        "order" => may(
            name,
            one_of(&["desc", "asc"]),
            "Newest first (`desc`, the default) or oldest first.",
        ),
        "limit" => may(
            name,
            integer(1, Query::MAX_LIMIT.into()),
            "Items on a page, at most; 100 by default. A page also ends after 1 MiB.",
        ),
        "cursor" => may(
            name,
            text(),
            "The `next` of the page before, with the same query.",
        ),
        "reason" => must(
            name,
            json!({ "type": "string", "minLength": 1, "maxLength": DiscardReason::MAX }),
            "Why the letter is discarded, in one line; it becomes part of the report.",
        ),
        _ => may(name, text(), ""),
    }
}

/// The limits that the text above gives in KiB and bytes.
const _: () = assert!(MAX_RAW_DATA == 64 * 1024 && MAX_DEVICE_ID == 256);
