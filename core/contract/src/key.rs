//! Credentials of callers and senders: the three header forms, and the check of a presented key
//! (spec §2).

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Cloud;

/// The header that carries a key; it depends on the receiving cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderForm {
    /// `x-api-key: KEY`, AWS.
    ApiKey,
    /// `x-functions-key: KEY`, Azure.
    FunctionsKey,
    /// `authorization: Bearer KEY`, for GCP and for receivers whose cloud is not known.
    Bearer,
}

impl HeaderForm {
    /// The form that a receiver in this cloud accepts.
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

    /// The key or token in a header's value; `None` if it is empty or has another scheme.
    pub fn key(self, value: &str) -> Option<&str> {
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

/// Whether a text can be a key: it must be a valid header value.
pub fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The keys in a comma-separated list.
pub fn keys(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// Why a caller was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// No credential was presented in this cloud's form.
    Missing,
    /// The credential is not valid, or two were presented.
    Wrong,
}

/// What a route gives access to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Messages and records.
    Data,
    /// Dead letters, system errors and metrics.
    Operation,
}

impl Access {
    /// The message for a valid key that does not give access to such a route.
    pub const fn refusal(self) -> &'static str {
        match self {
            Self::Data => {
                "this route takes a key of INTER_CLOUD_TOKEN, and the credential is one of TWIN_OPERATOR_TOKEN"
            }
            Self::Operation => {
                "this route takes a key of TWIN_OPERATOR_TOKEN, and the credential is for messages and records only"
            }
        }
    }
}

/// The permissions of a caller's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything: no operator keys are configured.
    Any,
    /// Data routes.
    Hop,
    /// Operators' routes.
    Operator,
}

impl Role {
    /// Whether a key of this role gives access to a route.
    pub const fn opens(self, access: Access) -> bool {
        matches!(
            (self, access),
            (Self::Any, _) | (Self::Hop, Access::Data) | (Self::Operator, Access::Operation)
        )
    }
}

/// A caller that was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The position of its key in the list: `key-1`, `operator-1`, …
    pub name: String,
    /// The permissions of its key.
    pub role: Role,
}

/// The keys that are valid now, in this cloud's form. Only their digests are kept.
#[derive(Clone)]
pub struct KeyRing {
    form: HeaderForm,
    keys: Vec<Entry>,
    /// Whether there are operator keys.
    apart: bool,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.keys.iter().map(|key| &key.name).collect();
        formatter
            .debug_struct("KeyRing")
            .field("form", &self.form)
            .field("keys", &names)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Entry {
    name: String,
    operators: bool,
    digest: [u8; 32],
}

impl Entry {
    fn new(name: String, operators: bool, key: &str) -> Self {
        Self {
            name,
            operators,
            digest: digest(key),
        }
    }
}

impl KeyRing {
    /// Accepts these keys. Several can be valid, which allows rotating them.
    pub fn new<K: AsRef<str>>(cloud: Cloud, keys: impl IntoIterator<Item = K>) -> Self {
        let keys = (1_u32..).zip(keys);
        Self {
            form: HeaderForm::of(Some(cloud)),
            keys: keys
                .map(|(place, key)| Entry::new(format!("key-{place}"), false, key.as_ref()))
                .collect(),
            apart: false,
        }
    }

    /// Also accepts these operator keys. If there are any, the other keys open only the data routes.
    #[must_use]
    pub fn with_operators<K: AsRef<str>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        for (place, key) in (1_u32..).zip(keys) {
            let name = format!("operator-{place}");
            self.keys.push(Entry::new(name, true, key.as_ref()));
            self.apart = true;
        }
        self
    }

    /// Verifies the credential among a caller's headers.
    ///
    /// The comparison takes the same time for every key of any length: it compares digests, and always all of them.
    ///
    /// # Errors
    /// Why the caller is refused.
    pub fn verify(&self, headers: &[(String, String)]) -> Result<Known, KeyRefusal> {
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
        for entry in &self.keys {
            if entry.digest.ct_eq(&presented).into() {
                matched = Some(entry);
            }
        }
        let entry = matched.ok_or(KeyRefusal::Wrong)?;
        Ok(Known {
            name: entry.name.clone(),
            role: match (self.apart, entry.operators) {
                (false, _) => Role::Any,
                (true, false) => Role::Hop,
                (true, true) => Role::Operator,
            },
        })
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
            Ok(caller) => {
                assert_eq!(caller.role, Role::Any);
                caller.name
            }
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

    #[test]
    fn an_operators_key_opens_what_the_others_do_not() {
        let alone = KeyRing::new(Cloud::Aws, ["hop"]);
        let shared = alone.clone().with_operators(["op", "op-before-it"]);
        let verify = |ring: &KeyRing, key: &str| {
            let headers = [("x-api-key".to_owned(), key.to_owned())];
            ring.verify(&headers)
        };
        let known = |name: &str, role| {
            let name = name.to_owned();
            Ok(Known { name, role })
        };
        assert_eq!(verify(&alone, "hop"), known("key-1", Role::Any));
        assert_eq!(verify(&alone, "op"), Err(KeyRefusal::Wrong));
        assert_eq!(verify(&shared, "hop"), known("key-1", Role::Hop));
        assert_eq!(verify(&shared, "op"), known("operator-1", Role::Operator));
        let before = known("operator-2", Role::Operator);
        assert_eq!(verify(&shared, "op-before-it"), before);
        for (role, data, operation) in [
            (Role::Any, true, true),
            (Role::Hop, true, false),
            (Role::Operator, false, true),
        ] {
            assert_eq!(role.opens(Access::Data), data, "{role:?}");
            assert_eq!(role.opens(Access::Operation), operation, "{role:?}");
        }
    }
}
