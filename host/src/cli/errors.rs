//! `twin errors`: look at system errors.

use std::borrow::Cow;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::value::RawValue;
use twin_host::function::FunctionName;

use super::{
    out::say,
    reach::{Options, Reach},
};

/// What to do with system errors.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List those that the error reporter has stored, newest first.
    List(Options),
}

/// The parts of an error that are shown on its line.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    severity: Cow<'a, str>,
    #[serde(borrow)]
    component: Cow<'a, str>,
    #[serde(borrow)]
    error_code: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// Runs a command.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::List(options) = command;
    let reporter = Reach::to(FunctionName::ErrorReporter, &options).await?;
    let count = reporter
        .each("/errors", |error| {
            if options.json {
                say!("{error}")
            } else {
                list_one(error)
            }
        })
        .await?;
    if options.json {
        return Ok(());
    }
    say!("{count} system errors")
}

fn list_one(error: &RawValue) -> anyhow::Result<()> {
    let error: Line<'_> = serde_json::from_str(error.get())?;
    say!(
        "{}  {:<8}  {}  {}  {}",
        error.timestamp,
        error.severity,
        error.component,
        error.error_code,
        error.message
    )
}
