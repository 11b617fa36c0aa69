//! Writes at most one line of a kind in ten seconds: a repeated fault must neither fill the disk nor hide all other lines.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    time::{Duration, Instant},
};

use tracing::Level;

use super::line::Line;

/// The least time between two lines of one kind.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// The most kinds that are distinguished at once. Beyond them, each message is one kind, up to as many again. This bounds
/// the memory.
const MAX_KINDS: usize = 512;
/// The fields that define a kind, besides level and message: where, and why. Ids, traces and request ids never do.
const SUBJECT_AND_CAUSE: [&str; 13] = [
    "function",
    "peer",
    "source",
    "cause",
    "error",
    "failure",
    "status",
    "error_code",
    "kind",
    "setting",
    "name",
    "path",
    "location",
];

/// Decides which lines are written. Lines below `WARN` always are.
#[derive(Default)]
pub(super) struct Limiter {
    kinds: HashMap<u64, Window>,
    hasher: RandomState,
}

/// The ten seconds after a line.
struct Window {
    ends: Instant,
    /// Lines left out, and the last of them.
    left_out: u64,
    last: Option<Line>,
}

impl Limiter {
    /// The line, if it must be written now, with the number of lines of its kind that were left out before it. Otherwise it
    /// is counted, and kept as the last of its kind.
    pub(super) fn admit(&mut self, mut line: Line, now: Instant) -> Option<Line> {
        if line.level > Level::WARN {
            return Some(line);
        }
        let kind = self.kind(&line, now);
        let ends = now + WINDOW;
        let Some(window) = self.kinds.get_mut(&kind) else {
            let window = Window {
                ends,
                left_out: 0,
                last: None,
            };
            self.kinds.insert(kind, window);
            return Some(line);
        };
        if window.ends > now {
            window.left_out += 1;
            window.last = Some(line);
            return None;
        }
        line.repeated = std::mem::take(&mut window.left_out);
        window.last = None;
        window.ends = ends;
        Some(line)
    }

    /// For each kind whose ten seconds are over, the last of the lines that were left out. It represents all of them.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        self.kinds.retain(|_, window| {
            if window.ends > now {
                return true;
            }
            window.ends = now + WINDOW;
            let due = window.close();
            let was_due = due.is_some();
            lines.extend(due);
            was_due
        });
        lines
    }

    /// The same for all kinds, whether or not their time is over, because nothing will be written later.
    pub(super) fn rest(&mut self) -> Vec<Line> {
        let mut windows = std::mem::take(&mut self.kinds);
        windows.values_mut().filter_map(Window::close).collect()
    }

    fn kind(&mut self, line: &Line, now: Instant) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        line.level.as_str().hash(&mut hasher);
        line.text().hash(&mut hasher);
        for name in SUBJECT_AND_CAUSE {
            line.get(name).map(ToString::to_string).hash(&mut hasher);
        }
        let kind = hasher.finish();
        if self.kinds.contains_key(&kind) || self.kinds.len() < MAX_KINDS {
            return kind;
        }
        self.kinds
            .retain(|_, window| window.ends > now || window.left_out > 0);
        if self.kinds.len() < MAX_KINDS {
            return kind;
        }
        // A message with always new causes must not hide other messages: beyond the limit, each message is one kind.
        let message = self.hasher.hash_one((line.level.as_str(), line.text()));
        if self.kinds.contains_key(&message) || self.kinds.len() < 2 * MAX_KINDS {
            message
        } else {
            self.hasher.hash_one("all others")
        }
    }
}

