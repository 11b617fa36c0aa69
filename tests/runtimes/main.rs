//! One behaviour on every runtime: the cases in `cases/` are sent to the same component files under this project's host, in a program
//! that embeds it, in the packages for three clouds' own functions, under `wasmtime serve`, Spin and a stand-in for Spin, and the replies are compared byte by
//! byte.
//!
//! The comparison leaves out what depends on the runtime: 404 for an unmounted path, 503 at overload, headers such as
//! `date`, and values that a case masks because they differ each time (times of storing, causes in a runtime's words).

mod case;
mod process;
mod runtime;
mod upgrade;
mod variables;

use std::{fs, path::Path};

use case::Case;
use runtime::{Host, Runtime, Spin, Wasmtime};
use twin_contract::Cloud::{self, Aws, Azure, Gcp};
use twin_tests::packages::Package;

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtimes/cases");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the cases are there")
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| Case::read(file)).collect()
}

async fn all_cases_on(runtime: Result<impl Runtime, String>, name: &str) {
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(reason) => {
            println!("skipped: {name}: {reason}");
            return;
        }
    };
    let mut wrong = Vec::new();
    for case in cases().iter().filter(|case| case.is_for(name)) {
        wrong.extend(case.play(&runtime, name).await);
    }
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn all_cases_on_our_host() {
    all_cases_on(Ok(Host::find()), "twin serve").await;
}

#[tokio::test]
async fn all_cases_on_a_host_that_is_embedded() {
    all_cases_on(Ok(Host::embedded()), "embedded").await;
}

#[tokio::test]
async fn all_cases_on_wasmtime_serve() {
    all_cases_on(Wasmtime::find(), "wasmtime serve").await;
}

#[tokio::test]
async fn all_cases_on_spin() {
    all_cases_on(Spin::find(), "spin").await;
}

/// Without Spin, its adapter is tested on the stand-in.
#[tokio::test]
async fn all_cases_on_the_stand_in_for_spin() {
    all_cases_on(Ok(Spin::stand_in()), "stand-in").await;
}

fn package(cloud: Cloud) -> Result<Package, String> {
    Package::find(cloud, env!("CARGO_BIN_EXE_function-host"))
}

#[tokio::test]
async fn all_cases_on_lambda() {
    all_cases_on(package(Aws), "lambda").await;
}

#[tokio::test]
async fn all_cases_on_azure_functions() {
    all_cases_on(package(Azure), "azure functions").await;
}

#[tokio::test]
async fn all_cases_on_cloud_run() {
    all_cases_on(package(Gcp), "cloud run").await;
}
