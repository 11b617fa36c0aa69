//! The parameters of a query string: `application/x-www-form-urlencoded`, as browsers and HTTP clients write it. Malformed
//! input is rejected, never repaired.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::ContractError;

/// A name and its value, decoded.
type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The parameters in order, each name once. `+` means a space, as in that format.
///
/// # Errors
/// If a name is repeated, a `%` is not followed by two hex digits, or the decoded bytes are not UTF-8.
pub(crate) fn parameters(query: &str) -> Result<Vec<Parameter<'_>>, ContractError> {
    let mut found: Vec<Parameter<'_>> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let unreadable = || ContractError::ParameterUnreadable(name.to_owned());
        let parameter = (
            decode(name).ok_or_else(unreadable)?,
            decode(value).ok_or_else(unreadable)?,
        );
        if found.iter().any(|(known, _)| *known == parameter.0) {
            return Err(ContractError::ParameterUnknown(parameter.0.into_owned()));
        }
        found.push(parameter);
    }
    Ok(found)
}

/// Checks the query string of a route that has no parameters.
///
/// # Errors
/// If there is one.
pub fn no_parameters(query: &str) -> Result<(), ContractError> {
    match parameters(query)?.into_iter().next() {
        None => Ok(()),
        Some((name, _)) => Err(ContractError::ParameterUnknown(name.into_owned())),
    }
}

/// A number in decimal digits and nothing else: no sign, no spaces.
pub(crate) fn whole_number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// Writes a parameter of a query string.
pub fn parameter(name: &str, value: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(name, value).finish()
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let escapes = text.split('%').skip(1);
    let are_hex = escapes.map(|escape| {
        let digits = escape.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if !are_hex.into_iter().all(|is_hex| is_hex) {
        return None;
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_clients_write_them() {
        let read = parameters("a=1&b=%C3%A9+%2B&&c&d==%3d").expect("readable");
        let read: Vec<_> = read
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
            .collect();
        assert_eq!(read, [("a", "1"), ("b", "é +"), ("c", ""), ("d", "==")]);
        assert_eq!(parameters("").expect("readable"), []);
        let written = parameter("reason", "a&b = 100 %, é+");
        let read = parameters(&written).expect("readable");
        assert_eq!(read, [("reason".into(), "a&b = 100 %, é+".into())]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_named() {
        for (query, named) in [
            ("a=%", "`a`"),
            ("a=%4", "`a`"),
            ("a=%zz", "`a`"),
            ("a=%+4", "`a`"),
            ("a=%ff", "`a`"),
            ("a=b&c=%C3", "`c`"),
            ("%a=b", "`%a`"),
            ("a=1&a=2", "`a`"),
            ("a=1&%61=2", "`a`"),
        ] {
            let error = parameters(query).expect_err(query).to_string();
            assert!(error.contains(named), "{query}: {error}");
        }
        assert!(no_parameters("").is_ok() && no_parameters("&").is_ok());
        assert!(no_parameters("limit=3").is_err());
    }
}
