//! `cargo xtask package`: the host as one of a cloud's own functions, or as a container.
//!
//! Here the parts are built: the command without the compiler, precompiled components, and the list of crates. The separate
//! program `tools/package` packs them, so its dependencies are built only where something is packaged.

use std::{env, fs, path::Path, process::Command};

use anyhow::Context;

use crate::{
    BUILT,
    args::Package,
    layout::Layout,
    process, progress,
    selection::{FEATURES, PACKAGER},
    steps::Steps,
};

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const UNIT_SEPARATOR: &str = "\x1f";

/// Builds the parts, and packs them. The `twin` command with the compiler is built already.
pub(crate) fn run(layout: &Layout, steps: &mut Steps, what: &Package) -> anyhow::Result<()> {
    let form = what.form.as_str();
    let (profile, store, package) = if what.for_tests {
        // One program for all of them: three take 8 minutes more.
        (BUILT, FEATURES, layout.test_packages().join(form))
    } else {
        let (profile, store) = (what.form.profile(), what.form.store());
        (profile, store, layout.package(form))
    };
    let target = match what.arch {
        Some(arch) => arch.target().to_owned(),
        None => own_target(layout)?,
    };
    let parts = package.with_file_name("parts").join(form);
    fs::create_dir_all(&parts).with_context(|| format!("cannot create {}", parts.display()))?;
    let components = parts.join("components");
    steps.run(format!("{form}: precompiled components"), || {
        if components.exists() {
            fs::remove_dir_all(&components)
                .with_context(|| format!("cannot remove {}", components.display()))?;
        }
        let mut compile = Command::new(layout.twin());
        layout.point_at_components(&mut compile);
        compile.args(["compile", "--target", &target, "--out"]);
        compile.arg(&components);
        if let Some(functions) = &what.functions {
            compile.args(["--functions", functions]);
        }
        process::run(&mut compile)
    })?;
    steps.run(
        format!("{form}: the twin command without the compiler"),
        || {
            let mut cargo = layout.cargo();
            cargo.args(["build", "--locked", "--profile", profile]);
            progress::show(lean(&mut cargo, layout, store, &target)?)
        },
    )?;
    steps.run(format!("{form}: the package"), || {
        let tree = parts.join("tree");
        fs::write(&tree, crates(layout, store, &target)?)
            .with_context(|| format!("cannot write {}", tree.display()))?;
        let mut cargo = layout.cargo();
        cargo.args(["build", "--locked", "--release", "-p", PACKAGER]);
        progress::show(&mut cargo)?;
        let mut pack = Command::new(layout.release(PACKAGER));
        pack.arg(form)
            .arg(layout.target.join(&target).join(profile).join("twin"))
            .args([&components, &tree, &layout.root.join("Cargo.lock")])
            .arg(&package);
        process::run(&mut pack)
    })
}

/// Selects the command with a store, without the compiler.
fn selected<'a>(cargo: &'a mut Command, store: &str, target: &str) -> &'a mut Command {
    cargo.args(["-p", "twin-host", "--no-default-features"]);
    cargo.args(["--features", store, "--target", target])
}

/// Links the command statically, so that it needs nothing of the platform, and leaves this machine's folders out of it.
fn lean<'a>(
    cargo: &'a mut Command,
    layout: &Layout,
    store: &str,
    target: &str,
) -> anyhow::Result<&'a mut Command> {
    let root = layout
        .root
        .to_str()
        .context("the project's path is not UTF-8")?;
    let home = cargo_home().context("neither CARGO_HOME nor HOME is set")?;
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        format!("--remap-path-prefix={home}=cargo"),
        format!("--remap-path-prefix={root}=twin"),
    ];
    if target == own_target(layout)? && reads_packed_relocations() {
        // Saves 1 MB of 18.
        flags.push("-Clink-arg=-Wl,-z,pack-relative-relocs".to_owned());
    }
    cargo
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join(UNIT_SEPARATOR))
        .env("CARGO_PROFILE_DIST_STRIP", "symbols");
    Ok(selected(cargo, store, target))
}

/// Whether a program that is linked with this machine's glibc can have packed relocations: glibc has read them since 2.36.
fn reads_packed_relocations() -> bool {
    let version = process::read(Command::new("getconf").arg("GNU_LIBC_VERSION"));
    version.is_ok_and(|version| is_glibc_2_36(&version))
}

/// Whether `getconf` names glibc 2.36 or later: `glibc 2.36`.
fn is_glibc_2_36(version: &str) -> bool {
    let number = version.trim().strip_prefix("glibc ");
    let parts = number.and_then(|number| number.split_once('.'));
    let parts = parts.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    parts.is_some_and(|version: (u32, u32)| version >= (2, 36))
}

fn cargo_home() -> Option<String> {
    let home = || Some(Path::new(&env::var_os("HOME")?).join(".cargo"));
    let folder = env::var_os("CARGO_HOME").map(Into::into).or_else(home)?;
    folder.to_str().map(str::to_owned)
}

/// The crates that the command is built of: a line each, with version and licence.
fn crates(layout: &Layout, store: &str, target: &str) -> anyhow::Result<String> {
    let mut cargo = layout.cargo();
    cargo.args(["tree", "--locked", "--prefix", "none"]);
    cargo.args(["--edges", "normal,no-proc-macro", "--format", "{p}|{l}"]);
    process::read(selected(&mut cargo, store, target))
}

/// The kind of machine that this compiler builds for by default.
fn own_target(layout: &Layout) -> anyhow::Result<String> {
    let version = process::read(layout.cargo().args(["--version", "--verbose"]))?;
    let mut lines = version.lines();
    let host = lines.find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .context("`cargo --version --verbose` names no host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relocations_are_packed_only_for_a_glibc_that_reads_them() {
        for (version, packed) in [
            ("glibc 2.36\n", true),
            ("glibc 2.41\n", true),
            ("glibc 3.0\n", true),
            ("glibc 2.35\n", false),
            ("musl 1.2.5\n", false),
            ("", false),
        ] {
            assert_eq!(is_glibc_2_36(version), packed, "{version:?}");
        }
    }

    #[test]
    fn the_compiler_is_not_among_what_a_package_is_built_of() {
        let layout = Layout::find().expect("the project's folder");
        let target = own_target(&layout).expect("this machine's kind");
        let names = |tree: &str| -> Vec<String> {
            let lines = tree.lines().filter_map(|line| line.split(' ').next());
            lines.map(str::to_owned).collect()
        };
        let crates = crates(&layout, "aws", &target).expect("a tree of dependencies");
        let crates = names(&crates);
        assert!(crates.iter().any(|name| name == "wasmtime"), "{crates:?}");
        assert!(crates.iter().any(|name| name == "twin-aws"), "{crates:?}");
        let of_compiler = |name: &&String| {
            name.starts_with("cranelift-codegen")
                || *name == "wasmtime-internal-cranelift"
                || *name == "regalloc2"
        };
        assert_eq!(crates.iter().find(of_compiler), None);
    }
}
