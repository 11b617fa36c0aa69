//! The headings of a run, and how long each part took.

use std::time::{Duration, Instant};

/// The steps done so far, in order.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration, bool)>,
}

impl Steps {
    /// Prints the heading, does the work and remembers its time.
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        println!("== {name}");
        let start = Instant::now();
        let outcome = work();
        self.done.push((name, start.elapsed(), outcome.is_ok()));
        outcome
    }

    /// Prints one line per step.
    pub(crate) fn summary(&self) {
        println!("== times");
        for (name, time, good) in &self.done {
            let mark = if *good { "" } else { "  FAILED" };
            println!("{:>7.1} s  {name}{mark}", time.as_secs_f64());
        }
    }
}
