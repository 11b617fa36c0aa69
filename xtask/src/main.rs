//! The project's own tooling: `cargo xtask build|package|demo|test|generate|bench|guard`.

mod args;
mod bench;
mod checks;
mod components;
mod compose;
mod debian;
mod demo;
mod deny;
#[cfg(test)]
mod dependencies;
mod emulators;
mod generate;
mod guard;
mod layout;
mod package;
mod postgres;
mod progress;
#[cfg(test)]
mod rules;
mod selection;
mod steps;
mod strip;
mod toolchain;
mod wasmtime;

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

use twin_process as process;

use crate::{
    args::{Form, HELP, Package, Task, Tests},
    layout::Layout,
    selection::Selection,
    steps::Steps,
    toolchain::Toolchain,
};

/// The profile of what is built for tests and the demo.
const BUILT: &str = "release";
/// The profile of what is shipped.
const SHIPPED: &str = "dist";

fn main() -> ExitCode {
    match args::parse(env::args_os().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If even stderr is gone, the exit code still reports the failure.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let layout = Layout::find()?;
    let mut steps = Steps::default();
    match task {
        Task::Help => {
            print!("{HELP}");
            Ok(())
        }
        Task::Build(build) => {
            let toolchain = functions(&layout, &mut steps)?;
            adapters(&layout, &mut steps, &toolchain)?;
            if build.wasi {
                composed(&layout, &mut steps)?;
            }
            if build.components_only {
                return Ok(());
            }
            if build.dist {
                shipped(&layout, &mut steps, build.features.as_deref(), build.lean)
            } else {
                command(&layout, &mut steps, Selection::Default)
            }
        }
        Task::Package(what) => {
            functions(&layout, &mut steps)?;
            command(&layout, &mut steps, Selection::Default)?;
            package::run(&layout, &mut steps, &what)
        }
        Task::Demo(args) => {
            demo::announce(&layout);
            functions(&layout, &mut steps)?;
            command(&layout, &mut steps, Selection::Default)?;
            demo::run(&layout, &args)
        }
        Task::DemoOfClouds => {
            demo::announce(&layout);
            functions(&layout, &mut steps)?;
            command(&layout, &mut steps, Selection::WithClouds)?;
            demo::run_over_clouds(&layout, &mut steps)
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
        Task::Test(tests) => {
            let outcome = test(&layout, &mut steps, &tests);
            steps.summary();
            outcome
        }
    }
}

/// Everything is built before anything is tested.
fn test(layout: &Layout, steps: &mut Steps, tests: &Tests) -> anyhow::Result<()> {
    let toolchain = functions(layout, steps)?;
    adapters(layout, steps, &toolchain)?;
    composed(layout, steps)?;
    steps.run("the component that misbehaves", || {
        components::build_rogue(layout, &toolchain)
    })?;
    steps.run("the cost optimizer as wasm", || {
        components::build_cost(layout, &toolchain)
    })?;
    command(layout, steps, Selection::with(tests.clouds))?;
    if tests.clouds && tests.only.is_none() {
        for form in Form::OF_CLOUDS {
            package::run(layout, steps, &Package::for_tests(form))?;
        }
    }
    checks::run(layout, steps, tests)
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

/// The command for tests and the demo, with all that they need of it.
fn command(layout: &Layout, steps: &mut Steps, selection: Selection) -> anyhow::Result<()> {
    steps.run("the twin command", || {
        let mut cargo = layout.cargo();
        cargo.args(["build", "--locked", "--profile", BUILT]);
        cargo.args(["--bin", "twin"]);
        progress::show(selection.select(&mut cargo))
    })
}

/// The command for deployment. It has only its own features.
fn shipped(
    layout: &Layout,
    steps: &mut Steps,
    features: Option<&str>,
    lean: bool,
) -> anyhow::Result<()> {
    steps.run("the twin command", || {
        let mut cargo = layout.cargo();
        cargo.args(["build", "--locked", "--profile", SHIPPED]);
        cargo.args(["-p", "twin-host"]);
        if lean {
            cargo.arg("--no-default-features");
        }
        if let Some(features) = features {
            cargo.args(["--features", features]);
        }
        progress::show(&mut cargo)
    })
}
