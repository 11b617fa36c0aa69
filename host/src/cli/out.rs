//! Standard output. If its reader closes it, as `head` does, the command ends without a failure.

use std::{
    fmt,
    io::{self, Write as _},
};

/// The reader has closed the output.
#[derive(Debug, thiserror::Error)]
#[error("the output was closed by its reader")]
pub(super) struct OutputClosed;

/// Prints a line.
///
/// # Errors [`OutputClosed`], or the error that prevented the write.
pub(super) fn line(words: fmt::Arguments<'_>) -> anyhow::Result<()> {
    let written = writeln!(io::stdout().lock(), "{words}");
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => OutputClosed.into(),
        _ => anyhow::Error::new(error).context("cannot write to standard output"),
    })
}

/// Prints a line as `println!` would, but returns an error instead of panicking.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::cli::out::line(format_args!($($words)*))
    };
}

pub(super) use say;
