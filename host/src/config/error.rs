//! Errors of the configuration, each in one line that names the variable. The binary prints it and exits with 2.

use super::Authentication;
use crate::{ingress::platform::Platform, secrets::LookupError};

/// A configuration that the host does not start with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A required variable is not set.
    #[error("{variable} is not set: {help}")]
    Missing {
        /// Its name.
        variable: &'static str,
        /// What it is for.
        help: &'static str,
    },
    /// A variable's value is invalid.
    #[error("{variable}{} must be {expected}", shown(.value.as_deref()))]
    Invalid {
        /// Its name.
        variable: &'static str,
        /// The value; `None` if it must not be shown.
        value: Option<String>,
        /// What a valid value would be.
        expected: String,
    },
    /// An unknown name that looks like one of this program's variables. Most likely it is misspelt, and a default would
    /// silently be used.
    #[error("unknown variable {variable}{}", meant(*.nearest))]
    Unknown {
        /// The name.
        variable: String,
        /// The variable that may have been meant.
        nearest: Option<&'static str>,
    },
    /// A variable of a store that this program was built without.
    #[error(
        "{variable} is of the store {store}, which this program was built without: build it with the cargo feature `{store}`"
    )]
    NotCompiledIn {
        /// The variable.
        variable: String,
        /// The store, which is the cargo feature's name, too.
        store: &'static str,
    },
    /// A variable of a store other than the one that is used. Most likely, the wrong store is configured.
    #[error(
        "{variable} is set, but the store is {used}: set TWIN_STORE={store}, or do not set {variable}"
    )]
    OtherStore {
        /// The variable.
        variable: &'static str,
        /// The store that reads it.
        store: &'static str,
        /// The store that is used.
        used: &'static str,
    },
    /// Time limits that are too short for the work that must be done within them.
    #[error("{variables} must be larger: {reason}")]
    TooShort {
        /// One name, or several names of which one must be changed.
        variables: &'static str,
        /// The calculation.
        reason: String,
    },
    /// A missing variable that another part of the configuration needs.
    #[error("{variables} must be set: {reason}")]
    Needed {
        /// One name, or several names of which one must be set.
        variables: &'static str,
        /// What needs it.
        reason: String,
    },
    /// A function platform that this program was built without.
    #[error(
        "{variable} is set, so this is {platform}, which this program was built without: build it with the cargo feature `{feature}`"
    )]
    PlatformNotCompiledIn {
        /// The variable that the platform sets.
        variable: &'static str,
        /// Its name.
        platform: Platform,
        /// The cargo feature.
        feature: &'static str,
    },
    /// A way to authenticate to a peer that this program was built without.
    #[error(
        "{variable} is {auth}, which this program was built without: build it with the cargo feature `{feature}`"
    )]
    AuthNotCompiledIn {
        /// The variable.
        variable: &'static str,
        /// Its value.
        auth: Authentication,
        /// The cargo feature.
        feature: &'static str,
    },
    /// A variable that does not apply to the way in which the host authenticates to a peer.
    #[error(
        "{variable} is set, but {auth_variable} is {auth}: set {auth_variable}={needed}, or do not set {variable}"
    )]
    OtherAuth {
        /// The variable.
        variable: &'static str,
        /// The variable that says how the host authenticates.
        auth_variable: &'static str,
        /// Its value.
        auth: Authentication,
        /// The value to which `variable` belongs.
        needed: Authentication,
    },
    /// An identity of this host that cannot be used.
    #[error("{variable} is oidc, but the identity of this host cannot be used: {reason}")]
    IdentityUnusable {
        /// The variable.
        variable: &'static str,
        /// What the cloud's library says.
        reason: String,
    },
    /// A secret that a variable refers to, and that cannot be looked up.
    #[error("{variable} refers to a secret that cannot be used: {source}")]
    Secret {
        /// Its name.
        variable: &'static str,
        /// Why not.
        source: Box<LookupError>,
    },
}

impl ConfigError {
    pub(crate) fn of_secret(variable: &'static str, source: LookupError) -> Self {
        Self::Secret {
            variable,
            source: Box::new(source),
        }
    }
}

fn shown(value: Option<&str>) -> String {
    value
        .map(|value| format!(" is {value:?}, but"))
        .unwrap_or_default()
}

fn meant(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}
