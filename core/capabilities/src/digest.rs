//! Hashing, by whichever side has instructions for it.

/// Computes digests: pure, and the same everywhere.
pub trait Digest: Send + Sync + 'static {
    /// The SHA-256 of the bytes, as 64 lower-case hex digits.
    fn sha256(bytes: &[u8]) -> String;
}
