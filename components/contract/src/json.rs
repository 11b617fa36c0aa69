//! JSON objects by field, with the values left as the bytes that arrived: a number is never reprinted.

use std::{borrow::Cow, collections::BTreeSet, fmt, slice};

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use crate::{ContractError, MAX_BODY, MAX_DEPTH};

/// The fields of one object, in order of appearance, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object<'a> {
    pub(crate) fields: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// How deep the whole body nests, itself included; 0 if that was not asked.
    pub(crate) depth: usize,
}

/// A string that borrows from the document where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The names of an object so far. An envelope has few, and looking through them is fastest; but a body of 256 KiB has room for
/// tens of thousands, and then looking through all for each would take seconds.
#[derive(Default)]
struct Seen<'a> {
    few: Vec<Cow<'a, str>>,
    many: BTreeSet<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    const FEW: usize = 32;

    /// Takes a name. False if it was there before.
    fn insert(&mut self, name: Cow<'a, str>) -> bool {
        if self.many.is_empty() && self.few.len() < Self::FEW {
            let new = !self.few.contains(&name);
            self.few.push(name);
            return new;
        }
        self.many.extend(self.few.drain(..));
        self.many.insert(name)
    }
}

/// Why a document did not become an [`Object`]; carried through serde as a value, never as text.
struct Fields<'s> {
    repeated: &'s mut Option<String>,
}

impl<'a> Object<'a> {
    /// Parses a whole body.
    ///
    /// # Errors
    /// If the body is too large, no UTF-8, no JSON, nests too deep, is no object, or repeats a field.
    pub(crate) fn from_body(body: &'a [u8]) -> Result<Self, ContractError> {
        if body.len() > MAX_BODY {
            return Err(ContractError::BodyTooLarge);
        }
        let text = std::str::from_utf8(body).map_err(|_| ContractError::BodyNotUtf8)?;
        let depth = depth(body);
        if depth > MAX_DEPTH {
            return Err(ContractError::BodyTooDeep);
        }
        if !is_object(text) {
            // Tell "no JSON" from "JSON, but no object".
            return match serde_json::from_str::<de::IgnoredAny>(text) {
                Ok(_) => Err(ContractError::BodyNotAnObject),
                Err(error) => Err(not_json(&error)),
            };
        }
        let object = Self::from_object(text)?;
        Ok(Self { depth, ..object })
    }

    /// Parses the raw value of a field whose text [`is_object`].
    pub(crate) fn from_object(text: &'a str) -> Result<Self, ContractError> {
        let mut repeated = None;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let parsed = (&mut deserializer)
            .deserialize_map(Fields {
                repeated: &mut repeated,
            })
            .and_then(|object| deserializer.end().map(|()| object));
        match (parsed, repeated) {
            (_, Some(name)) => Err(ContractError::FieldRepeated(name)),
            (Ok(object), None) => Ok(object),
            (Err(error), None) => Err(not_json(&error)),
        }
    }

    /// The value of a field.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.fields
            .iter()
            .find_map(|(field, value)| (field == name).then_some(*value))
    }

    /// The value of a field that must be a string.
    pub(crate) fn text(
        &self,
        field: &'static str,
        expected: &'static str,
    ) -> Result<Cow<'a, str>, ContractError> {
        let value = self.get(field).ok_or(ContractError::FieldMissing(field))?;
        as_text(value).ok_or(ContractError::FieldInvalid { field, expected })
    }
}

impl<'de> de::Visitor<'de> for Fields<'_> {
    type Value = Object<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Object::default();
        let mut seen = Seen::default();
        while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            if !seen.insert(name.clone()) {
                *self.repeated = Some(name.into_owned());
                return Err(de::Error::custom("repeated field"));
            }
            object.fields.push((name, value));
        }
        Ok(object)
    }
}

/// The string that a raw value is; none if it is something else, or holds half a surrogate pair.
pub(crate) fn as_text(value: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(value.get())
        .ok()
        .map(|Text(text)| text)
}

/// Whether a document that is JSON is an object.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
        .starts_with('{')
}

/// Appends `"name":` to an object under construction, with a comma where one is due.
pub(crate) fn push_name(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    push_text(out, name);
    out.push(':');
}

/// Appends a string, quoted and escaped.
pub(crate) fn push_text(out: &mut String, text: &str) {
    if !text
        .bytes()
        .any(|byte| byte < b' ' || byte == b'"' || byte == b'\\')
    {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    // Serializing a string cannot fail; a document that lost one would be worse than an empty one.
    out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()));
}

fn not_json(error: &serde_json::Error) -> ContractError {
    ContractError::BodyNotJson {
        line: error.line(),
        column: error.column(),
    }
}

