//! The settings that a function reads through the interface `settings`: name, default, range, unit and purpose of each. The
//! host checks its environment against this table, and `--help`, the documentation and the manifests for Spin are generated
//! from it.

use std::{ops::RangeInclusive, time::Duration};

use twin_contract::{
    Cloud,
    FunctionName::{self, Connector, Ingestion, Reader},
    is_twin_name,
};

use crate::DeliverySettings;

/// A setting, named as its environment variable.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// The value that is used if it is not set; `None` if it must be set.
    pub default: Option<&'static str>,
    /// A description of the accepted values. It completes "X must be …".
    pub values: &'static str,
    /// The unit of its number; empty if it has no unit.
    pub unit: &'static str,
    /// What it is for, in one line.
    pub help: &'static str,
    /// The functions that use it.
    pub read_by: &'static [FunctionName],
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Twin,
    Cloud,
    Count(Number<u32, u32>),
    Factor(Number<f64, f64>),
    Millis(Number<u64, Duration>),
    Seconds(Number<f64, Duration>),
}

/// A number in its written form, and the field that holds it.
#[derive(Debug)]
struct Number<Written, Held> {
    default: Written,
    range: RangeInclusive<Written>,
    field: fn(&mut DeliverySettings) -> &mut Held,
}

/// The twin's name.
pub const TWIN_NAME: Setting = Setting {
    name: "TWIN_NAME",
    default: None,
    values: "1 to 64 characters of A-Z a-z 0-9 . _ -",
    unit: "",
    help: "name of the twin; part of the key of everything that is stored",
    read_by: &FunctionName::ALL,
    kind: Kind::Twin,
};

/// The cloud that a function runs on. There is no default: envelopes and system errors would name the wrong cloud.
pub const TWIN_CLOUD: Setting = Setting {
    name: "TWIN_CLOUD",
    default: None,
    values: "aws, azure or gcp",
    unit: "",
    help: "the cloud that this is, or stands for",
    read_by: &FunctionName::ALL,
    kind: Kind::Cloud,
};

macro_rules! setting {
    (
        $name:literal = $default:literal, $kind:ident($written:ty) $what:literal from $min:literal to $max:literal,
        unit $unit:literal, $($field:ident).+, $help:literal, $readers:expr
    ) => {
        Setting {
            name: $name,
            default: Some(concat!($default)),
            values: concat!($what, " from ", $min, " to ", $max),
            unit: $unit,
            help: $help,
            read_by: $readers,
            kind: Kind::$kind(Number {
                default: $default as $written,
                range: $min as $written..=$max as $written,
                field: |settings| &mut settings.$($field).+,
            }),
        }
    };
}

/// The functions that retry.
const RETRYING: &[FunctionName] = &[Connector, Reader];

/// The settings of delivery (spec §4).
pub static DELIVERY: [Setting; 8] = [
    setting!("RETRY_INITIAL_MS" = 1_000, Millis(u64) "an integer" from 1 to 60_000, unit "ms", retry.initial,
        "wait before the first retry", RETRYING),
    setting!("RETRY_MULTIPLIER" = 2, Factor(f64) "a number" from 1 to 10, unit "", retry.multiplier,
        "factor by which each wait is longer than the one before", RETRYING),
    setting!("RETRY_MAX" = 3, Count(u32) "an integer" from 0 to 10, unit "", retry.max_retries,
        "retries after the first attempt, at most", RETRYING),
    setting!("RETRY_JITTER_PERCENT" = 10, Count(u32) "an integer" from 0 to 100, unit "%", retry.jitter_percent,
        "random addition to each wait, at most; 0 switches it off", RETRYING),
    setting!("CIRCUIT_FAILING_SECONDS" = 60, Seconds(f64) "a number" from 0.1 to 3_600, unit "s", circuit_failing,
        "how long a peer must fail before its circuit opens", &[Connector]),
    setting!("CIRCUIT_OPEN_SECONDS" = 300, Seconds(f64) "a number" from 0.1 to 86_400, unit "s", circuit_open,
        "how long an open circuit lets nothing through", &[Connector]),
    setting!("ATTEMPT_TIMEOUT_MS" = 10_000, Millis(u64) "an integer" from 10 to 900_000, unit "ms", attempt_timeout,
        "how long one attempt waits for a peer", RETRYING),
    setting!("FUNCTION_DEADLINE_MS" = 25_000, Millis(u64) "an integer" from 100 to 900_000, unit "ms", function_deadline,
        "how long one call of a function may take", &[Connector, Ingestion, Reader]),
];

