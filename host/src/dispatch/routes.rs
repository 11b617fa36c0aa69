//! The routes: which path leads where.

use twin_contract::{
    FunctionName,
    registry::{HEALTH, METRICS, READINESS},
};

/// Where a path leads. `P` is a path: a slice of the request's, or a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<P> {
    /// `/healthz`: the process lives.
    Health,
    /// `/readyz`: the process can do its work.
    Ready,
    /// `/metrics`.
    Metrics,
    /// To a function, which sees this path.
    Function(FunctionName, P),
}

impl Route<&str> {
    /// The same, independent of the request's lifetime.
    pub(super) fn with_own_path(self) -> Route<String> {
        match self {
            Self::Health => Route::Health,
            Self::Ready => Route::Ready,
            Self::Metrics => Route::Metrics,
            Self::Function(function, path) => Route::Function(function, path.to_owned()),
        }
    }
}

/// The paths of the functions mounted here.
#[derive(Debug)]
pub(super) struct Routes {
    prefix: String,
    mounted: Vec<FunctionName>,
}

impl Routes {
    /// `prefix` is empty, or has a leading slash and no trailing slash.
    pub(super) const fn new(prefix: String, mounted: Vec<FunctionName>) -> Self {
        Self { prefix, mounted }
    }

    /// Where a path leads. The path is compared as written, without decoding or normalization, so each route has exactly
    /// one spelling. The prefix may be missing: some gateways strip it, and probes do not send it.
    pub(super) fn find<'a>(&self, path: &'a str) -> Option<Route<&'a str>> {
        let path = self.strip(path);
        match path {
            HEALTH => return Some(Route::Health),
            READINESS => return Some(Route::Ready),
            METRICS => return Some(Route::Metrics),
            _ => {}
        }
        if let ("/", [only]) = (path, self.mounted.as_slice()) {
            let main = only.routes().first()?;
            return Some(Route::Function(*only, main));
        }
        self.mounted
            .iter()
            .find(|function| function.routes().iter().any(|route| leads(route, path)))
            .map(|function| Route::Function(*function, path))
    }

    /// The path without the prefix.
    pub(super) fn strip<'a>(&self, path: &'a str) -> &'a str {
        match path.strip_prefix(self.prefix.as_str()) {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        }
    }
}

/// A route that ends in a slash is a prefix.
fn leads(route: &str, path: &str) -> bool {
    if route.ends_with('/') {
        path.starts_with(route)
    } else {
        path == route
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FunctionName::{Connector, Reader, Writer};

    #[test]
    fn paths_lead_to_what_is_mounted() {
        let routes = Routes::new("/api".into(), vec![Connector, Reader]);
        for (path, expected) in [
            ("/healthz", Some(Route::Health)),
            ("/api/healthz", Some(Route::Health)),
            ("/readyz", Some(Route::Ready)),
            ("/metrics", Some(Route::Metrics)),
            ("/telemetry", Some(Route::Function(Connector, "/telemetry"))),
            (
                "/api/telemetry",
                Some(Route::Function(Connector, "/telemetry")),
            ),
            (
                "/api/dead-letters/a%2Fb",
                Some(Route::Function(Connector, "/dead-letters/a%2Fb")),
            ),
            (
                "/dead-letters",
                Some(Route::Function(Connector, "/dead-letters")),
            ),
            ("/read", Some(Route::Function(Reader, "/read"))),
            ("/apiread", None),
            ("/api/api/read", None),
            ("/read/", None),
            ("/READ", None),
            ("/%72ead", None),
            ("//read", None),
            ("/api//read", None),
            ("/write", None),
            ("/dead-lettersx", None),
            ("/", None),
            ("/api", None),
            ("/api/", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(routes.find(path), expected, "{path}");
        }
    }

    #[test]
    fn a_single_function_is_at_the_root_too() {
        let routes = Routes::new(String::new(), vec![Writer]);
        for path in ["", "/", "/write"] {
            assert_eq!(
                routes.find(path),
                Some(Route::Function(Writer, "/write")),
                "{path:?}"
            );
        }
        let routes = Routes::new("/prod".into(), vec![Writer]);
        for path in ["/", "/prod", "/prod/", "/prod/write"] {
            assert_eq!(
                routes.find(path),
                Some(Route::Function(Writer, "/write")),
                "{path}"
            );
        }
        assert_eq!(routes.find("/production"), None);
    }
}
