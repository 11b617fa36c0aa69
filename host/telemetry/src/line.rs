//! A log line: one event with its fields, in the form in which it is limited and written.

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use tracing::{
    Level,
    field::{Field, Visit},
};

use twin_contract::TraceParent;

use crate::{Dialect, LogFormat};

/// The event field in which `imports::log` passes a component's fields, as a JSON object: their names are not known when the
/// host is compiled.
const COMPONENT_FIELDS: &str = "fields";

/// The longest text in a line, in bytes. It applies to the message, to the name of a field and to its value.
const MAX_TEXT: usize = 8 * 1024;
/// The most fields in a line.
const MAX_FIELDS: usize = 32;
/// Names that the line itself uses; a field cannot have them.
const OWN: [&str; 11] = [
    "timestamp",
    "level",
    "message",
    "repeated",
    "target",
    "severity",
    "trace_id",
    "span_id",
    "logging.googleapis.com/trace",
    "logging.googleapis.com/spanId",
    "logging.googleapis.com/trace_sampled",
];

/// A log line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    at: Timestamp,
    pub(super) level: Level,
    target: &'static str,
    message: String,
    fields: Vec<(Cow<'static, str>, Value)>,
    /// The span during which it was logged.
    pub(super) trace: Option<TraceParent>,
    /// Lines of the same kind that were left out since the last one that was written.
    pub(super) repeated: u64,
}

impl Line {
    /// A line without message and fields, with the current time.
    pub(super) fn new(level: Level, target: &'static str) -> Self {
        Self {
            at: Timestamp::now(),
            level,
            target,
            message: String::new(),
            fields: Vec::new(),
            trace: None,
            repeated: 0,
        }
    }

    /// Sets the message.
    pub(super) fn message(&mut self, text: impl Into<String>) {
        self.message = cut(text.into());
    }

    /// Adds a field, unless one of this name exists or there are too many.
    pub(super) fn field(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let mut name = name.into();
        if OWN.contains(&name.as_ref()) {
            name = Cow::Owned(format!("{COMPONENT_FIELDS}.{name}"));
        }
        if self.fields.len() < MAX_FIELDS && self.get(&name).is_none() {
            let value = match value.into() {
                Value::String(text) => Value::String(cut(text)),
                other => other,
            };
            self.fields
                .push((Cow::Owned(cut(name.into_owned())), value));
        }
    }

    /// The value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let mut fields = self.fields.iter();
        fields.find_map(|(field, value)| (field == name).then_some(value))
    }

    /// The message.
    pub(super) fn text(&self) -> &str {
        &self.message
    }

    /// The fields so far, for example those of a span for the lines within it.
    pub(super) fn into_fields(self) -> Vec<(Cow<'static, str>, Value)> {
        self.fields
    }

    /// The line in a format, with a newline at the end.
    pub(super) fn render(&self, format: LogFormat, dialect: &Dialect) -> Vec<u8> {
        let mut text = match format {
            // A map with string keys always serializes.
            LogFormat::Json => serde_json::to_string(&Json(self, dialect)).unwrap_or_default(),
            LogFormat::Text => self.to_string(),
        };
        text.push('\n');
        text.into_bytes()
    }
}

/// A line as a JSON object, with the names that a cloud's log service gives to severity and trace.
struct Json<'a>(&'a Line, &'a Dialect);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(line, dialect) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &format_args!("{:.6}", line.at))?;
        map.serialize_entry("level", line.level.as_str())?;
        if let Dialect::GoogleCloud { .. } = dialect {
            map.serialize_entry("severity", severity(line.level))?;
        }
        map.serialize_entry("message", &line.message)?;
        for (name, value) in &line.fields {
            map.serialize_entry(name, value)?;
        }
        if line.repeated > 0 {
            map.serialize_entry("repeated", &line.repeated)?;
        }
        if let Some(trace) = &line.trace {
            trace_entries(&mut map, trace, dialect)?;
        }
        map.serialize_entry("target", line.target)?;
        map.end()
    }
}

fn trace_entries<M: SerializeMap>(
    map: &mut M,
    trace: &TraceParent,
    dialect: &Dialect,
) -> Result<(), M::Error> {
    let (id, span) = (format_args!("{}", trace.trace_id), trace.span_id);
    match dialect {
        Dialect::Plain => {
            map.serialize_entry("trace_id", &id)?;
            map.serialize_entry("span_id", &format_args!("{span}"))
        }
        Dialect::GoogleCloud { project } => {
            match project {
                // Cloud Logging links a line to its trace only by the trace's full name.
                Some(project) => map.serialize_entry(
                    "logging.googleapis.com/trace",
                    &format_args!("projects/{project}/traces/{id}"),
                )?,
                None => map.serialize_entry("trace_id", &id)?,
            }
            map.serialize_entry("logging.googleapis.com/spanId", &format_args!("{span}"))?;
            map.serialize_entry(
                "logging.googleapis.com/trace_sampled",
                &trace.flags.is_sampled(),
            )
        }
    }
}

