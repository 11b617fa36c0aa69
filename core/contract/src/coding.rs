//! What a body can have around its JSON document: content codings, and a byte order mark.

use crate::ContractError;

/// The content codings of a message, in the order in which they were applied, in lower case, without `identity`. `values`
/// are the values of its `content-encoding` headers (RFC 9110, 8.4).
pub fn codings<'a>(values: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    values
        .flat_map(|value| value.split(','))
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
}

/// Refuses a body that is coded. `values` are the values of its `content-encoding` headers.
///
/// # Errors
/// [`ContractError::CodingUnsupported`], which names the codings.
pub fn refuse_codings<'a>(values: impl Iterator<Item = &'a str>) -> Result<(), ContractError> {
    let found: Vec<_> = codings(values).collect();
    if found.is_empty() {
        return Ok(());
    }
    let mut named = found.join(", ");
    if named.len() > MAX_NAMED {
        let end = named.floor_char_boundary(MAX_NAMED);
        named.truncate(end);
    }
    Err(ContractError::CodingUnsupported(named))
}

/// How much of the codings' names is repeated to the sender, in bytes.
const MAX_NAMED: usize = 64;

/// A body without the byte order mark that some clients prepend. Use this to pass a body on or to store it: after other
/// bytes, the mark would make the JSON invalid. Ids and digests are those of the bytes as received.
pub fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_read_from_all_headers_and_identity_is_none() {
        for (values, expected) in [
            (vec![], ""),
            (vec![""], ""),
            (vec!["identity"], ""),
            (vec!["Identity, ,"], ""),
            (vec!["GZIP"], "gzip"),
            (vec!["gzip", " br"], "gzip, br"),
            (vec!["gzip,identity,gzip"], "gzip, gzip"),
        ] {
            let found: Vec<_> = codings(values.iter().copied()).collect();
            assert_eq!(found.join(", "), expected, "{values:?}");
            let refused = refuse_codings(values.iter().copied());
            assert_eq!(refused.is_err(), !expected.is_empty());
        }
        let long = format!("{}\u{e4}", "x".repeat(63));
        let refused = refuse_codings([long.as_str()].into_iter());
        let named = "x".repeat(63);
        assert_eq!(refused, Err(ContractError::CodingUnsupported(named)));
    }

    #[test]
    fn one_mark_is_taken_off_and_nothing_else() {
        for (body, rest) in [
            ("\u{feff}{}", "{}"),
            ("{}", "{}"),
            ("", ""),
            ("\u{feff}", ""),
            ("\u{feff}\u{feff}{}", "\u{feff}{}"),
            (" \u{feff}{}", " \u{feff}{}"),
        ] {
            assert_eq!(without_bom(body.as_bytes()), rest.as_bytes(), "{body:?}");
        }
    }
}
