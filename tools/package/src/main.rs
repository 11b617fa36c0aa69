//! Packages the host for the clouds' own functions and for containers.
//!
//! ```text
//! twin-package aws|azure|gcp|oci|kubernetes PROGRAM COMPONENTS TREE LOCK OUT
//! ```
//!
//! PROGRAM is `twin`, built without the compiler and with the store of this form; COMPONENTS is the folder that `twin compile` made; TREE has the
//! output of `cargo tree` for PROGRAM, and LOCK is `Cargo.lock`. The package is written into the folder OUT. Packages depend only on
//! these files: the same ones give the same bytes.
//!
//! `cargo xtask package` runs it.

mod archive;
mod azure;
mod certificates;
mod files;
mod image;
mod kubernetes;
mod linkage;
mod sbom;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use serde::Deserialize;
use twin_contract::{FunctionName, digest};

use crate::{
    archive::zip,
    files::Files,
    linkage::{LATEST_GLIBC, Linkage},
    sbom::{Subject, bill},
};

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

/// The manifest of `twin compile`, as far as it is of interest here.
#[derive(Debug, Deserialize)]
struct Manifest {
    twin: String,
    functions: BTreeMap<String, Digests>,
}

#[derive(Debug, Deserialize)]
struct Digests {
    component: String,
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [form, program, components, tree, lock, out] = arguments.as_slice() else {
        bail!("expected aws|azure|gcp|oci|kubernetes PROGRAM COMPONENTS TREE LOCK OUT");
    };
    let program = read(program)?;
    let manifest = read(&components.join("precompiled.json"))?;
    let manifest: Manifest =
        serde_json::from_slice(&manifest).context("the manifest of `twin compile`")?;
    let names = manifest.functions.keys();
    let functions: Vec<FunctionName> = names.map(|name| name.parse()).collect::<Result<_, _>>()?;
    let precompiled = precompiled(components, &functions)?;

    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    match form.to_str() {
        Some("aws") => {
            let files = with_program(precompiled, "bootstrap", &program)?;
            put(&out.join("lambda.zip"), &zip(&files)?)?;
        }
        Some("azure") => {
            let mut files = with_program(precompiled, "twin", &program)?;
            files.append(azure::describe(&functions)?);
            files.write(&out.join("app"))?;
            put(&out.join("app.zip"), &zip(&files)?)?;
        }
        Some("gcp" | "oci") => put_image(out, &program, &precompiled, &manifest.twin)?,
        Some("kubernetes") => {
            put_image(out, &program, &precompiled, &manifest.twin)?;
            let base = out.join("base");
            kubernetes::base(&functions, &manifest.twin).write(&base)?;
            say(&format!("{:>15}  {}", "", base.display()))?;
        }
        _ => bail!(
            "unknown form `{}`: use aws, azure, gcp, oci or kubernetes",
            form.display()
        ),
    }
    let components = manifest.functions.into_iter();
    let components = components
        .map(|(function, digests)| (function, digests.component))
        .collect();
    let subject = Subject {
        version: &manifest.twin,
        sha256: &digest(&program),
        components: &components,
    };
    let bill = bill(subject, &text(tree)?, &text(lock)?)?;
    put(&out.join("sbom.cdx.json"), bill.as_bytes())?;
    say(&format!(
        "{:>9} bytes  twin (in the package)",
        program.len()
    ))?;
    for (name, sha256) in &components {
        say(&format!("{name:<14} sha256 {sha256}"))?;
    }
    Ok(())
}

/// What `twin compile` made, below `components/`, where a program beside that folder looks for it.
fn precompiled(folder: &Path, functions: &[FunctionName]) -> anyhow::Result<Files> {
    let mut files = Files::default();
    let code = functions.iter().map(|function| format!("{function}.cwasm"));
    for name in code.chain(["precompiled.json".to_owned()]) {
        files.add(format!("components/{name}"), read(&folder.join(&name))?);
    }
    Ok(files)
}

/// Adds the program, if it runs where the platform has its libraries.
fn with_program(mut files: Files, name: &str, program: &[u8]) -> anyhow::Result<Files> {
    Linkage::of(program)?.require_glibc(LATEST_GLIBC)?;
    files.add_program(name, program);
    Ok(files)
}

fn put_image(out: &Path, program: &[u8], files: &Files, version: &str) -> anyhow::Result<()> {
    let layout = image::layout(program, files, version)?;
    let path = out.join("image");
    layout.write(&path)?;
    let size: usize = layout.iter().map(|(_, file)| file.bytes.len()).sum();
    say(&format!("{size:>9} bytes  {}", path.display()))
}

fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!(
        "{:>9} bytes  {}  sha256 {}",
        bytes.len(),
        path.display(),
        digest(bytes)
    ))
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{line}").context("cannot write to standard output")
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