/// How deep brackets nest. One pass over the bytes: raw values are skipped without recursion, so nothing else would
/// notice the depth.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Skips to behind the quote that ends a string.
fn skip_string(bytes: &mut slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

/// Skips the value that is next in valid JSON, up to the comma or bracket behind it.
fn skip_value(bytes: &mut slice::Iter<'_, u8>) {
    let mut depth = 0_usize;
    while let Some(byte) = bytes.as_slice().first() {
        match byte {
            b',' | b'}' | b']' if depth == 0 => return,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        bytes.next();
        if *byte == b'"' {
            skip_string(bytes);
        }
    }
}

/// The value of one field of an object that lies within a document parsed before: the other values are skipped and not
/// parsed again, since a payload is most of its envelope.
///
/// # Errors
/// If a field is repeated.
pub(crate) fn field<'a>(
    object: &'a str,
    wanted: &str,
) -> Result<Option<&'a RawValue>, ContractError> {
    let mut seen = Seen::default();
    let mut found = None;
    let mut bytes = object.as_bytes().iter();
    let text = |from: &slice::Iter<'_, u8>, to: &slice::Iter<'_, u8>| {
        let place = |rest: &slice::Iter<'_, u8>| object.len() - rest.len();
        object.get(place(from)..place(to)).unwrap_or_default()
    };
    loop {
        // Between two fields only a name begins with a quote.
        while bytes.as_slice().first().is_some_and(|byte| *byte != b'"') {
            bytes.next();
        }
        let start = bytes.clone();
        if bytes.next().is_none() {
            return Ok(found);
        }
        skip_string(&mut bytes);
        let Ok(Text(name)) = serde_json::from_str(text(&start, &bytes)) else {
            // Half a surrogate pair: no string, so no JSON that one could go by.
            return Object::from_object(object).map(|object| object.get(wanted));
        };
        bytes.find(|byte| **byte == b':');
        let start = bytes.clone();
        skip_value(&mut bytes);
        if name == wanted {
            found = serde_json::from_str(text(&start, &bytes)).ok();
        }
        if !seen.insert(name.clone()) {
            return Err(ContractError::FieldRepeated(name.into_owned()));
        }
    }
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
    fn one_field_is_found_like_all_of_them() {
        for object in [
            "{}",
            r#"{"a":1}"#,
            r#" { "b" : {"a":[1,{"a":"}"}]} , "a" : "x\\\"{," } "#,
            r#"{"x":"\"a\":1","y":[],"\u0061":-1.5e3}"#,
            r#"{"a":null,"b":[[],{"c":{}}],"a":2}"#,
            r#"{"b":"[","b":1,"a":2}"#,
            r#"{"\ud800":1,"a":2}"#,
            r#"{"c":"\ud800","a":2}"#,
            r#"{"":1,"a,":"a:","a":[1,2]}"#,
        ] {
            let all = Object::from_object(object).map(|all| all.get("a").map(RawValue::get));
            let one = field(object, "a").map(|one| one.map(RawValue::get));
            assert_eq!(one, all, "{object}");
        }
    }

    proptest::proptest! {
        #[test]
        fn one_field_is_found_in_whatever_parses(text in r#"\{("[ab\\"]{0,2}":([0-9]|"[{},\\"]{0,3}"|\[\]|\{"a":1\}),? ?){0,4}\}"#) {
            if let Ok(all) = serde_json::from_str::<&RawValue>(&text) {
                let expected = Object::from_object(all.get()).map(|all| all.get("a").map(RawValue::get));
                let one = field(all.get(), "a").map(|one| one.map(RawValue::get));
                proptest::prop_assert_eq!(one, expected);
            }
        }
    }

    #[test]
    fn texts_are_quoted_as_serde_would() {
        for text in [
            "",
            "plain",
            "25 °C",
            "a\"b",
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
            let all = Object::from_object(&object).expect("all differ").fields;
            assert_eq!(all.len(), count);
            assert_eq!(
                field(&object, "1").map(|one| one.map(RawValue::get)),
                Ok(Some("0"))
            );
            let repeated = object.replace('}', ",\"1\":1}");
            let expected = ContractError::FieldRepeated("1".to_owned());
            assert_eq!(Object::from_object(&repeated).err(), Some(expected.clone()));
            assert_eq!(field(&repeated, "1").err(), Some(expected));
        }
    }

    #[test]
    fn values_keep_their_bytes() {
        let object = Object::from_body(br#"{"n": 1.50e+02 , "s":"\u00e9"}"#).expect("an object");
        assert_eq!(object.get("n").map(RawValue::get), Some("1.50e+02"));
        assert_eq!(object.get("s").and_then(as_text).as_deref(), Some("é"));
    }
}