impl Window {
    /// The last line that was left out, with the count of all of them.
    fn close(&mut self) -> Option<Line> {
        let mut line = self.last.take()?;
        line.repeated = std::mem::take(&mut self.left_out).saturating_sub(1);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str, fields: &[(&'static str, &str)]) -> Line {
        let mut line = Line::new(Level::WARN, "test");
        line.message(message);
        fields
            .iter()
            .for_each(|(name, value)| line.field(*name, *value));
        line
    }

    fn admit(limiter: &mut Limiter, line: Line, now: Instant) -> Option<u64> {
        limiter.admit(line, now).map(|line| line.repeated)
    }

    #[test]
    fn one_line_of_a_kind_in_ten_seconds_and_the_next_says_how_many_were_left_out() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        let of = |id| line("not stored", &[("cause", "full"), ("id", id)]);
        assert_eq!(admit(&mut limiter, of("1"), start), Some(0));
        for id in ["2", "3", "4"] {
            let later = start + WINDOW - Duration::from_millis(1);
            assert_eq!(admit(&mut limiter, of(id), later), None);
        }
        assert_eq!(admit(&mut limiter, of("5"), start + WINDOW), Some(3));
        assert_eq!(admit(&mut limiter, of("6"), start + WINDOW * 2), Some(0));
    }

    #[test]
    fn subject_and_cause_make_a_kind_and_ids_do_not() {
        let mut limiter = Limiter::default();
        let now = Instant::now();
        let first = [("peer", "writer"), ("cause", "HTTP 503")];
        assert_eq!(admit(&mut limiter, line("not sent", &first), now), Some(0));
        for other in [
            line("not stored", &first),
            line("not sent", &[("peer", "reader"), ("cause", "HTTP 503")]),
            line("not sent", &[("peer", "writer"), ("cause", "HTTP 429")]),
            line("not sent", &[("function", "writer"), ("cause", "HTTP 503")]),
        ] {
            assert_eq!(admit(&mut limiter, other, now), Some(0));
        }
        for name in ["id", "trace", "trace_id", "request_id", "jobs"] {
            let same = [first.as_slice(), &[(name, "another")]].concat();
            assert_eq!(admit(&mut limiter, line("not sent", &same), now), None);
        }
    }

    #[test]
    fn what_is_below_a_warning_is_always_written() {
        let mut limiter = Limiter::default();
        let now = Instant::now();
        for level in [Level::INFO, Level::DEBUG, Level::TRACE] {
            for _ in 0..3 {
                let line = Line::new(level, "test");
                assert_eq!(admit(&mut limiter, line, now), Some(0));
            }
        }
        assert!(limiter.rest().is_empty());
    }

    #[test]
    fn what_was_left_out_is_told_when_its_time_is_over_though_no_more_comes() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        for id in ["1", "2", "3"] {
            limiter.admit(line("not stored", &[("id", id)]), start);
        }
        assert!(
            limiter
                .due(start + WINDOW - Duration::from_millis(1))
                .is_empty()
        );
        let due = limiter.due(start + WINDOW);
        // The third line, which also represents the second.
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].get("id"), Some(&"3".into()));
        assert_eq!(due[0].repeated, 1);
        // That line was written, so the next ten seconds have begun.
        let next = start + WINDOW + Duration::from_secs(1);
        assert_eq!(admit(&mut limiter, line("not stored", &[]), next), None);
        assert_eq!(limiter.due(start + WINDOW * 2).len(), 1);
        assert!(limiter.due(start + WINDOW * 3).is_empty());
        assert!(limiter.kinds.is_empty());
    }

    #[test]
    fn at_the_end_all_that_was_left_out_is_told() {
        let mut limiter = Limiter::default();
        let now = Instant::now();
        for cause in ["one", "two", "one", "two", "two"] {
            limiter.admit(line("not stored", &[("cause", cause)]), now);
        }
        let mut told: Vec<_> = limiter.rest().iter().map(|line| line.repeated).collect();
        told.sort_unstable();
        assert_eq!(told, [0, 1]);
        assert!(limiter.rest().is_empty());
    }

    #[test]
    fn kinds_without_end_take_bounded_memory_and_write_bounded_lines() {
        let mut limiter = Limiter::default();
        let now = Instant::now();
        let written = (0..100_000)
            .filter(|number| {
                let cause = number.to_string();
                admit(&mut limiter, line("refused", &[("cause", &cause)]), now).is_some()
            })
            .count();
        assert_eq!(written, MAX_KINDS + 1);
        assert_eq!(limiter.kinds.len(), MAX_KINDS + 1);
        // They do not hide other messages.
        let other = || line("not stored", &[("cause", "disk full")]);
        assert_eq!(admit(&mut limiter, other(), now), Some(0));
        assert_eq!(admit(&mut limiter, other(), now), None);
        for number in 0..2_000 {
            let message = number.to_string();
            admit(&mut limiter, line(&message, &[]), now);
        }
        assert_eq!(limiter.kinds.len(), 2 * MAX_KINDS + 1);
        // Kinds that have been quiet are forgotten.
        let later = now + WINDOW;
        assert_eq!(admit(&mut limiter, line("new", &[]), later), Some(0));
        assert_eq!(admit(&mut limiter, line("new", &[]), later), None);
    }
}
