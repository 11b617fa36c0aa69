//! Who is calling, and how a sender shows who it is: the three header forms, and the check of a presented key
//! (specification section 2).

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Cloud;

/// How a key travels: the receiving cloud decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderForm {
    /// `x-api-key: KEY`, AWS.
    ApiKey,
    /// `x-functions-key: KEY`, Azure.
    FunctionsKey,
    /// `authorization: Bearer KEY`, GCP and receivers whose cloud is not known.
    Bearer,
}

impl HeaderForm {
    /// The form that a receiver in this cloud understands.
    pub const fn of(cloud: Option<Cloud>) -> Self {
        match cloud {
            Some(Cloud::Aws) => Self::ApiKey,
            Some(Cloud::Azure) => Self::FunctionsKey,
            Some(Cloud::Gcp) | None => Self::Bearer,
        }
    }

    /// The header's name, in lower case.
    pub const fn header(self) -> &'static str {
        match self {
            Self::ApiKey => "x-api-key",
            Self::FunctionsKey => "x-functions-key",
            Self::Bearer => "authorization",
        }
    }

    /// Whether a header (its name in lower case) carries a credential in any of the forms.
    pub fn is_credential(header: &str) -> bool {
        [Self::ApiKey, Self::FunctionsKey, Self::Bearer]
            .iter()
            .any(|form| form.header() == header)
    }

    /// The header's value. It is as secret as the key.
    pub fn value(self, key: &str) -> String {
        match self {
            Self::ApiKey | Self::FunctionsKey => key.to_owned(),
            Self::Bearer => format!("Bearer {key}"),
        }
    }

    /// The key in a header's value; none if it is empty or of another scheme.
    fn key(self, value: &str) -> Option<&str> {
        let key = match self {
            Self::ApiKey | Self::FunctionsKey => value,
            Self::Bearer => {
                let (scheme, key) = value.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then_some(key)?
            }
        };
        Some(key.trim()).filter(|key| !key.is_empty())
    }
}

/// Whether a text can be a key: it goes into a header, so it must be able to.
pub fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The keys in a comma-separated list.
pub fn keys(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// Why a caller was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// Nothing is presented in the own cloud's form.
    Missing,
    /// It is not valid, or two are presented (which of them would count?).
    Wrong,
}

/// The keys that are valid now, in the form of the own cloud. It keeps their digests only.
#[derive(Clone)]
pub struct KeyRing {
    form: HeaderForm,
    digests: Vec<[u8; 32]>,
}

impl KeyRing {
    /// Accepts these keys; several, while they are rotated.
    pub fn new<K: AsRef<str>>(cloud: Cloud, keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter();
        Self {
            form: HeaderForm::of(Some(cloud)),
            digests: keys.map(|key| digest(key.as_ref())).collect(),
        }
    }

    /// Verifies what a caller presents among its headers. The caller is named after the key's place: `key-1`, …
    ///
    /// The comparison takes the same time for every key of whatever length: it compares digests, and all of them.
    ///
    /// # Errors
    /// Why the caller is turned away.
    pub fn verify(&self, headers: &[(String, String)]) -> Result<String, KeyRefusal> {
        let mut presented = headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(self.form.header()))
            .filter_map(|(_, value)| self.form.key(value));
        let key = presented.next().ok_or(KeyRefusal::Missing)?;
        if presented.next().is_some() {
            return Err(KeyRefusal::Wrong);
        }
        let presented = digest(key);
        let mut matched = None;
        for (place, digest) in (1_u32..).zip(&self.digests) {
            if digest.ct_eq(&presented).into() {
                matched = Some(place);
            }
        }
        let place = matched.ok_or(KeyRefusal::Wrong)?;
        Ok(format!("key-{place}"))
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: &str = "missing";
    const STRANGER: &str = "wrong";

    fn outcome(cloud: Cloud, headers: &[(&str, &str)]) -> String {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        match KeyRing::new(cloud, ["new-key", "old-key"]).verify(&headers) {
            Ok(caller) => caller,
            Err(KeyRefusal::Missing) => NOBODY.to_owned(),
            Err(KeyRefusal::Wrong) => STRANGER.to_owned(),
        }
    }

    #[test]
    fn only_the_own_clouds_form_counts() {
        let forms = [
            ("x-api-key", "new-key"),
            ("x-functions-key", "new-key"),
            ("authorization", "Bearer new-key"),
        ];
        for (own, cloud) in [Cloud::Aws, Cloud::Azure, Cloud::Gcp]
            .into_iter()
            .enumerate()
        {
            for (form, header) in forms.into_iter().enumerate() {
                let expected = if own == form { "key-1" } else { NOBODY };
                assert_eq!(outcome(cloud, &[header]), expected, "{cloud} {header:?}");
            }
        }
    }

    #[test]
    fn both_keys_are_valid_and_nothing_else_is() {
        for (value, expected) in [
            ("new-key", "key-1"),
            (" old-key ", "key-2"),
            ("new-ke", STRANGER),
            ("new-key,old-key", STRANGER),
            ("NEW-KEY", STRANGER),
            ("", NOBODY),
            ("  ", NOBODY),
        ] {
            assert_eq!(
                outcome(Cloud::Aws, &[("X-Api-Key", value)]),
                expected,
                "{value:?}"
            );
        }
        assert_eq!(outcome(Cloud::Aws, &[]), NOBODY);
        let twice = [("x-api-key", "new-key"), ("x-api-key", "new-key")];
        assert_eq!(outcome(Cloud::Aws, &twice), STRANGER);
    }

    #[test]
    fn the_bearer_scheme_is_read_without_case_and_no_other_scheme_is() {
        for (value, expected) in [
            ("bearer new-key", "key-1"),
            ("BEARER   old-key", "key-2"),
            ("Bearer wrong", STRANGER),
            ("Bearer ", NOBODY),
            ("Bearer", NOBODY),
            ("Basic new-key", NOBODY),
            ("new-key", NOBODY),
        ] {
            assert_eq!(
                outcome(Cloud::Gcp, &[("authorization", value)]),
                expected,
                "{value:?}"
            );
        }
    }

    #[test]
    fn what_is_sent_is_what_is_accepted() {
        for cloud in [Cloud::Aws, Cloud::Azure, Cloud::Gcp] {
            let form = HeaderForm::of(Some(cloud));
            let value = form.value("old-key");
            assert_eq!(outcome(cloud, &[(form.header(), &value)]), "key-2");
        }
        assert_eq!(HeaderForm::of(None), HeaderForm::Bearer);
    }
}
