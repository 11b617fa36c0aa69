//! `twin inspect`: what a component can touch, proven by its import list.

use std::path::PathBuf;

use clap::Args;
use twin_host::{
    function::FunctionName,
    runtime::{Sandbox, read_component},
};

/// What to inspect.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The component.
    file: PathBuf,
    /// The world to hold it against; by default the one that its file is named after.
    #[arg(long)]
    world: Option<FunctionName>,
}

/// Prints the imports in three groups. Fails if any is refused.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let world = match options.world {
        Some(world) => world,
        None => {
            let stem = options.file.file_stem().unwrap_or_default();
            stem.to_string_lossy()
                .parse()
                .map_err(|error| anyhow::anyhow!("{error}; name the world with --world"))?
        }
    };
    let (digest, imports) = read_component(&Sandbox::new()?, &options.file, world)?;
    println!(
        "{}\n  world   {world}\n  sha256  {digest}",
        options.file.display()
    );
    println!("\nCapabilities that its world grants:");
    for (name, words) in &imports.capabilities {
        println!("  {name:<46} {words}");
    }
    println!(
        "\nLinked to nothing (no folders, environment, arguments or network; std asks for them unused):"
    );
    for name in &imports.linked_to_nothing {
        println!("  {name}");
    }
    if imports.refused.is_empty() {
        println!("\nNothing else. This component can touch nothing but the above.");
        return Ok(());
    }
    println!("\nRefused:");
    for name in &imports.refused {
        println!("  {name}");
    }
    anyhow::bail!(
        "{} imports more than the world `{world}` grants",
        options.file.display()
    )
}
