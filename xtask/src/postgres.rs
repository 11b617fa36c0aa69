//! Installs Debian's PostgreSQL for the tests, which start their own servers.

use std::{env, fs, process::Command};

use crate::{process, steps::Check};

const PACKAGE: &str = "postgresql";

/// Installs it in continuous integration (`CI` is set), which must run as root. On a developer's machine nothing is
/// installed; the tests that need it are skipped by name until it is.
pub(crate) fn install() -> anyhow::Result<Check> {
    if is_there() {
        return Ok(Check::Done);
    }
    let missing = format!("PostgreSQL is not installed (Debian: apt-get install {PACKAGE})");
    if env::var_os("CI").is_none() {
        return Ok(Check::Skipped(missing));
    }
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args([
        "install",
        "--yes",
        "--no-install-recommends",
        PACKAGE,
    ]);
    match process::read(&mut apt) {
        Ok(_) if is_there() => Ok(Check::Done),
        Ok(_) => Ok(Check::Skipped(missing)),
        Err(error) => Ok(Check::Skipped(format!("{missing}: {error:#}"))),
    }
}

/// Whether it is where the tests look for it.
fn is_there() -> bool {
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut folders = debian.map(|version| version.path().join("bin"));
    folders.any(|folder| folder.join("initdb").exists())
        || process::read(Command::new("pg_config").arg("--bindir")).is_ok()
}
