//! Callers without keys: an issuer of tokens, and whom it names.

use twin_contract::keys;
use url::{Host, Url};

/// Google's issuer of identity tokens.
const GOOGLE: &str = "https://accounts.google.com";

/// Entra's issuers, around the id of the tenant: of tokens of version 2 and of version 1.
const ENTRA: [(&str, &str); 2] = [
    ("https://login.microsoftonline.com/", "/v2.0"),
    ("https://sts.windows.net/", "/"),
];

/// One caller of `TWIN_OIDC_CALLERS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcCaller {
    issuer: String,
    subject: String,
    /// The address of the issuer's discovery document.
    discovery: Url,
}

/// The claim of a token that names its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubjectClaim {
    /// `sub`.
    Subject,
    /// `email`, where `email_verified` is true.
    VerifiedEmail,
    /// `oid`: Entra's `sub` is another for each application.
    ObjectId,
}

impl OidcCaller {
    /// Reads `issuer|subject`; `None` if it is not that. The issuer is an https URL without a query; http is allowed for an
    /// address of this machine.
    pub fn parse(text: &str) -> Option<Self> {
        let (issuer, subject) = text.split_once('|')?;
        let visible =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible(issuer) || !visible(subject) {
            return None;
        }
        let url = Url::parse(issuer).ok()?;
        if !is_trustworthy(&url) || url.query().is_some() {
            return None;
        }
        // OpenID Connect Discovery 1.0, section 4: a slash at the end is removed first.
        let base = issuer.trim_end_matches('/');
        Some(Self {
            discovery: Url::parse(&format!("{base}/.well-known/openid-configuration")).ok()?,
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
        })
    }

    /// Reads a comma-separated list; `None` if an element is not a caller, or is repeated.
    pub(crate) fn list(text: &str) -> Option<Vec<Self>> {
        let mut callers = Vec::new();
        for caller in keys(text).map(Self::parse) {
            let caller = caller?;
            if callers.contains(&caller) {
                return None;
            }
            callers.push(caller);
        }
        Some(callers)
    }

    /// The issuer, exactly as its tokens name it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The subject, exactly as its tokens name it.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) const fn discovery(&self) -> &Url {
        &self.discovery
    }

    /// Where a token of this issuer has the subject.
    pub(super) fn claim(&self) -> SubjectClaim {
        if self.issuer == GOOGLE && self.subject.contains('@') {
            SubjectClaim::VerifiedEmail
        } else if ENTRA.iter().any(|form| is_of_a_tenant(&self.issuer, *form)) {
            SubjectClaim::ObjectId
        } else {
            SubjectClaim::Subject
        }
    }
}

fn is_of_a_tenant(issuer: &str, (before, after): (&str, &str)) -> bool {
    issuer
        .strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after))
        .is_some_and(|tenant| !tenant.is_empty() && !tenant.contains('/'))
}

/// Whether what comes from this URL comes from who it names: https, or http from this machine.
pub(super) fn is_trustworthy(url: &Url) -> bool {
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    is_plain
        && match url.scheme() {
            "https" => url.has_host(),
            "http" => match url.host() {
                Some(Host::Domain(name)) => name == "localhost",
                Some(Host::Ipv4(address)) => address.is_loopback(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            },
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_an_issuer_that_can_be_trusted_and_a_subject() {
        for (text, discovery) in [
            (
                "https://accounts.google.com|a@b.example",
                "https://accounts.google.com/.well-known/openid-configuration",
            ),
            (
                "https://sts.windows.net/t/|oid",
                "https://sts.windows.net/t/.well-known/openid-configuration",
            ),
            // Only the first bar separates.
            (
                "https://x.auth0.example/|auth0|1",
                "https://x.auth0.example/.well-known/openid-configuration",
            ),
            (
                "http://127.0.0.1:9000|s",
                "http://127.0.0.1:9000/.well-known/openid-configuration",
            ),
            (
                "http://[::1]:9/a|s",
                "http://[::1]:9/a/.well-known/openid-configuration",
            ),
            (
                "http://localhost|s",
                "http://localhost/.well-known/openid-configuration",
            ),
        ] {
            let caller = OidcCaller::parse(text).unwrap();
            assert_eq!(caller.discovery().as_str(), discovery);
            assert_eq!(format!("{}|{}", caller.issuer(), caller.subject()), text);
        }
        for text in [
            "",
            "https://i.example",
            "https://i.example|",
            "|s",
            "i.example|s",
            "http://i.example|s",
            "http://10.0.0.1|s",
            "http://localhost.example|s",
            "https://user:pw@i.example|s",
            "https://i.example/?a=b|s",
            "https://i.example/#a|s",
            "https://i.example|with space",
            "ftp://127.0.0.1|s",
        ] {
            assert_eq!(OidcCaller::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_claim_depends_on_the_issuer() {
        for (text, claim) in [
            (
                "https://accounts.google.com|a@b.example",
                SubjectClaim::VerifiedEmail,
            ),
            ("https://accounts.google.com|1234", SubjectClaim::Subject),
            (
                "https://login.microsoftonline.com/t/v2.0|o",
                SubjectClaim::ObjectId,
            ),
            ("https://sts.windows.net/t/|o", SubjectClaim::ObjectId),
            ("https://sts.windows.net/t|o", SubjectClaim::Subject),
            (
                "https://login.microsoftonline.com/v2.0|o",
                SubjectClaim::Subject,
            ),
            (
                "https://login.microsoftonline.com/t/x/v2.0|o",
                SubjectClaim::Subject,
            ),
            (
                "https://u.tokens.sts.global.api.aws|arn:aws:iam::1:role/r",
                SubjectClaim::Subject,
            ),
            ("https://other.example|a@b.example", SubjectClaim::Subject),
        ] {
            assert_eq!(OidcCaller::parse(text).unwrap().claim(), claim, "{text}");
        }
    }
}
