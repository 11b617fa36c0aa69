//! The parts of a variable in the table.

use twin_delivery::Setting;

use super::{Config, parse::Expected};
use crate::ingress::platform::Platform;

/// An environment variable of `twin serve`.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What applies if it is not set.
    pub default: Unset,
    /// The values that apply instead on function platforms.
    pub on_platforms: &'static [(Platform, &'static str)],
    /// What it is for, in one line.
    pub help: &'static str,
    /// The unit of its number; empty if it has no unit.
    pub unit: &'static str,
    /// Whether its value must not be shown.
    pub secret: bool,
    reads: Reads,
}

/// How the value of a variable is read, and where it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reads {
    /// Into a field of the configuration.
    Field {
        /// Parses the text and puts the value into its field.
        set: fn(&mut Config, &str) -> Result<(), Expected>,
        /// A description of the accepted values.
        values: fn() -> Expected,
    },
    /// Into the settings of delivery.
    Delivery(&'static Setting),
}

/// `reads!(a.b = parse(…))` parses the text and stores the value in that field of the configuration;
/// `reads!(parse(…), |config, value| …)` passes the value to the closure.
macro_rules! reads {
    ($($field:ident).+ = $parse:ident($($argument:expr),*)) => {
        $crate::config::reads!($parse($($argument),*), |config, value| config.$($field).+ = value.into())
    };
    ($parse:ident($($argument:expr),*), |$config:ident, $value:ident| $set:expr) => {
        $crate::config::Reads::Field {
            set: |$config, text| {
                let $value = $parse(text $(, $argument)*)?;
                $set;
                Ok(())
            },
            values: || $crate::config::parse::accepted(|text| $parse(text $(, $argument)*)),
        }
    };
}
pub(crate) use reads;

/// What applies if a variable is not set. An empty value counts as not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// The host does not start.
    Refused,
    /// This value.
    Value(&'static str),
    /// Something that depends on the environment, described by this text.
    Otherwise(&'static str),
    /// Nothing.
    Nothing,
}

/// Variables that belong together, for `--help`.
#[derive(Debug)]
pub struct Group {
    /// A heading.
    pub title: String,
    /// In the order in which they are read.
    pub variables: Vec<Variable>,
}

impl Variable {
    pub(crate) const fn new(
        name: &'static str,
        default: Unset,
        reads: Reads,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            default,
            on_platforms: &[],
            help,
            unit: "",
            secret: false,
            reads,
        }
    }

    /// A variable that functions also read.
    pub(super) const fn of(setting: &Setting, reads: Reads) -> Self {
        let default = match setting.default {
            Some(value) => Unset::Value(value),
            None => Unset::Refused,
        };
        Self::new(setting.name, default, reads, setting.help).unit(setting.unit)
    }

    /// A variable that is a setting of delivery.
    pub(super) const fn delivery(setting: &'static Setting) -> Self {
        Self::of(setting, Reads::Delivery(setting))
    }

    pub(crate) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(crate) const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    pub(super) const fn on(mut self, platforms: &'static [(Platform, &'static str)]) -> Self {
        self.on_platforms = platforms;
        self
    }

    /// What applies if it is not set on this platform, or on none.
    pub(super) fn default_on(&self, platform: Option<Platform>) -> Unset {
        self.on_platforms
            .iter()
            .find(|(own, _)| Some(*own) == platform)
            .map_or(self.default, |(_, value)| Unset::Value(value))
    }

    /// Parses and stores a value.
    pub(super) fn set(&self, config: &mut Config, text: &str) -> Result<(), Expected> {
        match self.reads {
            Reads::Field { set, .. } => set(config, text),
            Reads::Delivery(setting) if setting.set(&mut config.delivery, text) => Ok(()),
            Reads::Delivery(setting) => Err(setting.values.to_owned()),
        }
    }

    /// A description of the accepted values. It completes "X must be …".
    pub fn values(&self) -> String {
        match self.reads {
            Reads::Field { values, .. } => values(),
            Reads::Delivery(setting) => setting.values.to_owned(),
        }
    }
}
