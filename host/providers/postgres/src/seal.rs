//! Seals: by them a row is known to be as it was stored. PostgreSQL checks its pages only if the cluster was made with
//! checksums, and never what a person or a program has changed in a row.

use tokio_postgres::Row;
use twin_capabilities::provider::seal;

use crate::error::Trouble;

/// A row as it was stored, or what it is found by, if it is not as it was stored.
pub(crate) enum Checked<T> {
    Whole(T),
    Damaged(String),
}

/// Reads a row that is either whole or damaged: `read` gives `None` if its seal does not hold. A value that cannot be what it is
/// meant to be is damage, too.
pub(crate) fn check<T>(
    item: String,
    read: impl FnOnce() -> Result<Option<T>, Trouble>,
) -> Checked<T> {
    match read() {
        Ok(Some(whole)) => Checked::Whole(whole),
        // Reading a row that has arrived fails for nothing else.
        Ok(None) | Err(_) => Checked::Damaged(item),
    }
}

/// Whether a row's seal is the one of its values.
pub(crate) fn holds<'a>(
    row: &Row,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<bool, Trouble> {
    let stored: &[u8] = row.try_get("seal")?;
    Ok(stored == seal(parts))
}
