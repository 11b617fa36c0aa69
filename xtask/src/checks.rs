//! `cargo xtask test`: everything that must pass before a change is merged.

use std::process::Command;

use crate::{
    args::Tests,
    components, deny, emulators, guard,
    layout::Layout,
    postgres, process,
    selection::{FEATURES, PACKAGER, PROVIDERS, Selection},
    steps::Steps,
    wasmtime,
};

/// Lints unless only some tests are wanted, then tests.
pub(crate) fn run(layout: &Layout, steps: &mut Steps, what: &Tests) -> anyhow::Result<()> {
    let only = what.only.as_deref();
    let selection = Selection::with(what.clouds);
    if only.is_none() {
        lint(layout, steps, selection)?;
    }
    steps.check("wasmtime for the tests", || wasmtime::install(layout))?;
    steps.check("PostgreSQL for the tests", postgres::install)?;
    let emulators = match selection {
        Selection::Default => emulators::Running::default(),
        Selection::WithClouds => emulators::start(layout, steps)?,
    };
    let runner = Runner::find(layout);
    steps.run("tests", || {
        let mut cargo = tests(layout, runner, selection);
        cargo.envs(
            emulators
                .variables
                .iter()
                .map(|(name, value)| (name, value)),
        );
        process::run(cargo.args(only))
    })?;
    drop(emulators);
    if only.is_none() {
        steps.run("the functions' tests, as native code", || {
            let mut cargo = tests(layout, runner, selection);
            cargo.env("TWIN_STAGE", "native");
            // After `--`, both runners accept the same arguments.
            cargo.args(["--test", "simulation", "--"]);
            for module in ABOUT_COMPONENTS {
                cargo.args(["--skip", module]);
            }
            process::run(&mut cargo)
        })?;
        steps.run("tests of what makes packages", || {
            let mut cargo = layout.cargo();
            process::run(cargo.args(["test", "--locked", "--release", "-p", PACKAGER]))
        })?;
        steps.run("examples", || examples(layout, runner, selection))?;
        steps.check("instructions of the hot path", || guard::run(layout, false))?;
    }
    Ok(())
}

/// What runs the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runner {
    /// Each test in a process of its own.
    Nextest,
    /// Cargo's own.
    Cargo,
}

impl Runner {
    fn find(layout: &Layout) -> Self {
        if process::read(layout.cargo().args(["nextest", "--version"])).is_ok() {
            Self::Nextest
        } else {
            Self::Cargo
        }
    }
}

/// Runs tests, which load the components just built.
fn tests(layout: &Layout, runner: Runner, selection: Selection) -> Command {
    let mut cargo = testing(layout);
    match runner {
        Runner::Nextest => cargo.args(["nextest", "run"]),
        Runner::Cargo => cargo.arg("test"),
    };
    cargo.args(["--locked", "--release", "--no-fail-fast"]);
    selection.select(&mut cargo);
    cargo
}

/// Cargo with the paths of the components just built.
fn testing(layout: &Layout) -> Command {
    let mut cargo = layout.cargo();
    layout
        .point_at_components(&mut cargo)
        .env("TWIN_TEST_COMPONENTS_DIR", layout.test_components())
        .env("TWIN_TEST_PACKAGES_DIR", layout.test_packages());
    cargo
}

fn examples(layout: &Layout, runner: Runner, selection: Selection) -> anyhow::Result<()> {
    const EXAMPLE: &str = "embed";
    // `cargo run` accepts no selection of packages.
    let mut cargo = layout.cargo();
    cargo.args(["build", "--locked", "--release", "--example", EXAMPLE]);
    process::run(selection.select(&mut cargo))?;
    let built = layout.target.join("release/examples").join(EXAMPLE);
    process::run(&mut Command::new(built))?;
    // `cargo test` has already run the documentation's examples; nextest cannot run them.
    if runner == Runner::Nextest {
        let mut cargo = testing(layout);
        cargo.args(["test", "--doc", "--locked", "--release"]);
        process::run(selection.select(&mut cargo))?;
    }
    Ok(())
}

/// The modules of the simulation whose cases are about components: instances, traps, imports.
const ABOUT_COMPONENTS: [&str; 6] = [
    "inspect::",
    "lanes::",
    "misbehaviour::",
    "precompiled::",
    "readiness::",
    "runtime::",
];

fn lint(layout: &Layout, steps: &mut Steps, selection: Selection) -> anyhow::Result<()> {
    steps.run("formatting", || {
        process::run(layout.cargo().args(["fmt", "--all", "--check"]))
    })?;
    // Several runs, because each would enable features of the others' dependencies.
    steps.run("lints", || {
        let mut clippy = clippy(layout);
        clippy.arg("--workspace");
        for package in wasm_packages() {
            clippy.args(["--exclude", &package]);
        }
        for package in PROVIDERS {
            clippy.args(["--exclude", package]);
        }
        process::run(clippy.args(DENY))
    })?;
    if selection == Selection::WithClouds {
        steps.run("lints of what knows the clouds", || {
            let mut clippy = clippy(layout);
            clippy.args(["-p", "twin-host", "--features", FEATURES]);
            for package in PROVIDERS {
                clippy.args(["-p", package]);
            }
            process::run(clippy.args(DENY))
        })?;
    }
    steps.run("lints of the components", || {
        // For the native target: the bindings have stubs there, and no linter for wasm is needed.
        let mut clippy = clippy(layout);
        for package in wasm_packages() {
            clippy.args(["-p", &package]);
        }
        process::run(clippy.args(DENY))
    })?;
    steps.run("documentation", || {
        let mut cargo = layout.cargo();
        cargo.env("RUSTDOCFLAGS", "-Dwarnings");
        cargo.args(["doc", "--locked", "--release", "--no-deps"]);
        cargo.arg("--document-private-items");
        process::run(selection.select(&mut cargo))
    })?;
    steps.check("licences, bans and sources of the dependencies", || {
        deny::run(layout)
    })
}

/// The packages that become components, or parts of components.
fn wasm_packages() -> impl Iterator<Item = String> {
    let others = [
        "guest",
        "adapter",
        "adapter-spin",
        "adapter-wasi",
        components::ROGUE,
    ];
    let names = others.into_iter().chain(components::NAMES);
    names.map(|name| format!("twin-{name}"))
}

const DENY: [&str; 3] = ["--", "-D", "warnings"];

fn clippy(layout: &Layout) -> Command {
    let mut cargo = layout.cargo();
    cargo.args(["clippy", "--locked", "--release", "--all-targets"]);
    cargo
}
