//! `cargo xtask demo --clouds`: a twin over the services of three clouds, on emulators, with a table of what each service keeps.

use std::process::ExitCode;

use twin_contract::Cloud::{Aws, Azure, Gcp};
use twin_tests::clouds::{Story, play};

#[tokio::main]
async fn main() -> ExitCode {
    let story = match play([Aws, Azure, Gcp], |line| println!("{line}.")).await {
        Ok(story) => story,
        Err(reason) => {
            println!("This demo needs the emulators of all three clouds: {reason}");
            return ExitCode::FAILURE;
        }
    };
    for (cloud, kept) in &story.kept {
        for kept in kept {
            println!(
                "  {cloud:<6} {:<14} {:<24} {:>5}",
                kept.service, kept.what, kept.count
            );
        }
    }
    for seen in &story.errors {
        println!(
            "  {} found {} in its own table, where its own topic had brought it",
            seen.cloud, seen.error_code
        );
    }
    let Story {
        sent,
        lettered,
        replayed,
        found,
        doubled,
        ..
    } = story;
    println!(
        "readings sent {sent}, dead letters made {lettered}, replayed {replayed}, read back {found}, doubled {doubled}"
    );
    if found == sent && doubled == 0 {
        println!("Nothing was lost, nothing was stored twice.");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
