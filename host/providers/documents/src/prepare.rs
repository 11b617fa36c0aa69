//! What a twin needs in a cloud (tables, queues, topics): what of it a provider made, and what is wrong with it. The results of
//! `twin store init` and `twin store check`.

use std::{borrow::Cow, fmt};

use crate::service::ServiceError;

/// Something that a twin needs, and that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// What it is: ``index `by-order` of table `factory-01-messages` ``.
    pub what: String,
    /// Whether it was made just now; else it was there.
    pub created: bool,
}

/// Something that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: ``table `factory-01-messages` ``.
    pub what: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with something that a twin needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is not there.
    #[error("it does not exist: run `twin store init`")]
    Missing,
    /// It is not ready yet.
    #[error("it is being built: check again in some minutes, or hours if there is much data")]
    Building,
    /// It is there, and not as it must be. The text says how it is and how it should be.
    #[error("{0}")]
    Differs(Cow<'static, str>),
    /// The service offers no way to look at it. The text says what it does offer.
    #[error("it cannot be checked: {0}")]
    Unchecked(&'static str),
    /// It cannot be looked at now. The call may be denied, while those that a host makes are not.
    #[error(transparent)]
    Unknown(#[from] ServiceError),
}

impl Prepared {
    /// Something that was made just now, or was there.
    pub fn new(what: impl Into<String>, created: bool) -> Self {
        Self {
            what: what.into(),
            created,
        }
    }
}

impl Finding {
    /// A problem with something.
    pub fn of(what: impl Into<String>, problem: impl Into<Problem>) -> Self {
        Self {
            what: what.into(),
            problem: problem.into(),
        }
    }

    /// Whether hosts may be unable to work because of it. What cannot be checked may well be right.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(self.problem, Problem::Unchecked(_))
    }
}

impl Problem {
    /// A way in which something is not as it must be, in a constant.
    #[must_use]
    pub const fn differs(how: &'static str) -> Self {
        Self::Differs(Cow::Borrowed(how))
    }
}

impl fmt::Display for Prepared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.created { "created" } else { "was there" };
        write!(formatter, "{}: {state}", self.what)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.what, self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_one_line_that_names_the_thing() {
        let made = [true, false].map(|created| Prepared::new("queue `a`", created).to_string());
        assert_eq!(made, ["queue `a`: created", "queue `a`: was there"]);
        let missing = Finding::of("queue `a`", Problem::Missing);
        let unchecked = Finding::of(
            "topic `b`",
            Problem::Unchecked("it can only be published to"),
        );
        assert_eq!(
            [&missing, &unchecked].map(ToString::to_string),
            [
                "queue `a`: it does not exist: run `twin store init`",
                "topic `b`: it cannot be checked: it can only be published to",
            ]
        );
        assert!(missing.is_fault() && !unchecked.is_fault());
    }
}
