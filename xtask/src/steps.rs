//! The headings of a run, the time of each part, and what was skipped.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

/// The outcome of a step that needs an optional program.
#[derive(Debug)]
pub(crate) enum Check {
    /// It ran, and passed.
    Done,
    /// It did not run, for this reason.
    Skipped(String),
}

/// How a step ended.
#[derive(Debug)]
enum End {
    Passed,
    Failed,
    Skipped(String),
}

/// The steps done so far, in order.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(Cow<'static, str>, Duration, End)>,
}

impl Steps {
    /// Prints the heading, does the work and remembers its time.
    pub(crate) fn run<T>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let name = name.into();
        println!("== {name}");
        let start = Instant::now();
        let outcome = work();
        let end = if outcome.is_ok() {
            End::Passed
        } else {
            End::Failed
        };
        self.done.push((name, start.elapsed(), end));
        outcome
    }

    /// Like `run`, for a step that is skipped if a program is missing; the summary names and counts it.
    pub(crate) fn check(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> anyhow::Result<Check>,
    ) -> anyhow::Result<()> {
        let check = self.run(name, work)?;
        if let (Check::Skipped(why), Some((_, _, end))) = (check, self.done.last_mut()) {
            println!("skipped: {name}: {why}");
            *end = End::Skipped(why);
        }
        Ok(())
    }

    /// Prints one line per step, and how many were skipped.
    pub(crate) fn summary(&self) {
        println!("== times");
        for (name, time, end) in &self.done {
            let mark = match end {
                End::Passed => String::new(),
                End::Failed => "  FAILED".to_owned(),
                End::Skipped(why) => format!("  SKIPPED: {why}"),
            };
            println!("{:>7.1} s  {name}{mark}", time.as_secs_f64());
        }
        let skipped = self
            .done
            .iter()
            .filter(|(_, _, end)| matches!(end, End::Skipped(_)))
            .count();
        println!("{skipped} of {} steps skipped", self.done.len());
    }
}
