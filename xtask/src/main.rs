//! Front door of the project's own tooling: `cargo xtask build|demo|test|bench|guard`.

mod bench;
mod checks;
mod components;
mod debian;
mod demo;
mod guard;
mod layout;
mod process;
mod steps;
mod toolchain;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{layout::Layout, steps::Steps};

/// Builds, demonstrates, tests and measures Twin2MultiCloud.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

/// What can be asked of this program.
#[derive(Debug, Subcommand)]
enum Task {
    /// Build the five function components and the `twin` command.
    Build {
        /// Build the function components and leave the native command alone.
        #[arg(long)]
        components_only: bool,
    },
    /// Build, then run `twin demo`.
    Demo {
        /// Handed to `twin demo` as they are.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build, then check formatting, lints and documentation, and run all tests.
    Test {
        /// Run only the tests whose name contains this, and no lints.
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
    },
    /// Build, then measure the host beside native code, and write docs/performance.md.
    Bench {
        /// Less than a minute, and nothing is written.
        #[arg(long)]
        quick: bool,
    },
    /// Count the instructions of the hot path and compare them with the committed baseline.
    Guard {
        /// Write the baseline anew.
        #[arg(long)]
        write: bool,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If even stderr is gone, the exit code still tells.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let layout = Layout::find()?;
    let mut steps = Steps::default();
    match cli.command {
        Task::Build { components_only } => build(&layout, &mut steps, components_only),
        Task::Demo { args } => {
            build(&layout, &mut steps, false)?;
            demo::run(&layout, &args)
        }
        Task::Bench { quick } => {
            build(&layout, &mut steps, false)?;
            bench::run(&layout, quick)
        }
        Task::Guard { write } => guard::run(&layout, write),
        Task::Test { only } => {
            let outcome = build(&layout, &mut steps, false)
                .and_then(|()| checks::run(&layout, &mut steps, only.as_deref()));
            steps.summary();
            outcome
        }
    }
}

fn build(layout: &Layout, steps: &mut Steps, components_only: bool) -> anyhow::Result<()> {
    let toolchain = steps.run("wasm toolchain", || toolchain::find(layout))?;
    steps.run("function components", || {
        components::build(layout, &toolchain)
    })?;
    if components_only {
        return Ok(());
    }
    steps.run("the twin command", || {
        let mut cargo = layout.cargo();
        process::run(cargo.args(["build", "--locked", "--release", "-p", "twin-host"]))
    })
}
