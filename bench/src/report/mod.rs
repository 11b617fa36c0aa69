//! The results: in docs/performance.md between two marks, beside it a plot, and on the terminal the targets that were
//! missed.

mod markdown;
mod plot;
mod targets;

use std::{fs, path::Path, process::Command, time::Instant};

use anyhow::Context;

use crate::measure::{
    Spread,
    calls::Calls,
    matrix::{Arrivals, Cell},
    memory::Waiting,
    start::Starts,
    store::Durable,
    traces::Traces,
};

pub(crate) use markdown::traces;

const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// Everything that was measured in one run.
pub(crate) struct Results {
    started: Instant,
    machine: String,
    load: (String, String),
    took_s: f64,
    pub(crate) fsync_us: Spread,
    pub(crate) starts: Option<Starts>,
    pub(crate) durable: Option<Durable>,
    pub(crate) calls: Option<Calls>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) arrivals: Vec<Arrivals>,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) traces: Option<Traces>,
    /// The version of the stock runtime, or why there was none.
    pub(crate) stock: String,
}

impl Results {
    pub(crate) fn begin() -> anyhow::Result<Self> {
        Ok(Self {
            started: Instant::now(),
            machine: machine()?,
            load: (load(), String::new()),
            took_s: 0.0,
            fsync_us: Spread::default(),
            starts: None,
            durable: None,
            calls: None,
            cells: Vec::new(),
            arrivals: Vec::new(),
            waiting: Vec::new(),
            traces: None,
            stock: String::new(),
        })
    }

    pub(crate) fn end(&mut self) {
        self.load.1 = load();
        self.took_s = self.started.elapsed().as_secs_f64();
    }
}

/// Prints the targets, and writes the page unless the run was a quick one.
pub(crate) fn show(results: &Results, root: &Path, quick: bool) -> anyhow::Result<()> {
    let text = markdown::page(results);
    if quick {
        println!("\n{text}");
        return Ok(());
    }
    println!("\n{}", markdown::targets(results));
    let page = root.join("docs/performance.md");
    let before = fs::read_to_string(&page).with_context(|| format!("{}", page.display()))?;
    let (head, rest) = before
        .split_once(BEGIN)
        .context("the page lost its first mark")?;
    let (_, tail) = rest
        .split_once(END)
        .context("the page lost its second mark")?;
    fs::write(&page, format!("{head}{BEGIN}\n\n{text}\n{END}{tail}"))?;
    fs::write(root.join("docs/performance.svg"), plot::svg(&results.cells))?;
    println!("written: docs/performance.md and docs/performance.svg");
    Ok(())
}

fn machine() -> anyhow::Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let gib = memory
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        })
        .unwrap_or(0)
        >> 20;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    // The text after the version is specific to the distribution.
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output()?;
    Ok(format!(
        "{model}, {cores} cores, {gib} GiB, Linux {}, {}",
        kernel,
        String::from_utf8_lossy(&date.stdout).trim()
    ))
}

/// The load average of the last minute.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