/// The level by Google Cloud's names.
fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, level, .. } = self;
        let message = self.message.replace('\n', "\\n");
        write!(formatter, "{at:.6} {level:>5} {}: {message}", self.target)?;
        // Strings are quoted and escaped as in JSON, so each line stays one line.
        for (name, value) in &self.fields {
            write!(formatter, " {}={value}", name.escape_debug())?;
        }
        if self.repeated > 0 {
            write!(formatter, " repeated={}", self.repeated)?;
        }
        if let Some(trace) = &self.trace {
            write!(formatter, " trace_id={}", trace.trace_id)?;
        }
        Ok(())
    }
}

/// Collects an event's fields in a line.
impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message(value),
            COMPONENT_FIELDS => match serde_json::from_str(value) {
                Ok(Value::Object(fields)) => fields
                    .into_iter()
                    .for_each(|(name, value)| self.field(name, value)),
                _ => self.field(COMPONENT_FIELDS, value),
            },
            name => self.field(name, value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field.name(), value);
    }
}

/// Shortens a text that is too long, at a character boundary.
fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        let mut line = Line::new(Level::WARN, "twin_runtime::imports::log");
        line.at = "2026-01-02T03:04:05.678901234Z".parse().unwrap();
        line.message("record\nnot stored");
        line.field("function", "writer");
        line.field("status", 503);
        line.field("cause", "a \"disk\"\nthat is full");
        line
    }

    fn rendered(line: &Line, format: LogFormat) -> String {
        String::from_utf8(line.render(format, &Dialect::Plain)).unwrap()
    }

    #[test]
    fn a_line_is_one_json_object_or_one_line_of_text() {
        let mut line = line();
        line.repeated = 7;
        assert_eq!(
            rendered(&line, LogFormat::Json),
            "{\"timestamp\":\"2026-01-02T03:04:05.678901Z\",\"level\":\"WARN\",\"message\":\"record\\nnot stored\",\
             \"function\":\"writer\",\"status\":503,\"cause\":\"a \\\"disk\\\"\\nthat is full\",\"repeated\":7,\
             \"target\":\"twin_runtime::imports::log\"}\n"
        );
        assert_eq!(
            rendered(&line, LogFormat::Text),
            "2026-01-02T03:04:05.678901Z  WARN twin_runtime::imports::log: record\\nnot stored function=\"writer\" \
             status=503 cause=\"a \\\"disk\\\"\\nthat is full\" repeated=7\n"
        );
    }

    #[test]
    fn severity_and_trace_have_the_names_of_each_cloud() {
        let mut line = Line::new(Level::WARN, "twin");
        line.at = "2026-01-02T03:04:05Z".parse().unwrap();
        line.message("m");
        line.field("severity", "low");
        line.trace = TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let start = r#"{"timestamp":"2026-01-02T03:04:05.000000Z","level":"WARN","#;
        let named = |project: Option<&str>| Dialect::GoogleCloud {
            project: project.map(str::to_owned),
        };
        for (dialect, rest) in [
            (
                Dialect::Plain,
                r#""message":"m","fields.severity":"low","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","target":"twin"}"#,
            ),
            (
                named(Some("p-1")),
                r#""severity":"WARNING","message":"m","fields.severity":"low","logging.googleapis.com/trace":"projects/p-1/traces/4bf92f3577b34da6a3ce929d0e0e4736","logging.googleapis.com/spanId":"00f067aa0ba902b7","logging.googleapis.com/trace_sampled":true,"target":"twin"}"#,
            ),
            (
                named(None),
                r#""severity":"WARNING","message":"m","fields.severity":"low","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","logging.googleapis.com/spanId":"00f067aa0ba902b7","logging.googleapis.com/trace_sampled":true,"target":"twin"}"#,
            ),
        ] {
            let rendered = String::from_utf8(line.render(LogFormat::Json, &dialect)).unwrap();
            assert_eq!(rendered, format!("{start}{rest}\n"));
        }
        let text = rendered(&line, LogFormat::Text);
        assert!(
            text.ends_with(" trace_id=4bf92f3577b34da6a3ce929d0e0e4736\n"),
            "{text}"
        );
    }

    #[test]
    fn a_field_takes_no_name_that_is_taken() {
        let mut line = line();
        line.field("level", "INFO");
        line.field("function", "connector");
        assert_eq!(line.get("fields.level"), Some(&"INFO".into()));
        assert_eq!(line.get("function"), Some(&"writer".into()));
    }

    #[test]
    fn a_line_has_a_bounded_size() {
        let mut line = line();
        for number in 0..1000 {
            line.field(
                format!("{number}{}", "n".repeat(100_000)),
                "ä".repeat(100_000),
            );
        }
        line.message("m".repeat(100_000));
        let most = (MAX_FIELDS * 2 + 1) * (MAX_TEXT + 100);
        for format in [LogFormat::Json, LogFormat::Text] {
            assert!(rendered(&line, format).len() < most);
        }
    }
}
