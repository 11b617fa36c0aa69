//! One line that shows what cargo is building, and its progress.
//!
//! Cargo shows its progress only on a terminal, below a line for each crate. Here it is told to show it always, and its
//! output is read. On a terminal it becomes one line that changes; otherwise a line is printed from time to time. Warnings
//! and errors are passed on unchanged.

use std::{
    io::{self, IsTerminal, Read, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// The time between two lines without a terminal.
const PAUSE: Duration = Duration::from_secs(20);
/// The assumed width of a terminal.
const WIDTH: usize = 79;
/// The first words of cargo's status lines, except those at the end.
const STATUS: [&str; 13] = [
    "Adding",
    "Blocking",
    "Building",
    "Checking",
    "Compiling",
    "Downloaded",
    "Downloading",
    "Fetch",
    "Finished",
    "Fresh",
    "Installing",
    "Locking",
    "Updating",
];

/// Runs a cargo command that builds, and shows its progress.
pub(crate) fn show(cargo: &mut Command) -> anyhow::Result<()> {
    let terminal = io::stderr().is_terminal();
    cargo
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "160")
        .env(
            "CARGO_TERM_COLOR",
            if terminal { "always" } else { "never" },
        )
        .stderr(Stdio::piped());
    let mut child = cargo.spawn().context("cannot start cargo")?;
    let mut display = Display::new(terminal);
    if let Some(stderr) = child.stderr.take() {
        follow(stderr, &mut display).context("cannot read what cargo says")?;
    }
    display.end();
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!("cargo failed ({status})");
    }
    Ok(())
}

/// Reads to the end: lines, and progress that ends with a carriage return.
fn follow(mut from: impl Read, display: &mut Display) -> io::Result<()> {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = from.read(&mut piece)?;
        text.extend_from_slice(piece.get(..count).unwrap_or_default());
        while let Some(end) = text.iter().position(|byte| b"\r\n".contains(byte)) {
            let line: Vec<_> = text.drain(..=end).collect();
            display.take(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
        }
        if count == 0 {
            display.take(&String::from_utf8_lossy(&text));
            return Ok(());
        }
    }
}

/// The state of the display.
struct Display {
    terminal: bool,
    start: Instant,
    /// When a line was last printed without a terminal.
    printed: Instant,
    /// Whether the terminal shows a line that must be removed.
    drawn: bool,
}

impl Display {
    fn new(terminal: bool) -> Self {
        let now = Instant::now();
        Self {
            terminal,
            start: now,
            printed: now,
            drawn: false,
        }
    }

    fn take(&mut self, line: &str) {
        match Said::by_cargo(&without_colours(line)) {
            Said::Nothing => {}
            Said::Status(status) => self.show(&status),
            Said::Other => {
                self.clear();
                write(&format!("{line}\n"));
            }
        }
    }

    fn show(&mut self, status: &str) {
        let seconds = self.start.elapsed().as_secs();
        let line = format!("{}:{:02} {status}", seconds / 60, seconds % 60);
        let line: String = line.chars().take(WIDTH).collect();
        if self.terminal {
            self.clear();
            write(&line);
            self.drawn = true;
        } else if self.printed.elapsed() >= PAUSE {
            self.printed = Instant::now();
            write(&format!("{line}\n"));
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            write("\r\x1b[K");
        }
    }

    fn end(&mut self) {
        self.clear();
    }
}

/// Ignores errors: if stderr is closed, they cannot be shown.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// A line of cargo's output.
#[derive(Debug, PartialEq)]
enum Said {
    /// Nothing new.
    Nothing,
    /// The progress.
    Status(String),
    /// Anything else: warnings, errors.
    Other,
}

impl Said {
    fn by_cargo(line: &str) -> Self {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        // Cargo's status words end in column 12. Quoted code may begin with such a word, but has another indentation.
        let is_status =
            STATUS.contains(&word) && line.find(word).is_some_and(|at| at + word.len() == 12);
        match word {
            "" => Self::Nothing,
            _ if !is_status => Self::Other,
            // `Building [====>    ] 12/400: a, b(build.rs)`
            "Building" => match rest.split_once("] ") {
                Some((_, counted)) => Self::Status(in_words(counted)),
                None => Self::Nothing,
            },
            "Compiling" | "Checking" | "Fresh" | "Finished" => Self::Nothing,
            _ => Self::Status(line.trim().to_owned()),
        }
    }
}

/// `12/400: a, b` as a sentence.
fn in_words(counted: &str) -> String {
    let (count, now) = counted.split_once(':').unwrap_or((counted, ""));
    let count = count.replacen('/', " of ", 1);
    match now.trim() {
        "" => format!("{count} built"),
        now => format!("{count} built; now {now}"),
    }
}

/// The line without the escape sequences for colours.
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // `[1;32m`, or another sequence that ends with a letter.
        let end = part
            .find(|c: char| c.is_ascii_alphabetic())
            .map_or(0, |at| at + 1);
        plain.push_str(part.get(end..).unwrap_or_default());
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_progress_is_put_into_words() {
        let status = |text: &str| Said::Status(text.to_owned());
        for (line, said) in [
            (
                "\x1b[1m\x1b[92m    Building\x1b[0m [=====>       ] 12/400: syn, cc(build.rs)  \x1b[K",
                status("12 of 400 built; now syn, cc(build.rs)"),
            ),
            ("    Building [            ] 0/3", status("0 of 3 built")),
            ("   Compiling syn v2.0.119", Said::Nothing),
            (
                "    Finished `release` profile [optimized] target(s) in 0.1s",
                Said::Nothing,
            ),
            (
                "    Blocking waiting for file lock on build directory",
                status("Blocking waiting for file lock on build directory"),
            ),
            ("", Said::Nothing),
            ("warning: unused variable", Said::Other),
            ("  Compiling = 1;", Said::Other),
            ("error: could not compile `x`", Said::Other),
        ] {
            assert_eq!(Said::by_cargo(&without_colours(line)), said, "{line}");
        }
    }
}
