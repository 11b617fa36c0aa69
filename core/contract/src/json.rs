//! JSON objects by field. Values are kept as the bytes that arrived, so a number is never written differently.

use std::borrow::Cow;

use crate::{
    ContractError, MAX_BODY,
    coding::without_bom,
    scan::{Document, Fields, Value, scan},
};

pub(crate) use crate::text::push_text;

/// The field whose own fields are also found, because only an envelope's payload is searched.
const PAYLOAD: &str = "payload";

/// The fields of one object, in order of appearance, each once.
#[derive(Clone, Debug)]
pub(crate) struct Object<'a> {
    pub(crate) fields: Vec<(Cow<'a, str>, Value<'a>)>,
    /// The fields of its payload, if that is an object. They are not yet checked for repetitions.
    pub(crate) payload: Option<Fields<'a>>,
    /// How deep the whole document nests, the object itself included.
    pub(crate) depth: usize,
}

impl<'a> Object<'a> {
    /// Parses a whole body; a byte order mark in front of it is skipped.
    ///
    /// # Errors
    /// If the body is too large, not UTF-8, not JSON, nests too deep, is not an object, or repeats a field.
    pub(crate) fn from_body(body: &'a [u8]) -> Result<Self, ContractError> {
        if body.len() > MAX_BODY {
            return Err(ContractError::BodyTooLarge);
        }
        Self::from_document(without_bom(body))
    }

    /// Parses a document of any size, such as a stored one.
    ///
    /// # Errors
    /// As for [`Self::from_body`], except for the size.
    pub(crate) fn from_document(bytes: &'a [u8]) -> Result<Self, ContractError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ContractError::BodyNotUtf8)?;
        let Document {
            fields,
            inner,
            depth,
        } = scan(text, PAYLOAD)?;
        let fields = fields.ok_or(ContractError::BodyNotAnObject)?;
        Ok(Self {
            fields: fields.each_once()?,
            payload: inner,
            depth,
        })
    }

    /// The value of a field.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'a>> {
        find(&self.fields, name)
    }

    /// The value of a field that must be a string.
    pub(crate) fn text(
        &self,
        field: &'static str,
        expected: &'static str,
    ) -> Result<Cow<'a, str>, ContractError> {
        let value = self.get(field).ok_or(ContractError::FieldMissing(field))?;
        value
            .as_text()
            .ok_or(ContractError::FieldInvalid { field, expected })
    }
}

/// A document that this contract defines (a reply, a stored state). Fields are read by name, and other content is ignored.
/// serde is not used, because its parser makes the components larger.
#[derive(Clone, Debug)]
pub struct JsonObject<'a>(Fields<'a>);

impl<'a> JsonObject<'a> {
    /// Parses a document; `None` if it is not a JSON object.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        scan(text, "").ok()?.fields.map(Self)
    }

    /// The string in a field that occurs exactly once.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.0.once(name)?.as_text()
    }

    /// The whole number in a field that occurs exactly once.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.once(name)?.get().parse().ok()
    }
}

/// The value of a field.
pub(crate) fn find<'a>(fields: &[(Cow<'a, str>, Value<'a>)], name: &str) -> Option<Value<'a>> {
    fields
        .iter()
        .find_map(|(field, value)| (field == name).then_some(*value))
}

