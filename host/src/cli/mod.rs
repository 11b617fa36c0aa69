//! The commands of `twin`. A wrong option, or a problem that prevents a host from starting (a variable, a file, an
//! address), gives one line that names it and exit code 2. Any other failure gives one line and exit code 1.

mod compile;
mod composed;
mod data;
mod dead_letters;
mod demo;
mod errors;
mod inspect;
mod out;
mod placement;
mod reach;
mod serve;
mod signals;
mod store;
mod up;

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{Parser, Subcommand};
use twin_host::{
    config::{Config, ConfigError},
    host::HostError,
    providers::local::maintenance::MaintenanceError,
    runtime::default_lanes,
    stores::StoreError,
    telemetry,
    undelivered::SourceError,
};

/// Carries a digital twin's data across clouds: connector, ingestion, writer, reader and error reporter as portable
/// components.
#[derive(Debug, Parser)]
#[command(name = "twin", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one cloud's functions, configured by environment variables.
    #[command(after_long_help = serve::environment(), after_help = "--help lists the environment variables.")]
    Serve,
    /// Run three clouds on this machine, each with its own listener, storage and key.
    Up(up::Options),
    /// Watch real telemetry cross three clouds, one of which fails for a while.
    Demo(demo::Options),
    /// Look at messages that could not be delivered, and send them again.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Look at system errors.
    #[command(subcommand)]
    Errors(errors::Command),
    /// Prepare the store that TWIN_STORE names.
    #[command(subcommand)]
    Store(store::Command),
    /// Check, back up and restore a host's data folder.
    #[command(subcommand)]
    Data(data::Command),
    /// Show what a component imports, and its digest; fail if it imports more than its world allows.
    Inspect(inspect::Options),
    /// Compile components in advance, for hosts without a compiler.
    #[command(after_long_help = compile::NOTES)]
    Compile(compile::Options),
}

/// The command line. AWS Lambda starts the file `bootstrap` of a package without arguments, which therefore means `twin serve`.
pub(crate) fn arguments(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<_> = given.collect();
    if let [program] = arguments.as_slice()
        && Path::new(program).file_name() == Some("bootstrap".as_ref())
    {
        arguments.push("serve".into());
    }
    arguments
}

/// Runs a command to its end, and waits until its last lines are written.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let code = ended(cli);
    telemetry::finish();
    code
}

fn ended(cli: Cli) -> ExitCode {
    match carry_out(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<out::OutputClosed>() => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn carry_out(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve => {
            let config = Config::from_env()?;
            on_threads(config.lanes, serve::run(config))
        }
        Command::Up(options) => on_threads(1, up::run(options)),
        Command::Demo(options) => on_threads(1, demo::run(options)),
        Command::DeadLetters(command) => on_threads(1, dead_letters::run(command)),
        Command::Errors(command) => on_threads(1, errors::run(command)),
        Command::Store(command) => on_threads(1, store::run(command)),
        Command::Data(command) => on_threads(1, async { data::run(command) }),
        Command::Compile(options) => compile::run(&options),
        Command::Inspect(options) => on_threads(1, async { inspect::run(&options) }),
    }
}

/// Runs a command on one thread per core, and on at least `least` threads.
fn on_threads(least: usize, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    if least > default_lanes() {
        threads.worker_threads(least);
    }
    threads.enable_all().build()?.block_on(async {
        signals::survive_file_size_limit()?;
        work.await
    })
}

/// A command line with missing options.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(&'static str);

/// The only place that prints a command's failure. A failure to print does not change the exit code.
fn fail(error: &anyhow::Error) -> ExitCode {
    telemetry::print_error(&format!("twin: {error:#}"));
    let configuration = error.is::<ConfigError>()
        || error.is::<HostError>()
        || error.is::<UsageError>()
        || error.is::<MaintenanceError>()
        || error.is::<StoreError>()
        || error.is::<SourceError>()
        || error.is::<placement::PlacementError>();
    ExitCode::from(if configuration { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bootstrap_without_arguments_serves() {
        let read = |line: &str| arguments(line.split(' ').map(OsString::from));
        assert_eq!(
            read("/var/task/bootstrap"),
            ["/var/task/bootstrap", "serve"]
        );
        assert_eq!(read("bootstrap --help"), ["bootstrap", "--help"]);
        assert_eq!(read("/usr/bin/twin"), ["/usr/bin/twin"]);
    }
}
