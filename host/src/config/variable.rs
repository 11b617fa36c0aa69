//! What a variable of the table consists of.

use twin_delivery::Setting;

use super::{Config, parse::Expected};

/// An environment variable of `twin serve`.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds where it is not set.
    pub default: Unset,
    /// What it is for, in one line.
    pub help: &'static str,
    /// Whether its value must not be shown.
    pub secret: bool,
    set: Set,
}

/// Where the value of a variable goes.
#[derive(Clone, Copy, Debug)]
enum Set {
    /// Into a field of the configuration.
    Field(SetField),
    /// Into the settings of delivery.
    Delivery(&'static Setting),
}

/// Parses the text and puts the value into its field.
pub(super) type SetField = fn(&mut Config, &str) -> Result<(), Expected>;

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
    pub variables: Vec<Variable>,
}

impl Variable {
    pub(super) const fn new(
        name: &'static str,
        default: Unset,
        set: SetField,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            default,
            help,
            secret: false,
            set: Set::Field(set),
        }
    }

    /// A variable that functions read as well.
    pub(super) const fn of(setting: &Setting, set: SetField) -> Self {
        let default = match setting.default {
            Some(value) => Unset::Value(value),
            None => Unset::Refused,
        };
        Self::new(setting.name, default, set, setting.help)
    }

    /// A variable that is a setting of delivery.
    pub(super) const fn delivery(setting: &'static Setting) -> Self {
        Self {
            set: Set::Delivery(setting),
            ..Self::of(setting, |_, _| Ok(()))
        }
    }

    pub(super) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Takes a value.
    pub(super) fn set(&self, config: &mut Config, text: &str) -> Result<(), Expected> {
        match self.set {
            Set::Field(set) => set(config, text),
            Set::Delivery(setting) if setting.set(&mut config.delivery, text) => Ok(()),
            Set::Delivery(setting) => Err(setting.values.to_owned()),
        }
    }
}
