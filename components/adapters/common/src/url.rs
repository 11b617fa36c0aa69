//! URLs of peers, split as `wasi:http` needs them and otherwise verbatim.

use twin_contract::{QueryKey, is_key};

/// The destination of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whether TLS is used.
    pub(crate) https: bool,
    /// Host and port as they were given.
    pub(crate) authority: String,
    /// Starts with `/`.
    pub(crate) path_with_query: String,
}

impl Target {
    /// Splits an absolute http or https URL. A user name would conflict with the key, and a fragment is never sent.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        // Visible ASCII only, as in a key, because it goes into a request line.
        let valid = is_key(rest) && !authority.is_empty() && !authority.contains('@');
        if !valid || rest.contains('#') {
            return None;
        }
        Some(Self {
            https,
            authority: authority.to_owned(),
            path_with_query: match path.strip_prefix('/') {
                Some(_) => path.to_owned(),
                None => format!("/{path}"),
            },
        })
    }

    /// The host in lower case, without its port.
    pub(crate) fn host(&self) -> String {
        let host = match self.authority.rsplit_once(':') {
            // A colon inside brackets is part of an IPv6 address.
            Some((host, port)) if !port.contains(']') => host,
            _ => &self.authority,
        };
        host.to_ascii_lowercase()
    }

    /// The path, without a query.
    pub(crate) fn path(&self) -> &str {
        let path = self.path_with_query.split(['?', '#']).next();
        path.unwrap_or_default()
    }

    /// Whether its query contains a key.
    pub(crate) fn has_key(&self) -> bool {
        let query = self.path_with_query.split_once('?');
        query.is_some_and(|(_, query)| QueryKey::is_in(query))
    }

    /// The destination with a query appended to its own.
    pub(crate) fn with_query(mut self, query: &str) -> Self {
        if !query.is_empty() {
            match self.path_with_query.split_once('?') {
                None => self.path_with_query.push('?'),
                Some((_, "")) => {}
                Some(_) => self.path_with_query.push('&'),
            }
            self.path_with_query.push_str(query);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> Option<(bool, String, String, String)> {
        let target = Target::parse(url)?;
        let host = target.host();
        Some((target.https, target.authority, host, target.path_with_query))
    }

    #[test]
    fn a_url_is_split_and_otherwise_verbatim() {
        for (url, https, authority, host, path) in [
            ("http://a", false, "a", "a", "/"),
            ("HTTPS://A.b:8/x?c=d%20", true, "A.b:8", "a.b", "/x?c=d%20"),
            ("http://[::1]:80/p", false, "[::1]:80", "[::1]", "/p"),
            ("http://[::1]?q", false, "[::1]", "[::1]", "/?q"),
        ] {
            let expected = (https, authority.into(), host.into(), path.into());
            assert_eq!(parts(url), Some(expected), "{url}");
        }
        for url in [
            "",
            "a/b",
            "ftp://a",
            "http://",
            "http:///p",
            "http://u@h/",
            "http://h/#f",
            "http://h/a b",
        ] {
            assert_eq!(parts(url), None, "{url}");
        }
    }

    #[test]
    fn a_query_goes_behind_the_own_one() {
        for (url, query, path) in [
            ("http://h/p", "", "/p"),
            ("http://h/p", "a=1", "/p?a=1"),
            ("http://h/p?", "a=1", "/p?a=1"),
            ("http://h/p?k=v", "a=1", "/p?k=v&a=1"),
        ] {
            let target = Target::parse(url).map(|target| target.with_query(query));
            assert_eq!(
                target.map(|target| target.path_with_query).as_deref(),
                Some(path)
            );
        }
    }
}
