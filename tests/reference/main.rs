//! Compares generated files with the committed ones, and the API's description with the functions' replies.
//!
//! With `TWIN_GENERATE` set, as `cargo xtask generate` sets it, the files are written instead of compared.

mod cases;
mod schema;

use std::{env, fs, path::PathBuf};

use twin_host::{
    config::{Unset, groups},
    stores::ABSENT,
};
use twin_reference::{
    api,
    configuration::{self, Group, Variable},
    openapi, spin,
};

/// A file of the repository.
fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(path)
}

/// Compares a file with its expected content, or writes it.
fn hold(path: &str, expected: &str) {
    let file = file(path);
    if env::var_os("TWIN_GENERATE").is_some() {
        return fs::write(file, expected).expect("the file can be written");
    }
    let committed = fs::read_to_string(file).unwrap_or_default();
    assert!(
        committed == expected,
        "{path} is not what the tables say: run `cargo xtask generate` and commit it"
    );
}

#[test]
fn the_page_of_the_api_is_what_the_registry_says() {
    hold("docs/api.md", &api::markdown());
}

#[test]
fn the_openapi_document_is_what_the_registry_says() {
    hold("docs/openapi.json", &openapi::text());
}

#[test]
fn the_variables_in_the_manifests_for_spin_are_those_of_the_tables() {
    for path in [
        "spin.toml",
        "deploy/spin/l1.toml",
        "deploy/spin/l2.toml",
        "deploy/spin/l3.toml",
    ] {
        let manifest = fs::read_to_string(file(path)).expect("the manifest is there");
        hold(path, &spin::manifest(&manifest));
    }
}

#[test]
fn the_variables_in_the_base_for_kubernetes_are_those_of_the_tables() {
    let path = "tools/package/kubernetes/deployment.yaml";
    let deployment = fs::read_to_string(file(path)).expect("the deployment is there");
    let (_, after) = deployment
        .split_once("\n          env:\n")
        .expect("it sets variables");
    let (env, _) = after
        .split_once("\n          envFrom:")
        .expect("more of them come from a map");
    let set: Vec<_> = env
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- name: "))
        .collect();
    assert!(set.contains(&"INTER_CLOUD_TOKEN"), "{set:?}");
    let known = |name: &str| {
        let mut absent = ABSENT.iter();
        groups()
            .iter()
            .any(|group| group.variables.iter().any(|variable| variable.name == name))
            || absent.any(|absent| name.starts_with(absent.variables))
    };
    for name in set {
        assert!(known(name), "{path}: {name}");
    }
}

#[test]
fn the_page_of_the_configuration_is_what_the_host_goes_by() {
    // The page has the variables of every store, and a build only those of its own.
    if let Some(absent) = ABSENT.first() {
        let name = absent.name;
        return println!("skipped: docs/configuration.md: this build is without the store {name}");
    }
    let groups: Vec<_> = groups()
        .iter()
        .map(|group| Group {
            title: group.title.clone(),
            variables: group.variables.iter().map(shown).collect(),
        })
        .collect();
    hold("docs/configuration.md", &configuration::markdown(&groups));
}

fn shown(variable: &twin_host::config::Variable) -> Variable {
    let mut default = match variable.default {
        Unset::Refused => "required".to_owned(),
        Unset::Value(value) => format!("`{value}`"),
        Unset::Otherwise(words) => words.to_owned(),
        Unset::Nothing => "none".to_owned(),
    };
    for (platform, value) in variable.on_platforms {
        default += &format!("; `{value}` on {platform}");
    }
    Variable {
        name: variable.name.to_owned(),
        default,
        values: variable.values(),
        unit: variable.unit.to_owned(),
        secret: variable.secret,
        help: variable.help.to_owned(),
    }
}
