//! Runs a package of `cargo xtask package` in the place of its platform, and serves its functions on a port.
//!
//! * `lambda`: creates the function in an emulator of AWS (`TWIN_TEST_AWS`), with a function URL without IAM, to which it passes requests.
//! * `azure`: does what the Functions host does for a custom handler, by its documentation and source.
//! * `cloud-run`: unpacks the image and runs its program.
//!
//! `function-host cold-start PACKAGE` measures the package for AWS Lambda instead.
//!
//! The environment is the function's own, as an operator would set it. It runs until it is killed.

mod azure;
mod cloud_run;
mod cold_start;
mod lambda;
mod route;

use std::{
    env,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process,
};

use clap::{Parser, ValueEnum};
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::net::TcpListener;

/// The command line.
#[derive(Parser)]
struct Command {
    /// In whose place.
    platform: Platform,
    /// The folder that `cargo xtask package` made.
    package: PathBuf,
    /// Where to serve, on the loopback interface.
    port: u16,
    /// A folder for what is unpacked.
    folder: PathBuf,
}

/// A platform.
#[derive(Clone, Copy, ValueEnum)]
enum Platform {
    /// AWS Lambda.
    Lambda,
    /// Azure Functions.
    Azure,
    /// Cloud Run.
    CloudRun,
}

/// Where requests come in.
async fn listener(command: &Command) -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", command.port)).await;
    listener.unwrap()
}

/// The function's own variables.
type Variables = Vec<(String, String)>;

/// The first argument of a process that becomes the program in the other arguments.
const BOUND: &str = "bound";

/// A program that is killed when this process ends, even by SIGKILL.
fn bound(program: &Path) -> process::Command {
    let mut command = process::Command::new(env::current_exe().unwrap());
    command.arg(BOUND).arg(program);
    command
}

/// Becomes a program, which is killed when its parent ends.
fn become_bound(mut arguments: env::ArgsOs) {
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let program = arguments.next().unwrap();
    let error = process::Command::new(&program).args(arguments).exec();
    panic!("{}: {error}", program.display());
}

#[tokio::main]
async fn main() {
    let mut arguments = env::args_os();
    match arguments.nth(1) {
        Some(first) if first == BOUND => return become_bound(arguments),
        Some(first) if first == "cold-start" => {
            let package = arguments.next().expect("the folder of the package");
            return cold_start::run(Path::new(&package)).await;
        }
        _ => {}
    }
    let command = Command::parse();
    let variables: Variables = env::vars().collect();
    match command.platform {
        Platform::Lambda => lambda::run(&command, variables).await,
        Platform::Azure => azure::run(&command, variables).await,
        Platform::CloudRun => cloud_run::run(&command, variables),
    }
}
