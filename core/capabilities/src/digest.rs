//! Hashing, done by the host, which can use the processor's instructions for it.

/// Computes digests: a pure function with the same result everywhere.
pub trait Digest: Send + Sync + 'static {
    /// The SHA-256 of the bytes, as 64 lower-case hex digits.
    fn sha256(bytes: &[u8]) -> String;
}
