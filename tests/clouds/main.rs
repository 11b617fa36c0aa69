//! A twin over the services of three clouds, in every placement. `cargo xtask test --clouds` starts the emulators.

#![cfg(test)]

use twin_contract::Cloud::{self, Aws, Azure, Gcp};
use twin_tests::clouds::play;

async fn crosses(placement: [Cloud; 3]) {
    let story = match play(placement, |line| println!("{line}")).await {
        Ok(story) => story,
        Err(reason) => return println!("skipped: a twin over three clouds: {reason}"),
    };
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
