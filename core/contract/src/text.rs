//! Reading and writing JSON strings.

/// The string between two quotes that a scan has accepted, with its escapes resolved; `None` if it has half a surrogate
/// pair.
pub(crate) fn unescape(quoted: &str) -> Option<String> {
    let mut out = String::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut after = escape.chars();
        out.push(match after.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (character, behind) = unicode(after.as_str())?;
                after = behind.chars();
                character
            }
            itself => itself,
        });
        rest = after.as_str();
    }
    out.push_str(rest);
    Some(out)
}

/// The character with this UTF-16 in hex, and the text after it: the four digits of `\u`, or two such groups for a pair.
fn unicode(text: &str) -> Option<(char, &str)> {
    let (unit, rest) = code_unit(text)?;
    if let Some(character) = char::from_u32(unit) {
        return Some((character, rest));
    }
    let (low, rest) = code_unit(rest.strip_prefix("\\u")?)?;
    let high = unit.checked_sub(0xd800).filter(|high| *high < 0x400)?;
    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x1_0000 + (high << 10 | low))?, rest))
}

fn code_unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

/// Appends a string, quoted and escaped.
pub(crate) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    if is_plain(text) {
        out.push_str(text);
    } else {
        push_escaped(out, text);
    }
    out.push('"');
}

fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' => {
                out.push_str("\\u00");
                for nibble in [character as u32 >> 4, character as u32 & 15] {
                    out.push(char::from_digit(nibble, 16).unwrap_or('0'));
                }
            }
            _ => out.push(character),
        }
    }
}

/// Whether a text can be written between quotes unchanged.
pub(crate) fn is_plain(text: &str) -> bool {
    let (eights, rest) = text.as_bytes().as_chunks::<8>();
    eights
        .iter()
        .all(|eight| special(u64::from_le_bytes(*eight)) == 0)
        && !rest
            .iter()
            .any(|byte| matches!(byte, 0..b' ' | b'"' | b'\\'))
}

/// Marks, by its highest bit, the first of eight bytes (lowest first) that is a quote, a backslash or a control character.
/// Marks above it have no meaning. Zero if there is no such byte.
pub(crate) const fn special(eight: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // The subtraction borrows from the next byte only if this byte is marked.
    let below_space = eight.wrapping_sub(ONES * b' ' as u64) & !eight;
    let quote = eight ^ (ONES * b'"' as u64);
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = eight ^ (ONES * b'\\' as u64);
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (below_space | quote | backslash) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_is_quoted_as_serde_would_and_reads_back(text in "[\\u{0}-\\u{7f}é€😀]{0,20}") {
            let mut quoted = String::new();
            push_text(&mut quoted, &text);
            prop_assert_eq!(&quoted, &serde_json::to_string(&text).expect("a text"));
            let between = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            prop_assert_eq!(between.and_then(unescape), Some(text));
        }

        #[test]
        fn escapes_are_read_as_serde_would(text in r#"([a-z€]|\\["\\/bfnrt]|\\u(00e9|0041|D83D|de00|d800|dfff|FFFF)){0,8}"#) {
            let by_serde = serde_json::from_str::<String>(&format!("\"{text}\"")).ok();
            prop_assert_eq!(unescape(&text), by_serde);
        }
    }
}
