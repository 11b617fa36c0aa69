//! A twin over the services of three clouds, in every placement, and hosts in a cloud's functions. `cargo xtask test --clouds` starts
//! the emulators.

#![cfg(test)]

mod lambda;
mod packages;
mod undelivered;

use twin_capabilities::testing::Skipped;
use twin_contract::Cloud::{self, Aws, Azure, Gcp};
use twin_tests::{
    clouds::{Story, play_in},
    packages::Package,
};

async fn crosses(placement: [Cloud; 3]) {
    crosses_in(placement, |_| Ok(None)).await;
}

async fn crosses_in(
    placement: [Cloud; 3],
    package: impl Fn(Cloud) -> Result<Option<Package>, Skipped>,
) {
    match play_in(placement, package, |line| println!("{line}")).await {
        Ok(story) => check(placement, &story),
        Err(reason) => println!("skipped: a twin over three clouds: {reason}"),
    }
}

fn check(placement: [Cloud; 3], story: &Story) {
    println!("{story:#?}");
    assert_eq!((story.found, story.doubled), (story.sent, 0));
    assert!(story.lettered > 0 && story.replayed >= story.lettered);
    assert_eq!(story.errors.len(), 3);
    for (cloud, kept) in &story.kept {
        let letters = |what| kept.iter().find(|kept| kept.what == what).unwrap().count;
        assert_eq!(letters("dead letters"), 0, "{cloud}");
        assert!(letters("system errors") > 0, "{cloud}");
        let keeps_letters = *cloud != placement[2];
        assert_eq!(
            letters("copies of dead letters") > 0,
            keeps_letters,
            "{cloud}"
        );
    }
}

async fn crosses_in_functions(placement: [Cloud; 3]) {
    let package = |cloud| {
        let found = Package::find(cloud, env!("CARGO_BIN_EXE_function-host"));
        found.map(Some).map_err(Skipped)
    };
    crosses_in(placement, package).await;
}

#[tokio::test]
async fn a_twin_crosses_lambda_azure_functions_and_cloud_run() {
    crosses_in_functions([Aws, Azure, Gcp]).await;
}

#[tokio::test]
async fn a_twin_crosses_azure_functions_cloud_run_and_lambda() {
    crosses_in_functions([Azure, Gcp, Aws]).await;
}

#[tokio::test]
async fn a_twin_crosses_cloud_run_lambda_and_azure_functions() {
    crosses_in_functions([Gcp, Aws, Azure]).await;
}

#[tokio::test]
async fn a_twin_crosses_aws_azure_and_gcp() {
    crosses([Aws, Azure, Gcp]).await;
}

#[tokio::test]
async fn a_twin_crosses_aws_gcp_and_azure() {
    crosses([Aws, Gcp, Azure]).await;
}

#[tokio::test]
async fn a_twin_crosses_azure_aws_and_gcp() {
    crosses([Azure, Aws, Gcp]).await;
}

#[tokio::test]
async fn a_twin_crosses_azure_gcp_and_aws() {
    crosses([Azure, Gcp, Aws]).await;
}

#[tokio::test]
async fn a_twin_crosses_gcp_aws_and_azure() {
    crosses([Gcp, Aws, Azure]).await;
}

#[tokio::test]
async fn a_twin_crosses_gcp_azure_and_aws() {
    crosses([Gcp, Azure, Aws]).await;
}
