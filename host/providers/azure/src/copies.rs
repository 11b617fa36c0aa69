//! Copies of dead letters: a blob for each letter, in a storage account.

use async_trait::async_trait;
use reqwest::{
    Client, Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH},
};
use twin_documents::{COPY_LIMIT, LetterCopies, LetterCopy, ServiceError};
use url::Url;

use crate::{
    http::{self, Called},
    identity::Tokens,
};

const WRITE: Called = Called {
    service: "Blob Storage",
    action: "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
};

/// The version of the interface.
pub(crate) const VERSION: HeaderValue = HeaderValue::from_static("2021-12-02");

const EXISTS: &str = "BlobAlreadyExists";

/// The container for the copies of a twin's letters.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    pub(crate) client: Client,
    /// The container; with the query of a shared access signature, if there is no identity. Not to be shown.
    pub(crate) container: Place,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) twin: String,
}

/// A URL that may contain a secret.
#[derive(Clone)]
pub(crate) struct Place(pub(crate) Url);

impl std::fmt::Debug for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = self.0.clone();
        shown.set_query(None);
        formatter.write_str(shown.as_str())
    }
}

#[async_trait]
impl LetterCopies for Copies {
    async fn send(&self, copy: &LetterCopy) -> Result<(), ServiceError> {
        let name = format!("{}.json", copy.letter.letter_id);
        let url = http::below(&self.container.0, [self.twin.as_str(), &name]);
        let mut request = Request::new(Method::PUT, url);
        let headers = request.headers_mut();
        headers.insert("x-ms-version", VERSION);
        headers.insert("x-ms-blob-type", HeaderValue::from_static("BlockBlob"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        if let Some(tokens) = &self.tokens {
            headers.insert(AUTHORIZATION, tokens.bearer(WRITE).await?);
        }
        *request.body_mut() = Some(copy.json().into());
        let answer = http::send(&self.client, request, COPY_LIMIT, WRITE).await?;
        // The same letter was stored, settled, and stored again: its first copy stays.
        if answer.status.as_u16() == 409 && answer.header("x-ms-error-code") == Some(EXISTS) {
            return Ok(());
        }
        answer.success(WRITE).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_not_shown() {
        let place = Place(Url::parse("https://a.blob.core.windows.net/c?sig=s3cret").unwrap());
        assert_eq!(format!("{place:?}"), "https://a.blob.core.windows.net/c");
    }
}
