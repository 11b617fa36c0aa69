//! An issuer's public keys (RFC 7517), and the check of a signature with one of them.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    error::Unspecified,
    signature::{
        ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use serde::Deserialize;

/// The length of a coordinate of P-256, in bytes.
const P256: usize = 32;

/// The algorithms that are accepted (RFC 7518, 3.1). A key is for one of them, whatever a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
}

impl Algorithm {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// The key that a token names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) kid: Option<&'a str>,
    pub(super) algorithm: Algorithm,
}

/// The usable keys of an issuer.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Arc<Key>>);

/// One public key.
#[derive(Debug)]
pub(super) struct Key {
    kid: Option<String>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The point, uncompressed.
    P256(Vec<u8>),
}

impl KeySet {
    /// Reads a JWK set. Keys of other kinds, and for other purposes than RS256 and ES256 signatures, are left out (RFC 7517, 5).
    ///
    /// # Errors
    /// If it is not a JWK set.
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let set: JwkSet = serde_json::from_slice(json)?;
        let keys = set.keys.into_iter().filter_map(|key| {
            let key: Jwk = serde_json::from_value(key).ok()?;
            key.usable().map(Arc::new)
        });
        Ok(Self(keys.collect()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that a token names. A token without a `kid` names the only key.
    pub(super) fn find(&self, wanted: Wanted<'_>) -> Option<Arc<Key>> {
        let fits = |key: &&Arc<Key>| key.algorithm() == wanted.algorithm;
        let found = match (wanted.kid, self.0.as_slice()) {
            (Some(kid), keys) => keys
                .iter()
                .filter(fits)
                .find(|key| key.kid.as_deref() == Some(kid)),
            (None, [only]) => Some(only).filter(fits),
            (None, _) => None,
        };
        found.map(Arc::clone)
    }
}

impl Key {
    const fn algorithm(&self) -> Algorithm {
        match self.public {
            Public::Rsa { .. } => Algorithm::Rs256,
            Public::P256(_) => Algorithm::Es256,
        }
    }

    /// Checks a signature (RFC 7518, 3.3 and 3.4). An RSA key has 2048 to 8192 bits.
    ///
    /// # Errors
    /// If the signature is not this key's, or the key is not a valid one.
    pub(super) fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Unspecified> {
        match &self.public {
            Public::Rsa { modulus, exponent } => RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature),
            Public::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
        }
    }
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<serde_json::Value>,
}

/// The members of a JWK that matter for signatures (RFC 7517, 4; RFC 7518, 6).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    fn usable(self) -> Option<Key> {
        let verifies = self
            .purpose
            .as_deref()
            .is_none_or(|purpose| purpose == "sig")
            && (self.key_ops.as_ref())
                .is_none_or(|operations| operations.iter().any(|name| name == "verify"));
        let public = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Public::Rsa {
                modulus: unsigned(self.n.as_deref()?)?,
                exponent: unsigned(self.e.as_deref()?)?,
            },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(self.x.as_deref()?)?, bytes(self.y.as_deref()?)?);
                if x.len() != P256 || y.len() != P256 {
                    return None;
                }
                Public::P256([&[4], x.as_slice(), y.as_slice()].concat())
            }
            _ => return None,
        };
        let key = Key {
            kid: self.kid,
            public,
        };
        let alg = self.alg.as_deref();
        let fits = alg.is_none_or(|alg| Algorithm::parse(alg) == Some(key.algorithm()));
        (verifies && fits).then_some(key)
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A number without leading zeros, which some issuers write and `ring` refuses.
fn unsigned(text: &str) -> Option<Vec<u8>> {
    let mut bytes = bytes(text)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(set: &str, kid: Option<&str>, algorithm: Algorithm) -> bool {
        let set = KeySet::parse(set.as_bytes()).unwrap();
        set.find(Wanted { kid, algorithm }).is_some()
    }

    #[test]
    fn a_key_is_used_for_what_it_is_for_and_nothing_else() {
        use Algorithm::{Es256, Rs256};
        let coordinate = URL_SAFE_NO_PAD.encode([1; P256]);
        let rsa = r#""kty":"RSA","kid":"k","n":"AQAB","e":"AQAB""#;
        let ec =
            format!(r#""kty":"EC","kid":"k","crv":"P-256","x":"{coordinate}","y":"{coordinate}""#);
        let short = URL_SAFE_NO_PAD.encode([1; P256 - 1]);
        for (key, algorithm) in [
            (rsa.to_owned(), Some(Rs256)),
            (format!(r#"{rsa},"alg":"RS256","use":"sig""#), Some(Rs256)),
            (format!(r#"{rsa},"key_ops":["verify"]"#), Some(Rs256)),
            (format!(r#"{rsa},"alg":"PS256""#), None),
            (format!(r#"{rsa},"alg":"ES256""#), None),
            (format!(r#"{rsa},"use":"enc""#), None),
            (format!(r#"{rsa},"key_ops":["encrypt"]"#), None),
            (ec.clone(), Some(Es256)),
            (format!(r#"{ec},"alg":"ES256""#), Some(Es256)),
            (format!(r#"{ec},"alg":"ES384""#), None),
            (ec.replace("P-256", "P-384"), None),
            (ec.replacen(&coordinate, &short, 1), None),
            (
                r#""kty":"oct","kid":"k","k":"AQAB","alg":"HS256""#.to_owned(),
                None,
            ),
            (r#""kty":"RSA","kid":"k""#.to_owned(), None),
            (
                r#""kty":"RSA","kid":"k","n":"A=B","e":"AQAB""#.to_owned(),
                None,
            ),
            (r#""kid":"k""#.to_owned(), None),
        ] {
            // Beside a key that can be used: what cannot is left out.
            let set = format!(
                r#"{{"keys":[{{{key}}},{{{}}}]}}"#,
                rsa.replace("\"k\"", "\"l\"")
            );
            for each in [Rs256, Es256] {
                assert_eq!(
                    found(&set, Some("k"), each),
                    algorithm == Some(each),
                    "{key}"
                );
            }
            assert!(found(&set, Some("l"), Rs256), "{key}");
        }
        for text in ["", "[]", "{}", r#"{"keys":{}}"#] {
            assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(KeySet::parse(br#"{"keys":[{}]}"#).unwrap().is_empty());
    }

    #[test]
    fn a_token_without_kid_names_the_only_key() {
        let rsa = |kid: &str| format!(r#"{{"kty":"RSA","kid":"{kid}","n":"AQAB","e":"AQAB"}}"#);
        let one = format!(r#"{{"keys":[{}]}}"#, rsa("a"));
        let two = format!(r#"{{"keys":[{},{}]}}"#, rsa("a"), rsa("b"));
        assert!(found(&one, None, Algorithm::Rs256));
        assert!(!found(&one, None, Algorithm::Es256));
        assert!(!found(&two, None, Algorithm::Rs256));
        assert!(found(&two, Some("b"), Algorithm::Rs256));
        assert!(!found(&two, Some("c"), Algorithm::Rs256));
    }

    #[test]
    fn leading_zeros_of_a_number_are_removed() {
        assert_eq!(unsigned("AAEAAQ"), Some(vec![1, 0, 1]));
        assert_eq!(unsigned("AQAB"), Some(vec![1, 0, 1]));
    }
}
