//! The scanner compared with serde, on JSON and on text that is nearly JSON.

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::*;

fn json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The fields of an object, as parsed by serde.
fn by_serde(text: &str) -> Option<Vec<(String, String)>> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<(String, String)>;

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                all.push((name, value.get().to_owned()));
            }
            Ok(all)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde::Deserializer::deserialize_map(&mut deserializer, Visitor).ok()
}

fn found(fields: Fields<'_>) -> Vec<(String, String)> {
    let list = fields.0.into_iter();
    list.map(|(name, value)| (name.into_owned(), value.get().to_owned()))
        .collect()
}

fn agrees(text: &str) {
    match scan(text, "p") {
        Ok(document) => {
            assert!(json(text), "{text} is no JSON");
            assert_eq!(document.fields.clone().map(found), by_serde(text), "{text}");
            let inner = by_serde(text).and_then(|fields| {
                let last = fields
                    .into_iter()
                    .rfind(|(name, value)| name == "p" && value.starts_with('{'));
                by_serde(&last?.1)
            });
            assert_eq!(document.inner.map(found), inner, "{text}");
        }
        // This limit, and the rule for names, are not serde's.
        Err(ContractError::BodyTooDeep) => {}
        Err(error) => assert!(
            !json(text) || text.contains("\\u"),
            "{text} is JSON, but: {error}"
        ),
    }
}

#[test]
fn it_agrees_with_serde() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "{}",
        " { } ",
        "[]",
        " [ ] ",
        "{]",
        "[}",
        "{} {}",
        "{},",
        "[,]",
        "[1,]",
        "[1 2]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a" : 1 , "b" : [ ] }"#,
        r#"{a:1}"#,
        r#"{"a":1 "b":2}"#,
        r#"[{"a":[{"b":{}},[]]},{}]"#,
        r#"[{"a":1},{"b":2]"#,
        r#"[[{]]"#,
        "null",
        "true",
        "false",
        "nul",
        "truefalse",
        "nulll",
        "0",
        "-0",
        "01",
        "-",
        "-a",
        "1.",
        "1.5",
        ".5",
        "1e",
        "1e5",
        "1E+5",
        "1e-5",
        "1e+",
        "1.5e3x",
        "+1",
        "NaN",
        "1_0",
        r#""""#,
        r#"""#,
        r#""a""#,
        "\"a\nb\"",
        "\"a\u{1f}b\"",
        "\"a\u{7f}b\"",
        r#""\""#,
        r#""\\""#,
        r#""\x""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\u00e9""#,
        r#""\ud800""#,
        r#""12345678""#,
        r#""1234567\n""#,
        r#""12345678\""#,
        "\"é€😀é€😀\"",
        r#"{"\u0061":1,"p":{"x":[1],"\"":{}},"a":2}"#,
        r#"{"p":{},"p":{"q":1}}"#,
        r#"{"p":[{"x":1}]}"#,
        r#"{"\ud800":1}"#,
        r#"{"p":{"\ud800":1}}"#,
        r#"{"a":{"\ud800":1}}"#,
        "\u{feff}{}",
        "{\"a\":1}\u{a0}",
    ] {
        agrees(text);
    }
}

proptest! {
    #[test]
    fn it_agrees_with_serde_on_what_is_nearly_json(text in r#"([{}\[\],:" ]|"[ap\\"]?"|[01.e-]|null|\\u0061|\{"p":|é){0,12}"#) {
        agrees(&text);
    }

    #[test]
    fn it_agrees_with_serde_on_json_with_a_flaw(
        text in r#"\{("([ap]{0,2}|\\u00e9[a-z]{0,9})": ?(-?[0-9]{1,3}(\.[0-9])?(e[0-9])?|"[a-zé\\"/]{0,20}"|\[(1,)*1\]|\{("a":1,)*"b":\[\]\}) ?, ?){0,4}"p":\{"x":1\}\}"#,
        at in 0..200_usize,
        with in prop::option::of(prop::char::range(' ', '~')),
    ) {
        let mut flawed: Vec<char> = text.chars().collect();
        if let (Some(with), Some(place)) = (with, flawed.get_mut(at)) {
            *place = with;
        }
        agrees(&flawed.into_iter().collect::<String>());
    }

    #[test]
    fn the_first_special_byte_of_eight_is_marked(eight in any::<[u8; 8]>()) {
        let first = eight.iter().position(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\');
        let marked = special(u64::from_le_bytes(eight));
        prop_assert_eq!((marked != 0).then(|| marked.trailing_zeros() as usize / 8), first);
    }
}

#[test]
fn a_flaw_has_its_place() {
    for (text, line, column) in [
        ("", 1, 1),
        ("{", 1, 2),
        (r#"{"a":}"#, 1, 6),
        ("{} {}", 1, 4),
        ("{\n \"a\": tru }", 2, 8),
        ("[1,\n2,\n\n x]", 4, 2),
        ("{\"a\":\"x\ty\"}", 1, 8),
        (r#"{"a":"\q"}"#, 1, 8),
        (r#"{"a":1,"\ud800":2}"#, 1, 8),
    ] {
        let error = scan(text, "").map(|_| ()).expect_err(text);
        assert_eq!(error, ContractError::BodyNotJson { line, column }, "{text}");
    }
}

#[test]
fn nesting_is_counted_up_to_its_limit() {
    for (text, depth) in [("1", 0), ("[]", 1), (r#"{"a":[{}],"p":{"b":[]}}"#, 3)] {
        assert_eq!(scan(text, "p").expect(text).depth, depth, "{text}");
    }
    for open in ["[", "{\"p\":"] {
        let nested = |levels: usize| {
            let close = if open == "[" { "]" } else { "}" };
            format!("{}1{}", open.repeat(levels), close.repeat(levels))
        };
        assert_eq!(scan(&nested(64), "p").expect("fits").depth, 64);
        let error = scan(&nested(65), "p").map(|_| ());
        assert_eq!(error, Err(ContractError::BodyTooDeep));
    }
}
