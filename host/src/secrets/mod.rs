//! Values that must not be shown: keys, and URLs that may contain one. Both can be logged safely.
//!
//! A variable that holds a key may hold a [`Reference`] to it instead; the [`Vault`] looks it up and remembers it.

#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
mod clouds;
mod lookup;
pub(crate) mod vault;

use std::fmt;

pub(crate) use twin_capabilities::secrets::FORMS;
pub use twin_capabilities::{
    Secret,
    secrets::{Configured, Reference, ReferenceError},
};
use url::Url;

pub use self::{
    lookup::{Lookup, LookupError, Services},
    vault::{Renewal, Vault},
};

/// A URL whose path or query may contain a key, like that of an Azure function (`?code=…`). It shows its origin only.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateUrl(Url);

impl PrivateUrl {
    /// Wraps a URL.
    pub const fn new(url: Url) -> Self {
        Self(url)
    }

    /// The whole URL, for sending to it.
    pub const fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for PrivateUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for PrivateUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let url = PrivateUrl::new(Url::parse("https://f.example:8443/api/write?code=k").unwrap());
        assert_eq!(
            format!("{url} {url:?}"),
            "https://f.example:8443 https://f.example:8443"
        );
    }
}
