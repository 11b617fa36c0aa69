//! Seals: by them a row is known to be as it was stored. SQLite checks the structure of its pages, not their content.

use rusqlite::Row;
use twin_capabilities::provider::seal;

/// Whether a row's seal is the one of its values. Rows of schema 1 have none.
pub(super) fn holds<'a>(
    row: &Row<'_>,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> rusqlite::Result<bool> {
    let stored: Option<Vec<u8>> = row.get("seal")?;
    Ok(stored.is_none_or(|stored| stored == seal(parts)))
}

/// A row as it was stored, or its number, if it is not as it was stored.
pub(super) enum Checked<T> {
    Whole(T),
    Damaged(i64),
}

impl<T> Checked<T> {
    /// The same with something else made of a whole row.
    pub(super) fn map<U>(self, make: impl FnOnce(T) -> U) -> Checked<U> {
        match self {
            Self::Whole(whole) => Checked::Whole(make(whole)),
            Self::Damaged(number) => Checked::Damaged(number),
        }
    }
}

/// Reads a row that is either whole or damaged: `read` gives none if its seal does not hold. A value that cannot be what
/// it is meant to be is damage, too.
pub(super) fn check<T>(
    number: i64,
    read: impl FnOnce() -> rusqlite::Result<Option<T>>,
) -> rusqlite::Result<Checked<T>> {
    use rusqlite::Error;
    match read() {
        Ok(Some(whole)) => Ok(Checked::Whole(whole)),
        Ok(None)
        | Err(
            Error::FromSqlConversionFailure(..)
            | Error::InvalidColumnType(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..),
        ) => Ok(Checked::Damaged(number)),
        Err(error) => Err(error),
    }
}

/// Takes the damaged rows out of a result, noting their numbers.
pub(super) fn whole<T>(
    rows: impl Iterator<Item = rusqlite::Result<Checked<T>>>,
    damaged: &mut Vec<i64>,
) -> impl Iterator<Item = rusqlite::Result<T>> {
    rows.filter_map(|row| match row {
        Ok(Checked::Whole(whole)) => Some(Ok(whole)),
        Ok(Checked::Damaged(number)) => {
            damaged.push(number);
            None
        }
        Err(error) => Some(Err(error)),
    })
}
