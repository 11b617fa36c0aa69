//! Makes a Rust toolchain for the components from Debian's own packages, for machines where rustup cannot download the
//! target wasm32-wasip2. It needs no root and does not change the machine.
//!
//!     twin-debian-wasm supported      # says whether this can work here: Debian 12 or newer on amd64
//!     twin-debian-wasm make FOLDER    # makes the toolchain, unless it exists; its compiler is FOLDER/rustc
//!
//! `cargo xtask build` runs it if necessary.

mod apt;
mod sources;
mod std_build;

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};
use twin_process as process;

use self::apt::Apt;

/// Written last, so that its presence means "complete". Change it when the recipe changes.
const STAMP: &str = "twin wasm toolchain, recipe 1\n";

/// Debian's packages of the compiler that it keeps up to date for its browsers.
const ROOTS: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If even stderr is gone, the exit code still reports the failure.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [command] if command == "supported" => {
            println!("{}", if supported() { "yes" } else { "no" });
            Ok(())
        }
        [command, folder] if command == "make" => {
            let folder = std::path::absolute(folder).context("FOLDER is not a usable path")?;
            make(&folder)
        }
        _ => bail!("expected `supported` or `make FOLDER`"),
    }
}

/// Whether the toolchain is complete.
fn is_made(home: &Path) -> bool {
    fs::read_to_string(home.join("stamp")).is_ok_and(|stamp| stamp == STAMP)
}

/// Whether the recipe can work here: Debian 12 or newer on amd64.
fn supported() -> bool {
    let version = os_release("VERSION_ID").and_then(|version| version.parse::<u32>().ok());
    env::consts::OS == "linux"
        && env::consts::ARCH == "x86_64"
        && os_release("ID").as_deref() == Some("debian")
        && version.is_some_and(|version| version >= 12)
        && ["apt-get", "apt-cache", "dpkg"]
            .into_iter()
            .all(process::starts)
}

/// Makes the toolchain, unless it exists.
fn make(home: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(home).with_context(|| format!("cannot create {}", home.display()))?;
    let lock = File::create(home.join("lock")).context("cannot create the set-up's lock")?;
    if lock.try_lock().is_err() {
        println!("waiting for another set-up in {}", home.display());
        lock.lock().context("cannot lock the set-up")?;
    }
    // Another process may have finished while this one waited.
    if is_made(home) {
        return Ok(());
    }
    println!(
        "Making a toolchain of Debian's packages in {}, once: downloads about 170 MB, takes one to two \
         minutes and 1 GB while at it (0.6 GB afterwards); needs no root and leaves the machine as it is.",
        home.display()
    );
    // The remains of an interrupted set-up cannot be trusted.
    for part in ["stamp", "rustc", "root", "work"] {
        remove(&home.join(part))?;
    }
    let (root, work) = (home.join("root"), home.join("work"));
    fetch(&root, &work)?;
    let rustc = write_rustc(home)?;
    std_build::run(&rustc, &root, &work.join("std"))?;
    // The sources were needed only for the library, and are half of the total size.
    for part in [work, root.join("usr/src"), root.join("usr/share")] {
        remove(&part)?;
    }
    fs::write(home.join("stamp"), STAMP).context("cannot write the stamp")
}

/// Downloads all packages and unpacks them below `root`.
fn fetch(root: &Path, work: &Path) -> anyhow::Result<()> {
    let codename = os_release("VERSION_CODENAME").context("/etc/os-release names no codename")?;
    // Debian 12's own wasi-libc is older than the target.
    let backports = os_release("VERSION_ID").as_deref() == Some("12");
    let apt = Apt::new(&work.join("apt"), &codename, backports)?;
    apt.update()?;
    let [rustc, ..] = ROOTS;
    let offered = apt.candidate(rustc)?;
    if !new_enough(&offered) {
        bail!(
            "apt offers {rustc} {offered}, {} or newer is needed (is {codename}-security among its sources?)",
            env!("CARGO_PKG_RUST_VERSION")
        );
    }
    println!("{rustc} {offered}");
    let mut packages = apt.with_missing_libraries(&ROOTS)?;
    packages.push(if backports {
        format!("wasi-libc/{codename}-backports")
    } else {
        "wasi-libc".to_owned()
    });
    for file in apt.download(&packages, &work.join("packages"))? {
        process::read(Command::new("dpkg").arg("-x").arg(&file).arg(root))?;
    }
    Ok(())
}

/// Writes a script that runs rustc. An environment variable would apply to all of cargo, but only this compiler may see
/// these libraries.
fn write_rustc(home: &Path) -> anyhow::Result<PathBuf> {
    const SCRIPT: &str = r#"#!/bin/sh
# Debian's rustc with its own libraries; it finds its sysroot by itself.
usr="$(dirname "$0")/root/usr"
LD_LIBRARY_PATH="$usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$usr/bin/rustc" "$@"
"#;
    let rustc = home.join("rustc");
    fs::write(&rustc, SCRIPT).context("cannot write the compiler's script")?;
    process::read(Command::new("chmod").arg("+x").arg(&rustc))?;
    Ok(rustc)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let gone = match fs::symlink_metadata(path) {
        Ok(what) if what.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    gone.with_context(|| format!("cannot remove {}", path.display()))
}

/// One value of /etc/os-release.
fn os_release(key: &str) -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

/// Whether the first two numbers of a package's version are at least those that the workspace requires.
fn new_enough(offered: &str) -> bool {
    let numbers = |version: &str| -> Option<(u32, u32)> {
        let mut parts = version.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    numbers(offered) >= numbers(env!("CARGO_PKG_RUST_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_counts_by_its_numbers() {
        assert!(new_enough("1.96.0+dfsg1-1~deb12u2"));
        assert!(new_enough("2.0.0"));
        assert!(!new_enough("1.85.0+dfsg3-1~deb12u3"));
        assert!(!new_enough("(none)"));
    }
}
