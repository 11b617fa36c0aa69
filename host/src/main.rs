//! The `twin` command.

// `println!` panics when the output is closed; use `cli::out` instead.
#![warn(clippy::print_stdout)]

mod cli;

use std::{env, process::ExitCode};

use clap::Parser;

/// A call into a component makes many small allocations on both sides of the boundary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse_from(cli::arguments(env::args_os())))
}
