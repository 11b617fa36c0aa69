//! Which crates may depend on wasmtime, and which on the libraries of the clouds. `deny.toml` has the rules for wasmtime, too, for
//! machines with cargo-deny.

use std::{fs, path::Path};

use anyhow::Context;

use crate::{layout::Layout, process};

/// Folders of crates that must not depend on wasmtime. The same rule applies to the single crates below.
const FOLDERS: [&str; 2] = ["core", "host/providers"];
const CRATES: [&str; 3] = ["host/native", "host/tasks", "host/telemetry"];

/// The packages of those crates.
fn packages(layout: &Layout) -> anyhow::Result<Vec<String>> {
    let mut folders: Vec<_> = CRATES.iter().map(|name| layout.root.join(name)).collect();
    for folder in FOLDERS.map(|name| layout.root.join(name)) {
        let entries = fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))?;
        for entry in entries {
            folders.push(entry.context("cannot list a folder")?.path());
        }
    }
    folders.iter().map(|folder| package(folder)).collect()
}

/// The name of the package in a folder.
fn package(folder: &Path) -> anyhow::Result<String> {
    let manifest = folder.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).with_context(|| format!("{}", manifest.display()))?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    name.map(str::to_owned)
        .with_context(|| format!("{} names no package", manifest.display()))
}

/// Runs `cargo tree`: the name of a package on each line.
fn tree(layout: &Layout, arguments: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut cargo = layout.cargo();
    cargo.args(["tree", "--locked", "--prefix", "none"]);
    let lines = process::read(cargo.args(["--format", "{p}"]).args(arguments))?;
    let names = lines.lines().filter_map(|line| line.split(' ').next());
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_and_functions_are_built_without_wasmtime() {
        let layout = Layout::find().expect("the project's folder");
        let packages = packages(&layout).expect("the packages");
        for package in [
            "twin-local",
            "twin-memory",
            "twin-postgres",
            "twin-documents",
            "twin-aws",
            "twin-azure",
            "twin-gcp",
            "twin-functions",
        ] {
            assert!(packages.iter().any(|other| other == package), "{package}");
        }
        for package in packages {
            let names = tree(&layout, &["--all-features", "-p", &package]);
            let names = names.expect("a tree of dependencies");
            assert!(names.contains(&package), "{package}: {names:?}");
            let found = names.iter().find(|name| {
                name.starts_with("wasmtime")
                    || name.starts_with("cranelift")
                    || *name == "twin-runtime"
            });
            assert_eq!(found, None, "{package}");
        }
    }

    #[test]
    fn only_the_runtime_and_the_tests_depend_on_wasmtime() {
        let layout = Layout::find().expect("the project's folder");
        for package in ["wasmtime", "wasmtime-wasi"] {
            let within = ["--all-features", "--workspace", "--depth", "1"];
            let users = tree(&layout, &[&within[..], &["--invert", package]].concat());
            let users = users.expect("a tree of dependencies");
            let own: Vec<_> = users
                .iter()
                .filter(|name| name.starts_with("twin-"))
                .collect();
            assert_eq!(own, ["twin-runtime", "twin-tests"], "{package}");
        }
    }

    #[test]
    fn the_command_has_libraries_of_a_cloud_only_with_its_feature() {
        let layout = Layout::find().expect("the project's folder");
        let of_clouds = |features: &str| {
            let arguments = [
                "-p",
                "twin-host",
                "--edges",
                "normal",
                "--features",
                features,
            ];
            let names = tree(&layout, &arguments).expect("a tree of dependencies");
            assert!(names.iter().any(|name| name == "wasmtime"), "{names:?}");
            let clouds = [
                ("aws", &["twin-aws", "aws-"][..]),
                ("azure", &["twin-azure", "azure_", "typespec"]),
                ("gcp", &["twin-gcp", "google-cloud", "gaxi"]),
            ];
            let found = clouds.iter().filter(|(_, beginnings)| {
                let is_its = |name: &String| beginnings.iter().any(|text| name.starts_with(text));
                names.iter().any(is_its)
            });
            found.map(|(cloud, _)| *cloud).collect::<Vec<_>>()
        };
        assert!(of_clouds("").is_empty());
        assert!(of_clouds("postgres").is_empty());
        for cloud in ["aws", "azure", "gcp"] {
            assert_eq!(of_clouds(cloud), [cloud]);
        }
    }
}
