//! What is wrong with the configuration, in one line that names the variable. The binary prints it and exits with 2.

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
    /// A variable's value is none that it can have.
    #[error("{variable}{} must be {expected}", shown(.value.as_deref()))]
    Invalid {
        /// Its name.
        variable: &'static str,
        /// What it is; none if it must not be shown.
        value: Option<String>,
        /// What would be right.
        expected: String,
    },
    /// A name that looks like one of ours, but is not: most likely a slip, whose default would do silent harm.
    #[error("unknown variable {variable}{}", meant(*.nearest))]
    Unknown {
        /// The name.
        variable: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// Times that leave none for what has to be done in them.
    #[error("{variables} must be larger: {reason}")]
    TooShort {
        /// One name, or several of which one suffices.
        variables: &'static str,
        /// The arithmetic.
        reason: String,
    },
    /// A variable that something else in the configuration needs.
    #[error("{variables} must be set: {reason}")]
    Needed {
        /// One name, or several of which one suffices.
        variables: &'static str,
        /// Who needs it.
        reason: String,
    },
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
