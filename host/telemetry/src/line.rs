//! A log line: one event with its fields, in the form in which it is limited and written.

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use tracing::{
    Level,
    field::{Field, Visit},
};

use crate::LogFormat;

/// The event field in which `imports::log` passes a component's fields, as a JSON object: their names are not known when the
/// host is compiled.
const COMPONENT_FIELDS: &str = "fields";

/// The longest text in a line, in bytes. It applies to the message, to the name of a field and to its value.
const MAX_TEXT: usize = 8 * 1024;
/// The most fields in a line.
const MAX_FIELDS: usize = 32;
/// Names that the line itself uses; a field cannot have them.
const OWN: [&str; 5] = ["timestamp", "level", "message", "repeated", "target"];

/// A log line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    at: Timestamp,
    pub(super) level: Level,
    target: &'static str,
    message: String,
    fields: Vec<(Cow<'static, str>, Value)>,
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
    pub(super) fn render(&self, format: LogFormat) -> Vec<u8> {
        let mut text = match format {
            // A map with string keys always serializes.
            LogFormat::Json => serde_json::to_string(self).unwrap_or_default(),
            LogFormat::Text => self.to_string(),
        };
        text.push('\n');
        text.into_bytes()
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &format_args!("{:.6}", self.at))?;
        map.serialize_entry("level", self.level.as_str())?;
        map.serialize_entry("message", &self.message)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        if self.repeated > 0 {
            map.serialize_entry("repeated", &self.repeated)?;
        }
        map.serialize_entry("target", self.target)?;
        map.end()
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
        String::from_utf8(line.render(format)).unwrap()
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