/// Whether a function may read this setting: it is in the table.
pub fn is_setting(name: &str) -> bool {
    [&TWIN_NAME, &TWIN_CLOUD]
        .into_iter()
        .chain(&DELIVERY)
        .any(|setting| setting.name == name)
}

impl Setting {
    /// Stores a value in the field of this setting, if it has a field. False if the value is not one of [`Self::values`];
    /// the field then keeps its value.
    #[must_use]
    pub fn set(&self, settings: &mut DeliverySettings, text: &str) -> bool {
        let number = text.trim();
        match &self.kind {
            Kind::Twin => is_twin_name(text),
            Kind::Cloud => text.parse::<Cloud>().is_ok(),
            Kind::Count(slot) => slot.set(settings, number.parse().ok(), Some),
            Kind::Factor(slot) => slot.set(settings, number.parse().ok(), Some),
            Kind::Millis(slot) => slot.set(settings, number.parse().ok(), from_millis),
            Kind::Seconds(slot) => slot.set(settings, number.parse().ok(), from_seconds),
        }
    }

    /// Whether a function uses it.
    pub fn is_read_by(&self, function: FunctionName) -> bool {
        self.read_by.contains(&function)
    }

    /// Whether a value is one of [`Self::values`].
    pub fn allows(&self, text: &str) -> bool {
        self.set(&mut DeliverySettings::default(), text)
    }

    /// Stores the default in the field of this setting, if it has a field.
    pub(crate) fn reset(&self, settings: &mut DeliverySettings) {
        // The defaults are within their ranges: a test checks the whole table.
        let _ = match &self.kind {
            Kind::Twin | Kind::Cloud => false,
            Kind::Count(number) => number.set(settings, Some(number.default), Some),
            Kind::Factor(number) => number.set(settings, Some(number.default), Some),
            Kind::Millis(number) => number.set(settings, Some(number.default), from_millis),
            Kind::Seconds(number) => number.set(settings, Some(number.default), from_seconds),
        };
    }

    /// The value as text; `None` if the setting has no field.
    pub(crate) fn text(&self, settings: &DeliverySettings) -> Option<String> {
        let mut settings = *settings;
        Some(match &self.kind {
            Kind::Twin | Kind::Cloud => return None,
            Kind::Count(number) => (number.field)(&mut settings).to_string(),
            Kind::Factor(number) => (number.field)(&mut settings).to_string(),
            Kind::Millis(number) => crate::millis(*(number.field)(&mut settings)).to_string(),
            Kind::Seconds(number) => (number.field)(&mut settings).as_secs_f64().to_string(),
        })
    }
}

impl<Written: PartialOrd, Held> Number<Written, Held> {
    fn set(
        &self,
        settings: &mut DeliverySettings,
        written: Option<Written>,
        held: fn(Written) -> Option<Held>,
    ) -> bool {
        let written = written.filter(|written| self.range.contains(written));
        let Some(value) = written.and_then(held) else {
            return false;
        };
        *(self.field)(settings) = value;
        true
    }
}

const fn from_millis(ms: u64) -> Option<Duration> {
    Some(Duration::from_millis(ms))
}

