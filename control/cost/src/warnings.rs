//! Prices that are used as they are, and look wrong.

use serde_json::Value;

/// A value of a catalogue that is questionable. The calculation uses it all the same, so that its result is that of the existing
/// optimizer.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// The value's path in the catalogue, such as `azure.cosmosDB.requestPrice`.
    pub price: &'static str,
    /// The value.
    pub value: f64,
    /// What is questionable.
    pub why: &'static str,
}

/// A value is questionable if the function says so.
type Rule = (&'static str, fn(f64) -> bool, &'static str);

const RULES: [Rule; 7] = [
    (
        "aws.apiGateway.pricePerMillionCalls",
        |price| price < 1e-3,
        "is the price of one call, not of a million; the model does not use it",
    ),
    (
        "aws.eventBridge.pricePerMillionEvents",
        |price| price < 1e-3,
        "is the price of one event, not of a million; the model does not use it",
    ),
    (
        "aws.iotCore.pricePerDeviceAndMonth",
        |price| price < 1e-3,
        "is less than the 43,200 minutes for which a device is connected in a month cost",
    ),
    (
        "aws.s3GlacierDeepArchive.storagePrice",
        |price| price > 5e-3,
        "is that of another storage class",
    ),
    (
        "azure.cosmosDB.requestPrice",
        |price| price < 0.1,
        "is 730 hours of provisioned throughput, divided by 100, and used as the price of a million request units",
    ),
    (
        "azure.cosmosDB.RUsPerWrite",
        |units| units > 5.0,
        "is not used: the model counts 5 request units for a write",
    ),
    (
        "gcp.functions.durationPrice",
        |price| price < 1e-5,
        "is the price of memory only: the processor is not in it",
    ),
];

/// What is questionable in a catalogue.
pub(crate) fn of(catalogue: &Value) -> Vec<Warning> {
    let questionable = RULES.iter().filter_map(|(price, is_questionable, why)| {
        let found = price
            .split('.')
            .try_fold(catalogue, |value, name| value.get(name))?;
        let value = found.as_f64().filter(|value| is_questionable(*value))?;
        Some(Warning { price, value, why })
    });
    questionable.collect()
}
