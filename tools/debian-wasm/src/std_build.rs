//! Builds the standard library for the components, once, and installs it for Debian's compiler.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use twin_process as process;

/// The target of the components.
const TARGET: &str = "wasm32-wasip2";

/// An empty crate: building it with `-Zbuild-std` builds the library.
const SEED: &str = "[package]\nname = \"seed\"\nedition = \"2024\"\n[workspace]\n";

/// Builds in `work` and installs into the sysroot of `rustc`.
pub(super) fn run(rustc: &Path, root: &Path, work: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(work.join("src")).context("cannot create the seed crate")?;
    fs::write(work.join("Cargo.toml"), SEED).context("cannot write the seed crate")?;
    fs::write(work.join("src/lib.rs"), "").context("cannot write the seed crate")?;

    println!("building the standard library for {TARGET}");
    let usr = root.join("usr");
    // Debian's own cargo, because another version may not be able to build this library.
    let mut cargo = process::clean(&usr.join("bin/cargo"));
    cargo
        .current_dir(work)
        .args(["build", "--quiet", "--release", "--target", TARGET])
        .arg("-Zbuild-std=std,panic_abort,panic_unwind")
        .env("LD_LIBRARY_PATH", usr.join("lib/x86_64-linux-gnu"))
        .env("CARGO_TARGET_DIR", work.join("target"))
        .env("RUSTC", rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        // `lto = true` in the components' profile needs the library's bitcode.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes");
    for theirs in ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "CARGO"] {
        cargo.env_remove(theirs);
    }
    process::run(&mut cargo)?;

    let libraries = libdir(rustc)?;
    let built = work.join("target").join(TARGET).join("release/deps");
    copy(&built, &libraries, |name| {
        name.ends_with(".rlib") && !name.starts_with("libseed-")
    })?;
    // The C library and the start-up code, which rustc looks for in this folder.
    let libc = usr.join("lib").join(TARGET);
    copy(&libc, &libraries.join("self-contained"), |_| true)
}

fn copy(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let files = fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))?;
    for file in files {
        let file = file.with_context(|| format!("cannot list {}", from.display()))?;
        let name = file.file_name();
        if wanted(&name.to_string_lossy()) {
            fs::copy(file.path(), to.join(&name))
                .with_context(|| format!("cannot copy {}", file.path().display()))?;
        }
    }
    Ok(())
}

/// Where a rustc looks for its library for the components.
fn libdir(rustc: &Path) -> anyhow::Result<PathBuf> {
    let mut ask = Command::new(rustc);
    ask.args(["--print", "target-libdir", "--target", TARGET]);
    process::read(&mut ask).map(|answer| PathBuf::from(answer.trim()))
}
