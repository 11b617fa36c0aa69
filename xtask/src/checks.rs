//! `cargo xtask test`: everything that must pass before a change is merged.

use std::process::Command;

use crate::{
    args::Tests, components, deny, emulators, guard, layout::Layout, postgres, process,
    steps::Steps, wasmtime,
};

/// Lints unless only some tests are wanted, then tests.
pub(crate) fn run(layout: &Layout, steps: &mut Steps, what: &Tests) -> anyhow::Result<()> {
    let only = what.only.as_deref();
    if only.is_none() {
        lint(layout, steps, what.clouds)?;
    }
    steps.check("wasmtime for the tests", || wasmtime::install(layout))?;
    steps.check("PostgreSQL for the tests", postgres::install)?;
    let nextest = process::read(layout.cargo().args(["nextest", "--version"])).is_ok();
    let runner: &[&str] = if nextest {
        &["nextest", "run"]
    } else {
        &["test"]
    };
    steps.run("tests", || {
        let mut cargo = tests(layout);
        process::run(
            cargo
                .args(runner)
                .args(["--locked", "--release"])
                .args(only),
        )
    })?;
    if what.clouds {
        clouds(layout, steps, runner, only)?;
    }
    if only.is_none() {
        steps.run("the functions' tests, as native code", || {
            let mut cargo = tests(layout);
            cargo.env("TWIN_STAGE", "native").args(runner);
            cargo.args(["--locked", "--release", "--test", "simulation"]);
            // After `--`, both runners accept the same arguments.
            cargo.arg("--");
            for module in ABOUT_COMPONENTS {
                cargo.args(["--skip", module]);
            }
            process::run(&mut cargo)
        })?;
    }
    if only.is_none() {
        steps.run("examples", || examples(layout, nextest))?;
    }
    if only.is_none() {
        steps.check("instructions of the hot path", || guard::run(layout, false))?;
    }
    Ok(())
}

/// The providers of the clouds: they need no component, and share no build with the rest.
const CLOUDS: [&str; 3] = ["twin-aws", "twin-azure", "twin-gcp"];

fn clouds(
    layout: &Layout,
    steps: &mut Steps,
    runner: &[&str],
    only: Option<&str>,
) -> anyhow::Result<()> {
    let running = emulators::start(layout, steps)?;
    steps.run("providers of the clouds", || {
        let mut cargo = layout.cargo();
        cargo.args(runner).args(["--locked", "--release"]);
        for package in CLOUDS {
            cargo.args(["-p", package]);
        }
        cargo.envs(running.variables.iter().map(|(name, value)| (name, value)));
        // A name may be that of a test elsewhere.
        if runner.contains(&"nextest") {
            cargo.args(["--no-tests", "pass"]);
        }
        process::run(cargo.args(only))
    })
}

fn examples(layout: &Layout, nextest: bool) -> anyhow::Result<()> {
    let mut cargo = layout.cargo();
    process::run(cargo.args(["run", "--locked", "--release", "--example", "embed"]))?;
    // `cargo test` has already run the documentation's examples; nextest cannot run them.
    if nextest {
        let mut cargo = tests(layout);
        process::run(cargo.args(["test", "--doc", "--locked", "--release"]))?;
    }
    Ok(())
}

/// The modules of the simulation whose cases are about components: instances, traps, imports.
const ABOUT_COMPONENTS: [&str; 5] = [
    "inspect::",
    "lanes::",
    "misbehaviour::",
    "readiness::",
    "runtime::",
];

fn lint(layout: &Layout, steps: &mut Steps, clouds: bool) -> anyhow::Result<()> {
    steps.run("formatting", || {
        process::run(layout.cargo().args(["fmt", "--all", "--check"]))
    })?;
    // Two runs, because each would enable features of the other's dependencies. The first has everything that depends on
    // wasmtime, so that wasmtime is checked only once.
    steps.run("lints", || {
        let mut clippy = clippy(layout);
        clippy.arg("--workspace");
        for package in wasm_packages() {
            clippy.args(["--exclude", &package]);
        }
        if !clouds {
            for package in CLOUDS {
                clippy.args(["--exclude", package]);
            }
        }
        process::run(clippy.args(DENY))
    })?;
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
        process::run(cargo.arg("--document-private-items"))
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

/// Cargo for running tests, which load the components just built.
fn tests(layout: &Layout) -> Command {
    let mut cargo = layout.cargo();
    layout
        .point_at_components(&mut cargo)
        .env("TWIN_TEST_COMPONENTS_DIR", layout.test_components());
    cargo
}
