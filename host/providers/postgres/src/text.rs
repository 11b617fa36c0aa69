//! Texts as columns. PostgreSQL's `text` cannot hold the character NUL, but a device may send it.

use std::{borrow::Cow, error::Error};

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// Any text: a backslash is stored as two, NUL as a backslash and `0`. All other characters are stored unchanged.
#[derive(Debug)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Text<'a> {
    fn from(text: &'a String) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl ToSql for Text<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        escaped(&self.0).as_ref().to_sql(kind, out)
    }

    accepts!(TEXT);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Text<'static> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let stored = <&str>::from_sql(kind, raw)?;
        let original = original(stored).ok_or("a backslash that stands for nothing")?;
        Ok(Self(Cow::Owned(original)))
    }

    accepts!(TEXT);
}

pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(['\\', '\0']) {
        text.replace('\\', "\\\\").replace('\0', "\\0").into()
    } else {
        text.into()
    }
}

fn original(stored: &str) -> Option<String> {
    let mut original = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        original.push(match character {
            '\\' => match characters.next()? {
                '\\' => '\\',
                '0' => '\0',
                _ => return None,
            },
            other => other,
        });
    }
    Some(original)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_has_a_nul() {
        for text in [
            "",
            "plain",
            "\0",
            "\\",
            "\\0",
            "\\\0\\",
            "a\0b\\c\\\\0",
            "é\u{1F321}",
        ] {
            let stored = escaped(text);
            assert!(!stored.contains('\0'), "{text:?}");
            assert_eq!(original(&stored).as_deref(), Some(text), "{stored:?}");
        }
        assert_eq!(escaped("plain"), "plain");
        for never_written in ["\\", "a\\b"] {
            assert_eq!(original(never_written), None);
        }
    }
}
