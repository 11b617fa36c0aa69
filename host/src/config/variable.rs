//! What a variable of the table consists of.

use super::{Config, parse::Expected};

/// An environment variable of `twin serve`.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds where it is not set.
    pub default: Unset,
    /// What it is for, in one line.
    pub help: &'static str,
    /// Whether its value must not be shown.
    pub secret: bool,
    pub(super) set: fn(&mut Config, &str) -> Result<(), Expected>,
    /// What components see of it through the WIT interface `settings`; none for most.
    pub(super) shown: Option<fn(&Config) -> String>,
}

/// What holds where a variable is not set. An empty value counts as not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// The host does not start.
    Refused,
    /// This value.
    Value(&'static str),
    /// Something that depends; these are the words for it.
    Otherwise(&'static str),
    /// Nothing.
    Nothing,
}

/// Variables that belong together, for `--help`.
#[derive(Debug)]
pub struct Group {
    /// A heading.
    pub title: &'static str,
    /// In the order in which they are read.
    pub variables: &'static [Variable],
}

impl Variable {
    pub(super) const fn new(
        name: &'static str,
        default: Unset,
        set: fn(&mut Config, &str) -> Result<(), Expected>,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            default,
            help,
            secret: false,
            set,
            shown: None,
        }
    }

    pub(super) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(super) const fn shown_as(mut self, shown: fn(&Config) -> String) -> Self {
        self.shown = Some(shown);
        self
    }
}