fn from_seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_schedule_and_circuit_are_the_defaults() {
        let settings = DeliverySettings::default();
        assert_eq!(settings.retry.initial, Duration::from_secs(1));
        assert_eq!(
            (settings.retry.multiplier, settings.retry.max_retries),
            (2.0, 3)
        );
        assert_eq!(settings.circuit_failing, Duration::from_secs(60));
        assert_eq!(settings.circuit_open, Duration::from_secs(300));
        assert_eq!(settings.attempt_timeout, Duration::from_secs(10));
        assert_eq!(settings.function_deadline, Duration::from_secs(25));
        assert_eq!(settings.breaker().probe_lease, Duration::from_secs(11));
    }

    #[test]
    fn every_default_is_in_its_range_and_read_back_as_it_is_written() {
        let defaults = DeliverySettings::default();
        for setting in &DELIVERY {
            let mut settings = defaults;
            let default = setting.default.expect("delivery has defaults");
            assert!(setting.set(&mut settings, default), "{}", setting.name);
            assert_eq!(settings, defaults, "{}", setting.name);
            assert_eq!(settings.get(setting.name).as_deref(), Some(default));
            assert!(is_setting(setting.name));
        }
    }

    #[test]
    fn both_ends_of_each_range_are_in_it_and_what_lies_beyond_is_not() {
        for (name, least, most, outside) in [
            ("RETRY_INITIAL_MS", "1", "60000", ["0", "60001", "1.5"]),
            ("RETRY_MULTIPLIER", "1", "10", ["0.99", "10.1", "NaN"]),
            ("RETRY_MAX", "0", "10", ["-1", "11", "many"]),
            ("RETRY_JITTER_PERCENT", "0", "100", ["-1", "101", "10%"]),
            (
                "CIRCUIT_FAILING_SECONDS",
                "0.1",
                "3600",
                ["0", "3600.5", "1m"],
            ),
            (
                "CIRCUIT_OPEN_SECONDS",
                "0.1",
                "86400",
                ["0.09", "86401", "inf"],
            ),
            ("ATTEMPT_TIMEOUT_MS", "10", "900000", ["9", "900001", ""]),
            (
                "FUNCTION_DEADLINE_MS",
                "100",
                "900000",
                ["99", "900001", "1e3"],
            ),
        ] {
            let setting = DELIVERY.iter().find(|setting| setting.name == name);
            let setting = setting.expect("a setting of the table");
            let mut settings = DeliverySettings::default();
            for text in [most, least] {
                assert!(setting.set(&mut settings, text), "{name} {text}");
                assert_eq!(settings.get(name).as_deref(), Some(text), "{name}");
            }
            for text in outside {
                assert!(!setting.set(&mut settings, text), "{name} {text}");
            }
            assert_eq!(
                settings.get(name).as_deref(),
                Some(least),
                "the old value stays"
            );
        }
        assert_eq!(DeliverySettings::default().get("TWIN_NAME"), None);
    }

    #[test]
    fn fractions_and_spaces_around_a_number_are_understood() {
        let mut settings = DeliverySettings::default();
        for (name, text) in [
            ("CIRCUIT_OPEN_SECONDS", " 0.25\n"),
            ("RETRY_MULTIPLIER", "1.5"),
        ] {
            let setting = DELIVERY
                .iter()
                .find(|setting| setting.name == name)
                .unwrap();
            assert!(setting.set(&mut settings, text), "{name}");
        }
        assert_eq!(settings.circuit_open, Duration::from_millis(250));
        assert_eq!(settings.retry.multiplier, 1.5);
        let breaker = settings.breaker();
        assert_eq!(
            (breaker.failing, breaker.open),
            (settings.circuit_failing, settings.circuit_open)
        );
    }

    #[test]
    fn a_twins_name_and_a_cloud_are_checked_alike() {
        let mut settings = DeliverySettings::default();
        for (setting, right, wrong) in [
            (TWIN_NAME, "factory-1", "a b"),
            (TWIN_CLOUD, "azure", "mars"),
        ] {
            assert!(setting.set(&mut settings, right));
            assert!(!setting.set(&mut settings, wrong));
            assert!(setting.default.is_none() && is_setting(setting.name));
        }
        assert!(!is_setting("DEBUG_MODE") && !is_setting("INTER_CLOUD_TOKEN"));
        assert_eq!(settings, DeliverySettings::default());
    }
}
