//! `cargo xtask guard`: compares the instructions of the hot path with a committed baseline.
//!
//! Callgrind counts them. It needs no hardware counters, and gives the same number on a busy machine. It counts the plain
//! crates, because a runtime that reserves hundreds of gigabytes of address space does not run under it.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context, bail};

use crate::{layout::Layout, process, steps::Check};

/// The messages that are counted: one of 0.2 KiB, one of 6 KiB, and one of 5,000 fields.
const WHAT: [&str; 3] = ["small", "large", "wide"];
/// More than this percentage above the baseline is a failure.
const SLACK: u64 = 10;
const ROUNDS: u64 = 200;

/// Counts, and compares with the baseline or writes a new one.
pub(crate) fn run(layout: &Layout, write: bool) -> anyhow::Result<Check> {
    if !process::starts("valgrind") {
        return Ok(Check::Skipped("valgrind is not installed".to_owned()));
    }
    let mut cargo = layout.cargo();
    process::run(cargo.args([
        "build",
        "--locked",
        "--profile",
        "guard",
        "-p",
        "twin-guard",
    ]))?;
    let file = layout.root.join("bench/guard/baseline.txt");
    let text = fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
    let mut written: String = text.lines().filter(|line| line.starts_with('#')).collect();
    let mut grown = Vec::new();
    for what in WHAT {
        let count = count(&layout.built_with("guard", "twin-guard"), what)?;
        let _ = write!(written, "\n{what} {count}");
        let Some(before) = baseline(&text, what) else {
            println!("{what}: {count} instructions, no baseline yet");
            continue;
        };
        println!("{what}: {count} instructions, baseline {before}");
        if count > before + before * SLACK / 100 {
            grown.push(what);
        }
    }
    if write {
        fs::write(&file, written + "\n").context("cannot write the baseline")?;
        return Ok(Check::Done);
    }
    if !grown.is_empty() {
        bail!(
            "the hot path has grown by more than {SLACK} % ({}): make it shorter, or say why in the commit that does \
             `cargo xtask guard --write`",
            grown.join(", ")
        );
    }
    Ok(Check::Done)
}

fn baseline(text: &str, what: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == what)?.1.parse().ok()
}

/// The instructions of one round.
fn count(program: &Path, what: &str) -> anyhow::Result<u64> {
    let (some, more) = (
        collected(program, what, ROUNDS)?,
        collected(program, what, 2 * ROUNDS)?,
    );
    Ok(more.saturating_sub(some) / ROUNDS)
}

fn collected(program: &Path, what: &str, rounds: u64) -> anyhow::Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let output = valgrind
        .arg(program)
        .args([what, &rounds.to_string()])
        .output()
        .context("cannot start valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    count.with_context(|| format!("valgrind gave no count: {said}"))
}
