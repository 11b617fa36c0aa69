//! `twin compile`: components compiled in advance, for hosts without a compiler.

use std::path::PathBuf;

use clap::Args;
use twin_host::{function::FunctionName, runtime::precompiled::Target};

/// What `--help` says below the options.
pub(super) const NOTES: &str = "\
Writes `FUNCTION.cwasm` for each function, and the manifest `precompiled.json`. Hosts that were built without the compiler run only \
these: copy the folder, and name it in TWIN_COMPONENTS_DIR. They refuse files of another version of twin, for other machines, or \
with another digest than the manifest's.";

/// What to compile.
#[derive(Debug, Args)]
#[cfg_attr(
    not(feature = "compile"),
    allow(dead_code, reason = "the options are the same in every build")
)]
pub(super) struct Options {
    /// The folder to write to.
    #[arg(long)]
    out: PathBuf,
    /// The machines that will run it; by default those of this one's kind.
    #[arg(long)]
    target: Option<Target>,
    /// The functions; by default all.
    #[arg(long, value_delimiter = ',')]
    functions: Vec<FunctionName>,
    /// The folder of components; by default `components` beside the executable or beside its folder.
    #[arg(long, env = "TWIN_COMPONENTS_DIR")]
    components: Option<PathBuf>,
}

/// Compiles, and prints a line for each file.
#[cfg(feature = "compile")]
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    use anyhow::Context;
    use twin_host::{config::components_of_executable, runtime::precompiled::compile};

    let target = options.target.or_else(Target::here).context(
        "this machine is of no kind that components are compiled for: name one with --target",
    )?;
    let functions = match options.functions.as_slice() {
        [] => &FunctionName::ALL[..],
        named => named,
    };
    let components = match &options.components {
        Some(components) => components,
        None => &components_of_executable(),
    };
    for compiled in compile(components, functions, target, &options.out)? {
        super::out::say!(
            "{:<14} {:>8} bytes for {target}  sha256 {} (of the component)",
            compiled.function,
            compiled.size,
            compiled.component
        )?;
    }
    Ok(())
}

/// Says which build can.
#[cfg(not(feature = "compile"))]
pub(super) fn run(_: &Options) -> anyhow::Result<()> {
    anyhow::bail!(
        "this build of twin has no compiler: run `twin compile` of a build of the same version that has the feature `compile`, \
         which is one of the defaults"
    )
}
