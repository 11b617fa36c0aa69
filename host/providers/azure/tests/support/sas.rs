//! Shared access signatures for Azurite.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;

/// The account of Azurite.
const ACCOUNT: &str = "devstoreaccount1";

/// A shared access signature for everything in the account, by its key.
pub(crate) fn signed(endpoint: &str, key: &str) -> String {
    let (version, services, types, permissions) = ("2021-12-02", "b", "sco", "rwdlac");
    let end = "2099-01-01T00:00:00Z";
    let text = format!(
        "{ACCOUNT}\n{permissions}\n{services}\n{types}\n\n{end}\n\nhttps,http\n{version}\n\n"
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key).unwrap());
    let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    let mut url = url::Url::parse(endpoint).unwrap();
    url.query_pairs_mut()
        .append_pair("sv", version)
        .append_pair("ss", services)
        .append_pair("srt", types)
        .append_pair("sp", permissions)
        .append_pair("se", end)
        .append_pair("spr", "https,http")
        .append_pair("sig", &signature);
    url.into()
}
