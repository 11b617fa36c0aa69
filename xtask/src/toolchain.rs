//! Finds or installs a rustc that can build the components.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{debian::Debian, layout::Layout, process};

/// The target of all components.
const TARGET: &str = "wasm32-wasip2";

/// A rustc with a standard library for the components.
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// The compiler.
    pub(crate) rustc: PathBuf,
    /// Folders to add to the start of PATH; `None` if the compiler finds its linker by itself.
    pub(crate) linker_tools: Option<[PathBuf; 2]>,
}

/// Tries the cheap ways first; the first two need no network and change nothing.
pub(crate) fn find(layout: &Layout) -> anyhow::Result<Toolchain> {
    if let Some(rustc) = env::var_os("TWIN_WASM_RUSTC").map(PathBuf::from) {
        if !has_std(&rustc).context("TWIN_WASM_RUSTC is unusable")? {
            let name = rustc.display();
            bail!("TWIN_WASM_RUSTC={name} has no standard library for {TARGET}");
        }
        println!("{} (from TWIN_WASM_RUSTC)", rustc.display());
        let linker_tools = linker_tools().ok();
        return Ok(Toolchain {
            rustc,
            linker_tools,
        });
    }
    let own = own_rustc();
    if has_std(&own)? {
        return Ok(itself(own));
    }
    let debian = Debian::new(layout);
    if debian.is_made() {
        return with_tools(debian.make()?);
    }
    if add_with_rustup()? && has_std(&own)? {
        return Ok(itself(own));
    }
    if debian.is_supported()? {
        // Checked before anything is downloaded, because the rest is useless without a linker.
        linker_tools()?;
        return with_tools(debian.make()?);
    }
    bail!(
        "no rustc with a standard library for {TARGET} here: run `rustup target add {TARGET}`, \
         or set TWIN_WASM_RUSTC to a rustc that has one"
    )
}

/// The compiler of the native build.
fn own_rustc() -> PathBuf {
    env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from)
}

fn itself(rustc: PathBuf) -> Toolchain {
    println!("{} has the target {TARGET}", rustc.display());
    Toolchain {
        rustc,
        linker_tools: None,
    }
}

fn with_tools(rustc: PathBuf) -> anyhow::Result<Toolchain> {
    println!("{}", rustc.display());
    Ok(Toolchain {
        rustc,
        linker_tools: Some(linker_tools()?),
    })
}

/// Where a rustc keeps (or would keep) its library for the components.
fn libdir(rustc: &Path) -> anyhow::Result<PathBuf> {
    ask(rustc, &["--print", "target-libdir", "--target", TARGET]).map(PathBuf::from)
}

fn has_std(rustc: &Path) -> anyhow::Result<bool> {
    // A folder that cannot be listed counts as missing.
    let Ok(files) = fs::read_dir(libdir(rustc)?) else {
        return Ok(false);
    };
    Ok(files.flatten().any(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    }))
}

/// rustup's toolchains ship `wasm-component-ld` and `rust-lld` even without the target; other rustcs may lack them.
fn linker_tools() -> anyhow::Result<[PathBuf; 2]> {
    let rustc = own_rustc();
    let sysroot = PathBuf::from(ask(&rustc, &["--print", "sysroot"])?);
    let host = ask(&rustc, &["--print", "host-tuple"])?;
    let tools = sysroot.join("lib/rustlib").join(host).join("bin");
    let linker = format!("wasm-component-ld{}", env::consts::EXE_SUFFIX);
    if !tools.join(&linker).is_file() {
        let place = tools.display();
        bail!("{linker} is not in {place}: install Rust with rustup, whose toolchains contain it");
    }
    Ok([tools.join("gcc-ld"), tools])
}

/// Adds the target with rustup, which most machines need once. Returns whether this succeeded.
fn add_with_rustup() -> anyhow::Result<bool> {
    const LIMIT: Duration = Duration::from_secs(60);
    if !process::starts("rustup") {
        return Ok(false);
    }
    println!("rustup target add {TARGET}");
    let mut rustup = Command::new("rustup");
    let outcome = process::run_at_most(rustup.args(["target", "add", TARGET]), LIMIT)?;
    match outcome {
        Some(status) if status.success() => return Ok(true),
        Some(status) => println!("rustup could not ({status})"),
        None => println!("rustup did not finish within {} s", LIMIT.as_secs()),
    }
    Ok(false)
}

/// Runs a rustc to query one value.
fn ask(rustc: &Path, question: &[&str]) -> anyhow::Result<String> {
    let answer = process::read(Command::new(rustc).args(question))?;
    Ok(answer.trim().to_owned())
}
