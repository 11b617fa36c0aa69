//! Compares the host with the same functions as native code. `cargo xtask bench` runs it; see docs/performance.md.

mod load;
mod measure;
mod peer;
mod places;
mod plain;
mod plan;
mod process;
mod report;
mod serve;
mod stock;

use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::measure::store::Durable;

/// The allocator of `twin`, used for everything that is measured here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Twin2MultiCloud.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measure everything and write docs/performance.md.
    Run {
        /// Less than a minute, and nothing is written.
        #[arg(long)]
        quick: bool,
    },
    /// Measure one cell.
    One(measure::one::One),
    /// Measure the memory of deliveries that wait.
    Waiting {
        /// How many wait at once.
        #[arg(default_value_t = 10_000)]
        deliveries: u64,
    },
    /// Measure durable records straight into each provider.
    Stores {
        /// How often.
        #[arg(default_value_t = 5)]
        rounds: usize,
    },
    /// Measure what traces cost.
    Traces,
    /// Be a server under test.
    Serve(serve::Serve),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Task::Run { quick } => run(quick),
        Task::One(one) => measure::one::run(&one),
        Task::Waiting { deliveries } => measure::memory::waiting(&[deliveries]).map(drop),
        Task::Stores { rounds } => {
            stores(rounds, Duration::from_secs(2)).map(|durable| println!("{durable}"))
        }
        Task::Traces => {
            let traces = measure::traces::traces(&plan::Plan::whole())?;
            print!("{}", report::traces(&traces));
            Ok(())
        }
        Task::Serve(serve) => serve::run(&serve),
    }
}

fn stores(rounds: usize, time: Duration) -> anyhow::Result<Durable> {
    let folder = tempfile::tempdir_in(places::Places::find()?.target())?;
    Durable::measure(folder.path(), rounds, time, plan::MAIN.0)
}

fn run(quick: bool) -> anyhow::Result<()> {
    let plan = if quick {
        plan::Plan::quick()
    } else {
        plan::Plan::whole()
    };
    let places = places::Places::find()?;
    let mut results = report::Results::begin()?;
    results.stock = match stock::Stock::find()? {
        Ok(stock) => stock.version()?,
        Err(missing) => missing,
    };
    results.fsync_us = measure::raw::fsync_us(tempfile::tempdir_in(places.target())?.path())?;
    results.durable = Some(stores(plan.main.0, plan.main.1)?);
    results.starts = Some(measure::start::starts(&plan)?);
    results.calls = Some(measure::calls::calls(&plan)?);
    results.waiting = measure::memory::waiting(plan.waiting)?;
    for route in plan::ROUTES {
        results.cells.extend(measure::matrix::closed(&plan, route)?);
        results
            .arrivals
            .extend(measure::matrix::open(&plan, route)?);
    }
    results.traces = Some(measure::traces::traces(&plan)?);
    results.end();
    report::show(&results, &places.root, quick)
}
