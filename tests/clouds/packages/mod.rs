//! Packages in the place of their platforms, and what these deliver: requests and events through the services of an emulated AWS, through
//! a stand-in for the Functions host, and from an emulator of Pub/Sub.

mod aws;
mod azure;
mod gcp;
mod traces;

use twin_contract::Cloud;
use twin_tests::{hosts::house::Host, packages::Package};

/// All functions of a twin in the package of a cloud, over the local store; `None` if the package or its platform is missing, and then the
/// test says so.
fn packaged(cloud: Cloud) -> Option<Host> {
    match Package::find(cloud, env!("CARGO_BIN_EXE_function-host")) {
        Ok(package) => Some(
            Host::of(cloud, "connector,ingestion,writer,reader,error-reporter")
                .set("TWIN_STORE", "local")
                .set("TWIN_EPHEMERAL", "1")
                .packaged(package),
        ),
        Err(reason) => {
            println!("skipped: the package for {cloud}: {reason}");
            None
        }
    }
}

/// A system error, as the hosts of Azure and GCP publish it; those of AWS add its `id`.
fn system_error() -> serde_json::Value {
    serde_json::json!({
        "twin_id": "factory-01", "cloud_provider": "aws", "severity": "WARNING",
        "component": "L2-Connector", "error_code": "SOME_CODE", "message": "some message",
        "timestamp": "2026-01-01T00:00:00Z",
    })
}
