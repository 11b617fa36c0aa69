//! A signed token (JWT, RFC 7519, as a compact JWS, RFC 7515): its parts, and the checks of what it claims.

use std::time::{Duration, SystemTime};

use base64::{DecodeError, Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    caller::SubjectClaim,
    keys::{Algorithm, Wanted},
};

/// The longest token, in bytes: 16 KiB.
const LONGEST: usize = 16 * 1024;

/// How far the issuer's clock may be ahead of this host's.
const LEEWAY: Duration = Duration::from_secs(60);

/// Why a token is refused. No message contains a part of the token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the token is longer than {LONGEST} bytes")]
    TooLong,
    #[error("the token does not have three parts")]
    Parts,
    #[error("a part of the token is not base64url")]
    Base64(#[from] DecodeError),
    #[error("the token's header or claims cannot be read")]
    Json(#[from] serde_json::Error),
    #[error("the token is not signed by RS256 or ES256")]
    Algorithm,
    #[error("the token's header has extensions that must be understood (crit)")]
    Critical,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    TooEarly,
    #[error("the token's issuer is not listed in TWIN_OIDC_CALLERS")]
    Issuer,
    #[error("the token's subject is not listed in TWIN_OIDC_CALLERS for its issuer")]
    Subject,
    #[error("the issuer has no such key")]
    Key,
    #[error("the signature is not valid")]
    Signature,
}

/// A token whose signature has not been checked.
#[derive(Debug)]
pub(super) struct Token<'a> {
    kid: Option<String>,
    algorithm: Algorithm,
    claims: Claims,
    /// What the signature covers.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// Claims that are read; dates are in seconds since 1970, with fractions. What only some issuers define may have any form.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    #[serde(default)]
    sub: Value,
    #[serde(default)]
    oid: Value,
    #[serde(default)]
    email: Value,
    #[serde(default)]
    email_verified: Value,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Whether a bearer is meant to be a signed token rather than a key: three parts in base64url, of which the first is a JOSE
/// header. The last may be empty, as that of an unsigned token is.
pub(crate) fn is_token(bearer: &str) -> bool {
    let is_base64url = |part: &&str| {
        part.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let mut parts = bearer.split('.');
    let header = parts.next().unwrap_or_default();
    parts.by_ref().take(2).filter(is_base64url).count() == 2
        && parts.next().is_none()
        && decoded::<Header>(header).is_ok()
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// If it does not have the form of a token, or is not signed by an accepted algorithm.
    pub(super) fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > LONGEST {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Parts)?;
        // A further dot would not be base64url.
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Parts)?;
        let header: Header = decoded(header)?;
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        Ok(Self {
            algorithm: Algorithm::parse(&header.alg).ok_or(TokenError::Algorithm)?,
            kid: header.kid,
            claims: decoded(payload)?,
            signed: signed.as_bytes(),
            signature: URL_SAFE_NO_PAD.decode(signature)?,
        })
    }

    /// Whose token it claims to be.
    pub(super) fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// The key that it claims to be signed with.
    pub(super) fn key(&self) -> Wanted<'_> {
        Wanted {
            kid: self.kid.as_deref(),
            algorithm: self.algorithm,
        }
    }

    /// Checks audience and time. No token is accepted after its end; its beginning may be a minute ahead, by clocks that differ.
    ///
    /// # Errors
    /// If it is for someone else, or not valid now.
    pub(super) fn check(&self, audience: &str, now: SystemTime) -> Result<(), TokenError> {
        let is_for_us = match &self.claims.aud {
            Audience::One(name) => name == audience,
            Audience::Several(names) => names.iter().any(|name| name == audience),
        };
        if !is_for_us {
            return Err(TokenError::Audience);
        }
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        if self.claims.exp <= now.as_secs_f64() {
            return Err(TokenError::Expired);
        }
        let latest = (now + LEEWAY).as_secs_f64();
        let mut begins = self.claims.nbf.iter().chain(&self.claims.iat);
        if begins.any(|date| *date > latest) {
            return Err(TokenError::TooEarly);
        }
        Ok(())
    }

    /// The subject, by the claim that names it.
    pub(super) fn subject(&self, claim: SubjectClaim) -> Option<&str> {
        match claim {
            SubjectClaim::Subject => self.claims.sub.as_str(),
            SubjectClaim::ObjectId => self.claims.oid.as_str(),
            SubjectClaim::VerifiedEmail => {
                let email = self.claims.email.as_str();
                email.filter(|_| self.claims.email_verified == Value::Bool(true))
            }
        }
    }
}

