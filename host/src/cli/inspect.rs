//! `twin inspect`: what a component can reach, proven by its import list.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use twin_host::{
    function::FunctionName,
    runtime::{precompiled, read_component},
};

use super::{
    composed::{Composed, Source},
    out::say,
};

/// What to inspect.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The component, or what `twin compile` made of it, with its manifest beside it.
    file: PathBuf,
    /// The world to compare it with; by default the one that its file is named after.
    #[arg(long)]
    world: Option<FunctionName>,
}

/// Prints the imports in three groups. Fails if any is refused.
///
/// For a file composed by `cargo xtask build --wasi`, it prints where each of the function's imports comes from, and fails
/// if any of them should not come from there. For a precompiled component, the digest is that of the component that it was
/// made of, and the imports are those of the machine code.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let extension = options.file.extension();
    if extension.is_some_and(|extension| extension == precompiled::EXTENSION) {
        return plain(options);
    }
    let name = options.file.display();
    let bytes = std::fs::read(&options.file).with_context(|| format!("{name} cannot be read"))?;
    let composed = Composed::read(&bytes).with_context(|| format!("{name} is not a component"))?;
    match composed {
        Some(composed) => show(options, &composed),
        None => plain(options),
    }
}

fn show(options: &Options, composed: &Composed) -> anyhow::Result<()> {
    let name = options.file.display();
    say!("{name}\n  a function composed with the components that answer its imports")?;
    say!("  sha256  {} (of the function inside)", composed.digest)?;
    say!("\nIts imports, and where they come from:")?;
    for (import, source) in &composed.imports {
        let source = match source {
            Source::Runtime => "the runtime",
            Source::Nothing => "a component that imports nothing",
            Source::Component(digest) => {
                &format!("component {}", digest.get(..16).unwrap_or_default())
            }
        };
        say!("  {import:<46} {source}")?;
    }
    let unguarded = composed.unguarded();
    if unguarded.is_empty() {
        say!("\nIt gets no environment, files or network from the runtime.")?;
        return Ok(());
    }
    anyhow::bail!(
        "the function in {name} gets {} from the runtime",
        unguarded.join(", ")
    )
}

fn plain(options: &Options) -> anyhow::Result<()> {
    let world = match options.world {
        Some(world) => world,
        None => {
            let stem = options.file.file_stem().unwrap_or_default();
            stem.to_string_lossy()
                .parse()
                .map_err(|error| anyhow::anyhow!("{error}; name the world with --world"))?
        }
    };
    let (digest, imports) = read_component(&options.file, world)?;
    say!(
        "{}\n  world   {world}\n  sha256  {digest}",
        options.file.display()
    )?;
    say!("\nCapabilities that its world grants:")?;
    for (name, words) in &imports.capabilities {
        say!("  {name:<46} {words}")?;
    }
    say!(
        "\nStubbed out (std imports these but never uses them; no folders, environment, arguments or network):"
    )?;
    for name in &imports.linked_to_nothing {
        say!("  {name}")?;
    }
    if imports.refused.is_empty() {
        say!("\nNothing else. This component can reach only the above.")?;
        return Ok(());
    }
    say!("\nRefused:")?;
    for name in &imports.refused {
        say!("  {name}")?;
    }
    anyhow::bail!(
        "{} imports more than the world `{world}` grants",
        options.file.display()
    )
}