/// Appends `"name":` to an object under construction, preceded by a comma if needed.
pub(crate) fn push_name(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    push_text(out, name);
    out.push(':');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: impl AsRef<[u8]>) -> ContractError {
        Object::from_body(body.as_ref()).expect_err("should be refused")
    }

    #[test]
    fn every_kind_of_bad_body_has_its_own_name() {
        assert!(matches!(error(""), ContractError::BodyNotJson { .. }));
        assert!(matches!(error("{"), ContractError::BodyNotJson { .. }));
        assert!(matches!(
            error("{\"a\":}"),
            ContractError::BodyNotJson { line: 1, column: 6 }
        ));
        assert!(matches!(error("{} {}"), ContractError::BodyNotJson { .. }));
        assert_eq!(error("[1]"), ContractError::BodyNotAnObject);
        assert_eq!(error(" null"), ContractError::BodyNotAnObject);
        assert!(matches!(
            error("\u{feff}"),
            ContractError::BodyNotJson { .. }
        ));
        assert!(matches!(
            error("\u{feff}\u{feff}{}"),
            ContractError::BodyNotJson { .. }
        ));
        assert_eq!(error(b"{\"a\":\"\xff\"}"), ContractError::BodyNotUtf8);
        assert_eq!(error("[".repeat(100_000)), ContractError::BodyTooDeep);
        assert_eq!(error(vec![b' '; MAX_BODY + 1]), ContractError::BodyTooLarge);
        assert_eq!(
            error(r#"{"a":1,"\u0061":2}"#),
            ContractError::FieldRepeated("a".to_owned())
        );
    }

    #[test]
    fn depth_counts_brackets_outside_strings_only() {
        let fits = format!("{{\"a\":{}{}}}", "[".repeat(63), "]".repeat(63));
        assert!(Object::from_body(fits.as_bytes()).is_ok());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
        assert_eq!(error(deep), ContractError::BodyTooDeep);
        let quoted = format!(r#"{{"a":"\"{}"}}"#, "[".repeat(200));
        assert!(Object::from_body(quoted.as_bytes()).is_ok());
    }

    #[test]
    fn texts_are_quoted_as_serde_would() {
        for text in [
            "",
            "plain",
            "25 °C",
            "a\"b",
            "eight or more \" of them",
            "eight or more \\",
            "longer than eight: 25 °C",
            "\\",
            "\n",
            "\u{1f}\u{7f}",
            "/",
        ] {
            let mut out = String::new();
            push_text(&mut out, text);
            assert_eq!(out, serde_json::to_string(text).expect("text"), "{text:?}");
        }
    }

    #[test]
    fn a_repetition_is_found_among_few_and_among_many() {
        for count in [2, 31, 32, 33, 34, 20_000] {
            let fields: Vec<_> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            let object = format!("{{{}}}", fields.join(","));
            let all = Object::from_body(object.as_bytes()).expect("all differ");
            assert_eq!(all.fields.len(), count);
            assert_eq!(all.get("1").map(Value::get), Some("0"));
            let repeated = object.replace('}', ",\"1\":1}");
            let expected = ContractError::FieldRepeated("1".to_owned());
            assert_eq!(error(&repeated), expected);
            let payload = format!("{{\"payload\":{repeated}}}");
            let payload = Object::from_body(payload.as_bytes()).expect("once").payload;
            let payload = payload.expect("an object");
            assert_eq!(payload.each_once().map(|all| all.len()), Err(expected));
        }
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let object = Object::from_body("\u{feff}{\"a\":1}".as_bytes()).expect("an object");
        assert_eq!(object.get("a").map(Value::get), Some("1"));
    }

    #[test]
    fn a_lenient_reader_sees_what_it_asks_for() {
        let object = JsonObject::parse(br#"{"n":7,"s":"\u00e9","d":1,"d":2,"f":1.0,"more":[]}"#);
        let object = object.expect("an object");
        assert_eq!(object.text("s").as_deref(), Some("é"));
        assert_eq!(object.number("n"), Some(7));
        for name in ["d", "f", "s", "more", "absent"] {
            assert_eq!(object.number(name), None, "{name}");
        }
        for name in ["n", "more", "absent"] {
            assert_eq!(object.text(name), None, "{name}");
        }
        for text in ["", "[]", "7", "{", "\u{feff}{}"] {
            assert!(JsonObject::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn values_keep_their_bytes() {
        let object = Object::from_body(br#"{"n": 1.50e+02 , "s":"\u00e9"}"#).expect("an object");
        assert_eq!(object.get("n").map(Value::get), Some("1.50e+02"));
        assert_eq!(
            object.get("s").and_then(Value::as_text).as_deref(),
            Some("é")
        );
    }
}
