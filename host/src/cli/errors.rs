//! `twin errors`: look at system errors.

use clap::Subcommand;
use serde_json::Value;
use twin_host::function::FunctionName;

use super::reach::{Options, Reach};

/// What to do with system errors.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List those that the error reporter has stored, newest first.
    List(Options),
}

/// Runs a command.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::List(options) = command;
    let reporter = Reach::to(FunctionName::ErrorReporter, &options).await?;
    let errors = reporter.all("/errors").await?;
    if options.json {
        errors.iter().for_each(|error| println!("{error}"));
        return Ok(());
    }
    for error in &errors {
        let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or("-");
        println!(
            "{}  {:<8}  {}  {}  {}",
            text("timestamp"),
            text("severity"),
            text("component"),
            text("error_code"),
            text("message")
        );
    }
    println!("{} system errors", errors.len());
    Ok(())
}
