//! Runs other programs: their output is shown or read, and a failure becomes one line.

use std::{
    env,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// Runs a command whose output the user should see.
///
/// # Errors
/// If it does not start or fails.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a command and returns its output on stdout.
///
/// # Errors
/// If it does not start, fails (the error has its last lines) or prints anything but text.
pub fn read(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed ({}): {}",
            line(command),
            output.status,
            last_words(&said)
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` printed no text", line(command)))
}

/// Runs a command that may hang; `None` if it had to be stopped.
///
/// # Errors
/// If it does not start, or cannot be stopped.
pub fn run_at_most(command: &mut Command, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child")? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            child.kill().context("cannot stop a child")?;
            child.wait().context("cannot wait for a child")?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Whether a program is installed and starts.
pub fn starts(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as a person would type it, truncated if it is long.
fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        if line.len() > 160 {
            line.push_str(" …");
            break;
        }
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

/// apt marks errors with `E:`; other programs print the important line last.
fn last_words(stderr: &str) -> String {
    let marked: Vec<_> = stderr
        .lines()
        .filter(|line| line.starts_with("E:"))
        .collect();
    if marked.is_empty() {
        let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
        return last.unwrap_or("it printed nothing").trim().to_owned();
    }
    marked.join(" ")
}

/// A command without the variables that `cargo run` sets for this program. Some build scripts (for example ring's) watch
/// these variables, and would run again whenever a build is started by xtask instead of from the command line.
pub fn clean(program: &Path) -> Command {
    const OWN: [&str; 4] = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ];
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if OWN
            .iter()
            .any(|own| name.to_string_lossy().starts_with(own))
        {
            command.env_remove(name);
        }
    }
    command
}
