//! Values that must not show: keys, and URLs that may carry one. The log can be given either.

use std::fmt;

use url::Url;

/// A key or token. Its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a value into custody.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one who presents or digests it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// A URL whose path or query may hold a key, as that of an Azure function does (`?code=…`). It shows its origin only.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateUrl(Url);

impl PrivateUrl {
    /// Takes a URL into custody.
    pub const fn new(url: Url) -> Self {
        Self(url)
    }

    /// The whole URL, for the one who sends to it.
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
        assert_eq!(format!("{:?}", Secret::new("k")), "***");
        let url = PrivateUrl::new(Url::parse("https://f.example:8443/api/write?code=k").unwrap());
        assert_eq!(
            format!("{url} {url:?}"),
            "https://f.example:8443 https://f.example:8443"
        );
    }
}
