//! Seals: digests that show whether a row is unchanged since it was stored. PostgreSQL checks its pages only if the cluster
//! was created with checksums, and never detects that a person or a program has changed a row.

use tokio_postgres::Row;
use twin_capabilities::provider::seal;

use crate::error::Trouble;

/// An undamaged row, or the key of a damaged one.
pub(crate) enum Checked<T> {
    Whole(T),
    Damaged(String),
}

/// Reads a row that may be damaged: `read` returns `None` if its seal does not match. A value of the wrong form is also
/// damage.
pub(crate) fn check<T>(
    item: String,
    read: impl FnOnce() -> Result<Option<T>, Trouble>,
) -> Checked<T> {
    match read() {
        Ok(Some(whole)) => Checked::Whole(whole),
        // Reading a row that has arrived fails for no other reason.
        Ok(None) | Err(_) => Checked::Damaged(item),
    }
}

/// Whether a row's seal matches its values.
pub(crate) fn holds<'a>(
    row: &Row,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<bool, Trouble> {
    let stored: &[u8] = row.try_get("seal")?;
    Ok(stored == seal(parts))
}
