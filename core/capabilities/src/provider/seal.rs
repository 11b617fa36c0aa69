//! Seals: digests that show whether a row is unchanged since it was stored.

use sha2::{Digest, Sha256};

/// The SHA-256 of several values, each preceded by its length.
pub fn seal<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}
