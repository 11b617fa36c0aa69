//! The project's own tooling: `cargo xtask build|demo|test|generate|bench|guard`.

mod bench;
mod checks;
mod components;
mod compose;
mod debian;
mod demo;
mod deny;
#[cfg(test)]
mod dependencies;
mod generate;
mod guard;
mod layout;
mod postgres;
#[cfg(test)]
mod rules;
mod steps;
mod strip;
mod toolchain;
mod wasmtime;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use twin_process as process;

use crate::{layout::Layout, steps::Steps, toolchain::Toolchain};

/// Builds, demonstrates, tests and measures Twin2MultiCloud.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

/// What this program can do.
#[derive(Debug, Subcommand)]
enum Task {
    /// Build the five function components and the `twin` command.
    Build {
        /// Build the function components and leave the native command alone.
        #[arg(long)]
        components_only: bool,
        /// Build the command for deployment, into target/dist: about 10 % faster, but it takes several minutes longer to build.
        #[arg(long, conflicts_with = "components_only")]
        dist: bool,
        /// Cargo features of the command for deployment, separated by commas: `postgres` adds the store of that name. Without
        /// --dist the command has all of them, because the tests need them.
        #[arg(long, value_name = "FEATURES", requires = "dist")]
        features: Option<String>,
        /// Also compose each function with the WASI adapter, into target/wasi.
        #[arg(long)]
        wasi: bool,
    },
    /// Build, then run `twin demo`.
    Demo {
        /// Passed to `twin demo` unchanged.
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
        /// Takes about a minute, and writes nothing.
        #[arg(long)]
        quick: bool,
    },
    /// Write what is generated from the tables in the code: docs/api.md, docs/openapi.json, docs/configuration.md and the
    /// variables in the manifests for Spin.
    Generate,
    /// Count the instructions of the hot path and compare them with the committed baseline.
    Guard {
        /// Write a new baseline.
        #[arg(long)]
        write: bool,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If even stderr is gone, the exit code still reports the failure.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let layout = Layout::find()?;
    let mut steps = Steps::default();
    match cli.command {
        Task::Build {
            components_only,
            dist,
            features,
            wasi,
        } => {
            let toolchain = functions(&layout, &mut steps)?;
            adapters(&layout, &mut steps, &toolchain)?;
            if wasi {
                composed(&layout, &mut steps)?;
            }
            if components_only {
                return Ok(());
            }
            let profile = if dist { "dist" } else { "release" };
            command(&layout, &mut steps, profile, features.as_deref())
        }
        Task::Demo { args } => {
            functions(&layout, &mut steps)?;
            command(&layout, &mut steps, "release", None)?;
            demo::run(&layout, &args)
        }
        Task::Bench { quick } => {
            let toolchain = functions(&layout, &mut steps)?;
            adapters(&layout, &mut steps, &toolchain)?;
            composed(&layout, &mut steps)?;
            steps.check("wasmtime to compare with", || wasmtime::install(&layout))?;
            bench::run(&layout, quick)
        }
        Task::Generate => generate::run(&layout),
        Task::Guard { write } => steps.check("instructions of the hot path", || {
            guard::run(&layout, write)
        }),
        Task::Test { only } => {
            let outcome = test(&layout, &mut steps, only.as_deref());
            steps.summary();
            outcome
        }
    }
}

/// Everything is built before anything is tested.
fn test(layout: &Layout, steps: &mut Steps, only: Option<&str>) -> anyhow::Result<()> {
    let toolchain = functions(layout, steps)?;
    adapters(layout, steps, &toolchain)?;
    composed(layout, steps)?;
    steps.run("the component that misbehaves", || {
        components::build_rogue(layout, &toolchain)
    })?;
    command(layout, steps, "release", None)?;
    checks::run(layout, steps, only)
}

fn functions(layout: &Layout, steps: &mut Steps) -> anyhow::Result<Toolchain> {
    let toolchain = steps.run("wasm toolchain", || toolchain::find(layout))?;
    steps.run("function components", || {
        components::build(layout, &toolchain)
    })?;
    Ok(toolchain)
}

fn adapters(layout: &Layout, steps: &mut Steps, toolchain: &Toolchain) -> anyhow::Result<()> {
    steps.run("adapters", || components::build_adapters(layout, toolchain))
}

fn composed(layout: &Layout, steps: &mut Steps) -> anyhow::Result<()> {
    steps.run("functions for any WASI 0.3 runtime", || {
        compose::build(layout)
    })
}

fn command(
    layout: &Layout,
    steps: &mut Steps,
    profile: &str,
    features: Option<&str>,
) -> anyhow::Result<()> {
    steps.run("the twin command", || {
        let mut cargo = layout.cargo();
        cargo.args(["build", "--locked", "--profile", profile]);
        // A dependency's features are those that the selected packages ask for. What is shipped has those of the command alone;
        // otherwise the command has the tests' features as well, so that they need not build everything again.
        cargo.args(match profile {
            "dist" => ["-p", "twin-host"],
            _ => ["--bin", "twin"],
        });
        if let Some(features) = features {
            cargo.args(["--features", features]);
        }
        process::run(&mut cargo)
    })
}
