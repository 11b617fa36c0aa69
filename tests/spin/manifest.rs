//! The manifests: everything that they name exists, everything that they use is declared, and nothing more than needed is
//! permitted.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};
use twin_contract::Peer;

/// What may be shared with the adapter.
const INHERITED: [&str; 3] = ["variables", "sqlite_databases", "allowed_outbound_hosts"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All manifests: the whole pipeline on one machine, and the three layers of a placement.
fn manifests() -> Vec<(PathBuf, Table)> {
    let deploy = ["l1", "l2", "l3"].map(|layer| root().join(format!("deploy/spin/{layer}.toml")));
    let all = [root().join("spin.toml")].into_iter().chain(deploy);
    all.map(|path| {
        let text = fs::read_to_string(&path).expect("the manifest is there");
        let manifest = text
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, manifest)
    })
    .collect()
}

fn components(manifest: &Table) -> impl Iterator<Item = (&String, &Table)> {
    let all = manifest["component"].as_table().expect("a table");
    all.iter()
        .map(|(name, value)| (name, value.as_table().expect("a table")))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The variables in the `{{ … }}` of a text.
fn references(value: &str) -> Vec<String> {
    let rest = value.split("{{").skip(1);
    rest.map(|part| {
        part.split("}}")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    })
    .collect()
}

#[test]
fn every_variable_that_is_used_is_declared_and_the_other_way_round() {
    for (path, manifest) in manifests() {
        let declared: BTreeSet<_> = manifest["variables"]
            .as_table()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        let mut used = BTreeSet::new();
        for (_, component) in components(&manifest) {
            let variables = component["variables"].as_table().unwrap();
            let hosts = component["allowed_outbound_hosts"].as_array().unwrap();
            for value in variables.values().chain(hosts) {
                used.extend(references(text(value)));
            }
        }
        assert_eq!(used, declared, "{}", path.display());
    }
}

#[test]
fn every_variable_has_a_default_but_twin_cloud_and_key() {
    for (path, manifest) in manifests() {
        for (name, declaration) in manifest["variables"].as_table().unwrap() {
            let declaration = declaration.as_table().unwrap();
            let required = declaration.get("required").is_some();
            assert_eq!(
                required,
                ["twin_name", "twin_cloud", "inter_cloud_token"].contains(&name.as_str()),
                "{}: {name}",
                path.display()
            );
            assert_ne!(required, declaration.contains_key("default"), "{name}");
            let secret = ["_token", "_url"].iter().any(|end| name.ends_with(end));
            let marked = declaration.get("secret").and_then(Value::as_bool);
            assert_eq!(
                marked.unwrap_or(false),
                secret,
                "{name}: keys may be in URLs, too"
            );
        }
    }
}

#[test]
fn every_file_that_is_named_is_there() {
    for (path, manifest) in manifests() {
        let folder = path.parent().unwrap();
        for (name, component) in components(&manifest) {
            let source = text(&component["source"]);
            assert!(
                source.ends_with(&format!("target/components/{name}.wasm")),
                "{source}"
            );
            let dependencies = component["dependencies"].as_table().unwrap();
            let paths = dependencies.values().map(|value| text(&value["path"]));
            for file in paths.chain([source]) {
                // The folder in which the tests look for components, if it is not `target`.
                let built = file
                    .split_once("target/components/")
                    .expect("a built file")
                    .1;
                assert!(
                    twin_tests::components().join(built).is_file(),
                    "{file}: not built"
                );
                let above = file.split("target/").next().unwrap();
                let named = folder.join(above).canonicalize().unwrap();
                assert_eq!(
                    named,
                    root().canonicalize().unwrap(),
                    "{file}: not in the root"
                );
            }
        }
        let triggers = manifest["trigger"]["http"].as_array().unwrap();
        for trigger in triggers {
            let component = text(&trigger["component"]);
            assert!(
                components(&manifest).any(|(name, _)| name == component),
                "{component}"
            );
        }
    }
}

#[test]
fn routes_are_those_of_the_native_host() {
    for (path, manifest) in manifests() {
        let routes: BTreeSet<_> = manifest["trigger"]["http"]
            .as_array()
            .unwrap()
            .iter()
            .map(|trigger| {
                (
                    text(&trigger["component"]).to_owned(),
                    text(&trigger["route"]).to_owned(),
                )
            })
            .collect();
        let mut expected = BTreeSet::new();
        for (name, _) in components(&manifest) {
            let function: twin_host::function::FunctionName = name.parse().expect("a function");
            for route in function.routes() {
                // A route that ends in a slash matches everything below it. Spin's notation for this also matches the route
                // itself.
                let below = format!("{route}/");
                if !function.routes().contains(&below.as_str()) {
                    let route = route
                        .strip_suffix('/')
                        .map_or((*route).to_owned(), |route| format!("{route}/..."));
                    expected.insert((name.clone(), route));
                }
            }
        }
        assert_eq!(routes, expected, "{}", path.display());
    }
}

#[test]
fn the_adapter_is_lent_what_it_needs_and_each_function_its_own_peers_only() {
    for (path, manifest) in manifests() {
        for (name, component) in components(&manifest) {
            let place = format!("{}: {name}", path.display());
            let dependencies = component["dependencies"].as_table().unwrap();
            assert_eq!(
                dependencies.keys().collect::<Vec<_>>(),
                ["twin:multicloud@0.2.0"],
                "{place}"
            );
            let inherited: Vec<_> = dependencies["twin:multicloud@0.2.0"]["inherit_configuration"]
                .as_array()
                .unwrap()
                .iter()
                .map(text)
                .collect();
            assert_eq!(inherited, INHERITED, "{place}");
            let variables = component["variables"].as_table().unwrap();
            let hosts = component["allowed_outbound_hosts"].as_array().unwrap();
            // The app itself, if a peer may be in the same app: the adapter checks whether it is running.
            let in_the_app = variables.keys().any(|variable| {
                let default = manifest["variables"][variable].get("default");
                default.is_some_and(|default| text(default).contains(".spin.internal/"))
            });
            let itself = hosts.iter().filter(|host| text(host) == "http://self");
            assert_eq!(itself.count(), usize::from(in_the_app), "{place}");
            let hosts: Vec<_> = hosts
                .iter()
                .filter(|host| text(host) != "http://self")
                .flat_map(|host| {
                    let names = references(text(host));
                    assert_eq!(names.len(), 1, "{place}: {host}");
                    names
                })
                .collect();
            let with_url: Vec<_> = Peer::ALL
                .iter()
                .map(|peer| peer.variables().url.to_ascii_lowercase())
                .filter(|url| variables.contains_key(url))
                .map(|url| url.replace("_url", "_host"))
                .collect();
            assert_eq!(sorted(&hosts), sorted(&with_url), "{place}: hosts and URLs");
            for (variable, value) in variables {
                assert_eq!(text(value), format!("{{{{ {variable} }}}}"), "{place}");
            }
        }
    }
}

fn sorted(names: &[String]) -> BTreeSet<&String> {
    names.iter().collect()
}

/// Spin permits hosts, and the adapter calls URLs: the permitted hosts must be those that are called by default.
#[test]
fn hosts_and_urls_agree() {
    for (path, manifest) in manifests() {
        let variables = manifest["variables"].as_table().unwrap();
        for (name, declaration) in variables {
            let Some(url) = name
                .strip_suffix("_url")
                .map(|_| text(&declaration["default"]))
            else {
                continue;
            };
            let host = text(&variables[&name.replace("_url", "_host")]["default"]);
            if url.is_empty() {
                assert!(host.ends_with(".invalid"), "{}: {host}", path.display());
            } else {
                let rest = url
                    .strip_prefix(host)
                    .expect("the URL begins with its host");
                assert!(rest.starts_with('/'), "{}: {host} of {url}", path.display());
            }
        }
    }
}
