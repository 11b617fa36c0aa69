//! What calls of a cloud's functions cost.

use twin_contract::Cloud;

use crate::catalogue::{Catalogue, FunctionPrices};

/// How long a call takes, in milliseconds, where nothing else is said.
const CALL_MS: f64 = 100.0;

/// A function's memory in MB, by cloud.
const fn memory_mb(cloud: Cloud) -> f64 {
    match cloud {
        Cloud::Aws | Cloud::Gcp => 256.0,
        Cloud::Azure => 128.0,
    }
}

/// The price of `calls` of one function in a month, in USD. Each function has the free amounts to itself, as in the existing model;
/// a cloud gives them once to an account.
pub(crate) fn calls(catalogue: &Catalogue, cloud: Cloud, calls: f64) -> f64 {
    price(catalogue.functions(cloud), calls, CALL_MS, memory_mb(cloud))
}

/// The same, where a call takes `ms` milliseconds and `mb` MB.
pub(crate) fn price(prices: &FunctionPrices, calls: f64, ms: f64, mb: f64) -> f64 {
    let gb_seconds = calls * ms / 1000.0 * mb / 1024.0;
    prices.request_price * (calls - prices.free_requests).max(0.0)
        + prices.duration_price * (gb_seconds - prices.free_compute_time).max(0.0)
}
