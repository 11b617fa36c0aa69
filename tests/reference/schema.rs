//! The part of JSON Schema that `docs/openapi.json` uses. A validator from a library would add thirty crates. This one
//! implements every keyword and pattern of that document, and fails on any other, so nothing goes unchecked.

use serde_json::Value;

/// Whether a value matches a schema; references are to `root`.
pub(crate) fn check(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = schema.as_object().ok_or("a schema is an object")?;
    for (keyword, wanted) in schema {
        keyword_holds(root, keyword, wanted, schema, value)?;
    }
    Ok(())
}

fn keyword_holds(
    root: &Value,
    keyword: &str,
    wanted: &Value,
    schema: &serde_json::Map<String, Value>,
    value: &Value,
) -> Result<(), String> {
    let all = || wanted.as_array().into_iter().flatten();
    let matching = || all().filter(|one| check(root, one, value).is_ok()).count();
    let number = |number: &Value| number.as_f64().unwrap_or(f64::NAN);
    let length = || value.as_str().map_or(0, |text| text.chars().count() as u64);
    let members = || value.as_object().into_iter().flatten();
    let holds = match keyword {
        // These do not restrict the value; `format` is accompanied by a pattern.
        "description" | "format" => true,
        "$ref" => {
            let pointer = wanted.as_str().unwrap_or_default().trim_start_matches('#');
            let schema = root
                .pointer(pointer)
                .ok_or("a reference that leads nowhere")?;
            return check(root, schema, value);
        }
        "allOf" => return all().try_for_each(|one| check(root, one, value)),
        "anyOf" => matching() > 0,
        "oneOf" => matching() == 1,
        "const" => value == wanted,
        "enum" => all().any(|one| one == value),
        "type" if wanted.is_array() => all().any(|kind| is_of_type(kind, value)),
        "type" => is_of_type(wanted, value),
        "minimum" => !value.is_number() || number(value) >= number(wanted),
        "maximum" => !value.is_number() || number(value) <= number(wanted),
        "minLength" => !value.is_string() || Some(length()) >= wanted.as_u64(),
        "maxLength" => !value.is_string() || Some(length()) <= wanted.as_u64(),
        "pattern" => value.as_str().is_none_or(|text| fits(wanted, text)),
        "required" => {
            !value.is_object() || all().all(|name| value.get(name.as_str().unwrap_or("")).is_some())
        }
        "properties" => {
            return members().try_for_each(|(name, member)| match wanted.get(name) {
                Some(schema) => {
                    check(root, schema, member).map_err(|what| format!("{name}: {what}"))
                }
                None => Ok(()),
            });
        }
        "additionalProperties" if wanted == true => true,
        "additionalProperties" => {
            let known = |name: &String| schema["properties"].get(name).is_some();
            members().all(|(name, _)| known(name))
        }
        "items" => {
            let items = value.as_array().into_iter().flatten();
            return items
                .into_iter()
                .try_for_each(|item| check(root, wanted, item));
        }
        _ => return Err(format!("the keyword {keyword} is not known here")),
    };
    holds
        .then_some(())
        .ok_or_else(|| format!("{keyword} {wanted} does not hold for {value}"))
}

fn is_of_type(kind: &Value, value: &Value) -> bool {
    match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_i64() || value.is_u64(),
        _ => panic!("the type {kind} is not known here"),
    }
}

/// Whether a text matches one of the document's patterns.
fn fits(pattern: &Value, text: &str) -> bool {
    let of = |more: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    match pattern.as_str() {
        Some("^[A-Za-z0-9._:-]{1,128}$") => (1..=128).contains(&text.len()) && of("._:-"),
        Some("^[A-Z0-9_]+$") => !text.is_empty() && of("_") && text == text.to_uppercase(),
        Some("[Zz]$") => text.ends_with(['Z', 'z']),
        _ => panic!("the pattern {pattern} is not known here"),
    }
}
