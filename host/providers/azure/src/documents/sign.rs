//! How a request to Cosmos DB proves who sends it, in its header `authorization`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;

/// What need not be encoded within a parameter.
const PARAMETER: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The key of an account, which may do everything with its data.
#[derive(Clone)]
pub(crate) struct MasterKey(hmac::Key);

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl MasterKey {
    /// The key as the portal shows it; `None` if it is not Base64.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim()).ok()?;
        let is_key = !bytes.is_empty();
        is_key.then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The authorization of one request. `date` is that of its header `x-ms-date`; `kind` and `link` are the type of the resource
    /// and its path, or that of its parent where the request is for all or a new one, not percent-encoded.
    pub(crate) fn authorize(&self, verb: &str, kind: &str, link: &str, date: &str) -> String {
        let verb = verb.to_ascii_lowercase();
        let date = date.to_ascii_lowercase();
        let text = format!("{verb}\n{kind}\n{link}\n{date}\n\n");
        let signature = STANDARD.encode(hmac::sign(&self.0, text.as_bytes()));
        parameter(&format!("type=master&ver=1.0&sig={signature}"))
    }
}

/// The authorization of a request by a token of Microsoft Entra ID.
pub(crate) fn by_token(token: &str) -> String {
    parameter(&format!("type=aad&ver=1.0&sig={token}"))
}

fn parameter(text: &str) -> String {
    utf8_percent_encode(text, PARAMETER).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key, date and signature of the example in Microsoft's documentation, "Access control on Azure Cosmos DB resources".
    #[test]
    fn the_documented_example_has_the_documented_signature() {
        let key = "dsZQi3KtZmCv1ljt3VNWNm7sQUF1y5rJfC6kv5JiwvW0EndXdDku/dkKBp8/ufDToSxLzR4y+O/0H/t4bQtVNw==";
        let authorization = MasterKey::parse(key).unwrap().authorize(
            "GET",
            "dbs",
            "dbs/ToDoList",
            "Thu, 27 Apr 2017 00:51:12 GMT",
        );
        assert_eq!(
            authorization,
            "type%3Dmaster%26ver%3D1.0%26sig%3Dc09PEVJrgp2uQRkr934kFbTqhByc7TVr3OHyqlu%2Bc%2Bc%3D"
        );
    }

    #[test]
    fn a_key_is_base64_and_is_not_shown() {
        assert!(MasterKey::parse("not a key").is_none());
        assert!(MasterKey::parse("").is_none());
        assert_eq!(format!("{:?}", MasterKey::parse("YQ==").unwrap()), "***");
    }

    #[test]
    fn a_token_is_encoded() {
        assert_eq!(
            by_token("a.b-c_d"),
            "type%3Daad%26ver%3D1.0%26sig%3Da.b-c_d"
        );
    }
}
