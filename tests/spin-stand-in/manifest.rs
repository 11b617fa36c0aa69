//! The manifest: what one component gets, with the current values of variables.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use toml::{Table, Value};
use twin_tests::{Vault, components, composition::compose};

/// A component of the manifest, ready to be run. An invalid manifest ends the start.
pub(crate) struct App {
    /// Its name in the manifest. No other component runs.
    pub(crate) id: String,
    /// The address at which it serves.
    pub(crate) address: SocketAddr,
    /// Its routes; one that ends in `/...` also matches everything below it.
    routes: Vec<String>,
    /// The component, composed with its dependency.
    pub(crate) composition: Vec<u8>,
    /// Its variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// The vault in which a test makes them fail.
    pub(crate) vault: Vault,
    /// The file of the database `default`, if the component may open it.
    pub(crate) database: Option<PathBuf>,
    /// Scheme, host and port of each allowed destination.
    pub(crate) hosts: BTreeSet<String>,
}

impl App {
    /// Reads a component's part of the manifest.
    pub(crate) fn read(manifest: &Path, id: &str, address: SocketAddr, state_dir: &Path) -> Self {
        let text = fs::read_to_string(manifest).expect("the manifest is there");
        let manifest: Table = text.parse().expect("a manifest");
        let component = &manifest["component"][id];
        let dependencies = component["dependencies"].as_table().expect("a table");
        let (package, dependency) = dependencies.iter().next().expect("a dependency");
        let composition = compose(
            &built(&component["source"]),
            package,
            &built(&dependency["path"]),
        );
        // Only the dependency imports these: a component does not get what the dependency does not inherit.
        let inherited: BTreeSet<_> = texts(&dependency["inherit_configuration"]).collect();
        let variables = component["variables"].as_table().expect("a table");
        let variables = variables
            .iter()
            .filter(|_| inherited.contains("variables"))
            .map(|(name, template)| (name.clone(), resolve(&manifest, text_of(template))));
        let database = texts(&component["sqlite_databases"])
            .filter(|_| inherited.contains("sqlite_databases"))
            .find(|name| *name == "default");
        let hosts = texts(&component["allowed_outbound_hosts"])
            .filter(|_| inherited.contains("allowed_outbound_hosts"))
            .map(|template| resolve(&manifest, template));
        let triggers = manifest["trigger"]["http"].as_array().expect("triggers");
        let own = triggers
            .iter()
            .filter(|trigger| text_of(&trigger["component"]) == id);
        Self {
            id: id.to_owned(),
            address,
            routes: own.map(|own| text_of(&own["route"]).to_owned()).collect(),
            vault: Vault::of(state_dir),
            composition: composition.bytes,
            variables: variables.collect(),
            database: database.map(|_| state_dir.join("sqlite_db.db")),
            hosts: hosts.collect(),
        }
    }

    /// Whether a path belongs to the component.
    pub(crate) fn takes(&self, path: &str) -> bool {
        self.routes.iter().any(|route| {
            let above = route.strip_suffix("/...");
            let below = above.and_then(|above| path.strip_prefix(above));
            path == route || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// The template with the value of its `{{ variable }}`. Each template of this project is a single variable or plain text.
fn resolve(manifest: &Table, template: &str) -> String {
    let name = template
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"));
    let Some(name) = name.map(str::trim) else {
        return template.to_owned();
    };
    let declaration = &manifest["variables"][name];
    env::var(format!("SPIN_VARIABLE_{}", name.to_ascii_uppercase())).unwrap_or_else(|_| {
        let default = declaration.get("default");
        text_of(default.unwrap_or_else(|| panic!("{name} has no value"))).to_owned()
    })
}

/// A file of the manifest, in the folder where the tests look for build results.
fn built(file: &Value) -> PathBuf {
    let name = text_of(file).strip_prefix("target/components/");
    components().join(name.expect("a file that is built"))
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().expect("a list").iter().map(text_of)
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("a text")
}
