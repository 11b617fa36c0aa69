//! Seals: digests that show whether a row is undamaged. SQLite checks the structure of its pages, but not their content.

use rusqlite::Row;
use twin_capabilities::provider::seal;

/// Whether a row's seal matches its values. Rows of schema 1 have no seal.
pub(super) fn holds<'a>(
    row: &Row<'_>,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> rusqlite::Result<bool> {
    let stored: Option<Vec<u8>> = row.get("seal")?;
    Ok(stored.is_none_or(|stored| stored == seal(parts)))
}

/// An undamaged row, or the number of a damaged one.
pub(super) enum Checked<T> {
    Whole(T),
    Damaged(i64),
}

impl<T> Checked<T> {
    /// Converts an intact row.
    pub(super) fn map<U>(self, make: impl FnOnce(T) -> U) -> Checked<U> {
        match self {
            Self::Whole(whole) => Checked::Whole(make(whole)),
            Self::Damaged(number) => Checked::Damaged(number),
        }
    }
}

/// Reads a row that may be damaged: `read` returns `None` if its seal does not match. A value of an impossible type or
/// range is also damage.
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

/// Separates the intact rows of a result from the numbers of the damaged ones.
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
