//! The content of a file: one line of JSON, followed by the body, verbatim.

use serde::{Serialize, de::DeserializeOwned};
use twin_adapter::Failure;

/// A file's content.
pub(crate) fn compose(head: &impl Serialize, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut content = serde_json::to_vec(head)
        .map_err(|error| Failure::Other(format!("a file's head: {error}")))?;
    content.push(b'\n');
    content.extend_from_slice(body);
    Ok(content)
}

/// The two parts of a file's content. A file without both was not written by this adapter.
pub(crate) fn split<T: DeserializeOwned>(content: &[u8]) -> Result<(T, &[u8]), Failure> {
    let broken = || Failure::Other("a file of the data folder is damaged".to_owned());
    let end = content.iter().position(|byte| *byte == b'\n');
    let (head, body) = end
        .and_then(|end| content.split_at_checked(end))
        .ok_or_else(broken)?;
    let head = serde_json::from_slice(head).map_err(|_| broken())?;
    Ok((head, body.get(1..).unwrap_or_default()))
}
