//! Copies of dead letters: a blob for each letter, for people and for tools that know storage accounts. The letters themselves
//! are in Cosmos DB; a replay neither reads the copies nor removes them.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Client, Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH},
};
use serde_json::{Value as Json, json};
use twin_documents::{Fields, ServiceError, Value};
use url::Url;

use crate::{
    http::{self, Called},
    identity::Tokens,
};

const WRITE: Called = Called {
    service: "Blob Storage",
    action: "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
};

/// How long a copy may keep a letter's sender waiting.
const COPY_LIMIT: Duration = Duration::from_secs(2);

/// The version of the interface.
pub(crate) const VERSION: HeaderValue = HeaderValue::from_static("2021-12-02");

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

impl Copies {
    /// Copies a new letter. A failure is logged and nothing else: the letter is stored.
    pub(crate) async fn keep(&self, letter: &Fields) {
        let Ok(letter_id) = letter.text_of("letter_id") else {
            return;
        };
        let copied = tokio::time::timeout(COPY_LIMIT, self.put(letter_id, letter));
        let code = match copied.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "timed out".to_owned(),
        };
        tracing::warn!(
            twin = self.twin,
            letter_id,
            error = code,
            "a dead letter was stored, but not copied to the storage account"
        );
    }

    async fn put(&self, letter_id: &str, letter: &Fields) -> Result<(), ServiceError> {
        let name = format!("{letter_id}.json");
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
        *request.body_mut() = Some(content(letter).into());
        let answer = http::send(&self.client, request, COPY_LIMIT, WRITE).await?;
        // The same letter was stored, settled, and stored again: its first copy stays.
        if answer.status.as_u16() == 409 && answer.header("x-ms-error-code") == Some(EXISTS) {
            return Ok(());
        }
        answer.success(WRITE).map(|_| ())
    }
}

const EXISTS: &str = "BlobAlreadyExists";

/// A letter as JSON. An envelope that is no text is in `envelope_base64` instead.
fn content(letter: &Fields) -> Vec<u8> {
    let mut copy = serde_json::Map::new();
    for (name, value) in &letter.0 {
        match value {
            // The attempts are JSON already.
            Value::Text(text) if name == "attempts" => {
                let attempts =
                    serde_json::from_str(text).unwrap_or_else(|_| Json::from(text.as_str()));
                copy.insert(name.clone(), attempts);
            }
            Value::Text(text) => _ = copy.insert(name.clone(), json!(text)),
            Value::Number(number) => _ = copy.insert(name.clone(), json!(number)),
            Value::Bytes(bytes) => {
                _ = copy.insert(format!("{name}_base64"), json!(STANDARD.encode(bytes)));
            }
        }
    }
    Json::from(copy).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_all_fields_of_the_letter() {
        let letter = Fields::default()
            .text("letter_id", "l-1")
            .text("attempts", r#"[{"at":1,"cause":"HTTP 503"}]"#)
            .number("stored_at", -1)
            .with("envelope", Value::Bytes(vec![0, 255]));
        let copy: Json = serde_json::from_slice(&content(&letter)).unwrap();
        let expected = json!({
            "letter_id": "l-1",
            "attempts": [{ "at": 1, "cause": "HTTP 503" }],
            "stored_at": -1,
            "envelope_base64": "AP8=",
        });
        assert_eq!(copy, expected);
    }

    #[test]
    fn a_signature_is_not_shown() {
        let place = Place(Url::parse("https://a.blob.core.windows.net/c?sig=s3cret").unwrap());
        assert_eq!(format!("{place:?}"), "https://a.blob.core.windows.net/c");
    }
}