fn decoded<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIENCE: &str = "twin";

    fn token(header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{claims}.c2ln")
    }

    fn claims(times: &str) -> String {
        format!(r#"{{"iss":"i","aud":"twin",{times}}}"#)
    }

    /// The check of a token at the second 1000, in words.
    fn checked(claims: &str) -> String {
        let text = token(r#"{"alg":"RS256"}"#, claims);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let checked = Token::parse(&text).and_then(|token| token.check(AUDIENCE, now));
        checked.map_or_else(|error| format!("{error:?}"), |()| "valid".to_owned())
    }

    #[test]
    fn a_token_is_valid_from_its_beginning_to_its_end() {
        for (times, expected) in [
            (r#""exp":1001"#, "valid"),
            (r#""exp":1000.5"#, "valid"),
            (r#""exp":1000"#, "Expired"),
            (r#""exp":-1"#, "Expired"),
            (r#""exp":2000,"nbf":1060,"iat":1060"#, "valid"),
            (r#""exp":2000,"nbf":1061"#, "TooEarly"),
            (r#""exp":2000,"iat":1061"#, "TooEarly"),
            (r#""exp":2000,"nbf":null"#, "valid"),
        ] {
            assert_eq!(checked(&claims(times)), expected, "{times}");
        }
        for times in [
            r#""nbf":1"#,
            r#""exp":"2000""#,
            r#""exp":1e999"#,
            r#""exp":2000,"exp":3000"#,
        ] {
            let outcome = checked(&claims(times));
            assert!(outcome.starts_with("Json"), "{times}: {outcome}");
        }
    }

    #[test]
    fn the_audience_is_one_or_among_several() {
        for (audience, expected) in [
            (r#""twin""#, "valid"),
            (r#"["other","twin"]"#, "valid"),
            (r#""Twin""#, "Audience"),
            (r#""twin2""#, "Audience"),
            (r#"["other"]"#, "Audience"),
            ("[]", "Audience"),
        ] {
            let claims = format!(r#"{{"iss":"i","aud":{audience},"exp":2000}}"#);
            assert_eq!(checked(&claims), expected, "{audience}");
        }
        assert!(checked(r#"{"iss":"i","exp":2000}"#).starts_with("Json"));
    }

    #[test]
    fn what_is_not_a_token_signed_by_an_accepted_algorithm_is_refused() {
        let claims = claims(r#""exp":2000"#);
        let of = |header: &str| token(header, &claims);
        for (text, expected) in [
            (of(r#"{"alg":"none"}"#), "Algorithm"),
            (of(r#"{"alg":"HS256"}"#), "Algorithm"),
            (of(r#"{"alg":"RS384"}"#), "Algorithm"),
            (of(r#"{"alg":"rs256"}"#), "Algorithm"),
            (
                of(r#"{"alg":"RS256","crit":["b64"],"b64":false}"#),
                "Critical",
            ),
            (of(r#"{"kid":"k"}"#), "Json"),
            (of("{"), "Json"),
            ("a.b".to_owned(), "Parts"),
            ("key".to_owned(), "Parts"),
            (of(r#"{"alg":"RS256"}"#) + ".c2ln", "Base64"),
            (of(r#"{"alg":"RS256"}"#) + "=", "Base64"),
            ("x".repeat(LONGEST + 1), "TooLong"),
        ] {
            let error = format!("{:?}", Token::parse(&text).unwrap_err());
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_bearer_with_a_jose_header_is_a_token_and_any_other_a_key() {
        let token = token(r#"{"alg":"HS256","typ":"JWT"}"#, "{}");
        let unsigned = token.trim_end_matches("c2ln");
        for text in [token.as_str(), unsigned] {
            assert!(is_token(text), "{text}");
        }
        let encrypted = format!("{token}.YQ.YQ");
        let joined = format!("{token},{token}");
        for text in [
            "",
            "key",
            "a.b.c",
            "eyJ9.e30.c2ln",
            "..",
            &encrypted,
            &joined,
        ] {
            assert!(!is_token(text), "{text}");
        }
    }

    #[test]
    fn an_email_counts_only_if_it_is_verified() {
        for (claims, expected) in [
            (r#""email":"a@b","email_verified":true"#, Some("a@b")),
            (r#""email":"a@b","email_verified":false"#, None),
            (r#""email":"a@b","email_verified":"true""#, None),
            (r#""email":"a@b""#, None),
            (r#""email":7,"email_verified":true"#, None),
        ] {
            let claims = format!(r#"{{"iss":"i","aud":"a","exp":1,"sub":"s","oid":"o",{claims}}}"#);
            let text = token(r#"{"alg":"ES256"}"#, &claims);
            let token = Token::parse(&text).unwrap();
            assert_eq!(
                token.subject(SubjectClaim::VerifiedEmail),
                expected,
                "{claims}"
            );
            assert_eq!(token.subject(SubjectClaim::Subject), Some("s"));
            assert_eq!(token.subject(SubjectClaim::ObjectId), Some("o"));
        }
    }
}
