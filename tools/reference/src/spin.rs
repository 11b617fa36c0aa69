//! The variables in a manifest for Spin: those that its functions read, under the native host's names in lower case.

use std::{collections::BTreeSet, fmt::Write as _};

use twin_contract::{FunctionName, Peer};
use twin_delivery::{DELIVERY, Setting, TWIN_CLOUD, TWIN_NAME};

use crate::GENERATED;

/// Variables of every function besides its settings and peers, with their declarations.
const COMMON: [(&str, &str); 4] = [
    ("inter_cloud_token", "{ required = true, secret = true }"),
    ("twin_operator_token", "{ default = \"\", secret = true }"),
    ("remote_auth_token", "{ default = \"\", secret = true }"),
    ("debug_mode", "{ default = \"false\" }"),
];

/// The manifest with new bodies of `[variables]` and of each `[component.NAME.variables]`. Everything else is kept,
/// including the manifest's declarations of URLs and hosts of peers, which depend on the deployment.
pub fn manifest(text: &str) -> String {
    let functions = functions(text);
    let mut out = String::new();
    let mut skipping = false;
    for line in text.lines() {
        if line.starts_with('[') {
            skipping = false;
        }
        if !skipping {
            out.push_str(line);
            out.push('\n');
        }
        let body = match line {
            "[variables]" => Some(declarations(&functions, text)),
            _ => component_of(line, ".variables]").map(used),
        };
        if let Some(body) = body {
            out.push_str(&body);
            out.push('\n');
            skipping = true;
        }
    }
    out
}

/// The functions in a manifest.
fn functions(text: &str) -> Vec<FunctionName> {
    text.lines()
        .filter_map(|line| component_of(line, "]"))
        .collect()
}

/// The function of a table's header line.
fn component_of(line: &str, end: &str) -> Option<FunctionName> {
    let name = line.strip_prefix("[component.")?.strip_suffix(end)?;
    name.parse().ok()
}

/// The body of `[variables]`.
fn declarations(functions: &[FunctionName], before: &str) -> String {
    let mut out = format!("# {GENERATED}\n");
    // Writing to a string cannot fail.
    for (setting, name) in [&TWIN_NAME, &TWIN_CLOUD].map(|setting| (setting, lower(setting))) {
        let _ = writeln!(out, "{name} = {}", declared(setting));
    }
    for (name, declaration) in COMMON {
        let _ = writeln!(out, "{name} = {declaration}");
    }
    let read = |setting: &&Setting| {
        functions
            .iter()
            .any(|function| setting.is_read_by(*function))
    };
    for setting in DELIVERY.iter().filter(read) {
        let _ = writeln!(out, "{} = {}", lower(setting), declared(setting));
    }
    out.push_str(
        "# For each peer: its URL, and again the scheme, host and port of that URL, because Spin permits outbound calls by these.\n\
         # `http://self` in the allowed hosts lets the adapter ask whether a peer in this app is running.\n",
    );
    let mut seen = BTreeSet::new();
    for peer in functions.iter().flat_map(|function| function.peers()) {
        if seen.insert(*peer) {
            for line in peer_declarations(*peer, functions).lines() {
                let _ = writeln!(out, "{}", kept(line, before).unwrap_or(line));
            }
        }
    }
    out
}

fn declared(setting: &Setting) -> String {
    setting.default.map_or_else(
        || "{ required = true }".to_owned(),
        |default| format!("{{ default = \"{default}\" }}"),
    )
}

/// The existing line that declares the URL or host of a new line.
fn kept<'a>(line: &str, before: &'a str) -> Option<&'a str> {
    let (name, _) = line.split_once(" = ")?;
    let place = name.ends_with("_url") || name.ends_with("_host");
    let declares = |old: &&str| old.split_once(" = {").is_some_and(|(old, _)| old == name);
    before.lines().filter(|_| place).find(declares)
}

/// The declarations for a peer. A peer in this app is called by Spin's name for it.
fn peer_declarations(peer: Peer, functions: &[FunctionName]) -> String {
    let here = peer
        .function()
        .filter(|function| functions.contains(function))
        .and_then(|function| Some((function, function.routes().first()?)));
    let (url, host) = match here {
        Some((function, route)) => {
            let host = format!("http://{function}.spin.internal");
            (format!("{host}{route}"), host)
        }
        None => (String::new(), format!("https://{peer}.invalid")),
    };
    let names = peer.variables();
    let [url_name, token, cloud] = [names.url, names.token, names.cloud].map(str::to_lowercase);
    let host_name = url_name.replace("_url", "_host");
    format!(
        "{url_name} = {{ default = \"{url}\", secret = true }}\n\
         {host_name} = {{ default = \"{host}\" }}\n\
         {token} = {{ default = \"\", secret = true }}\n\
         {cloud} = {{ default = \"\" }}\n"
    )
}

/// The body of a function's `[component.NAME.variables]`.
fn used(function: FunctionName) -> String {
    let settings = [&TWIN_NAME, &TWIN_CLOUD].map(lower).into_iter();
    let common = COMMON.map(|(name, _)| name.to_owned()).into_iter();
    let delivery = DELIVERY
        .iter()
        .filter(|setting| setting.is_read_by(function))
        .map(lower);
    let peers = function.peers().iter().flat_map(|peer| {
        let names = peer.variables();
        [names.url, names.token, names.cloud].map(str::to_lowercase)
    });
    let names = settings.chain(common).chain(delivery).chain(peers);
    let mut out = format!("# {GENERATED}\n");
    for name in names {
        let _ = writeln!(out, "{name} = \"{{{{ {name} }}}}\"");
    }
    out
}

fn lower(setting: &Setting) -> String {
    setting.name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_variables_stays_as_it_was() {
        let given = "# top\n[variables]\nold = 1\n\n[component.writer]\nx = 1\n[component.writer.variables]\nold = 2\n\n[end]\n";
        let made = manifest(given);
        assert!(
            made.starts_with("# top\n[variables]\n# Generated"),
            "{made}"
        );
        assert!(
            made.contains("\n\n[component.writer]\nx = 1\n[component.writer.variables]\n# Gen")
        );
        assert!(
            made.ends_with("remote_error_reporter_cloud }}\"\n\n[end]\n"),
            "{made}"
        );
        assert!(
            !made.contains("old") && !made.contains("retry_max"),
            "{made}"
        );
        assert_eq!(manifest(&made), made, "made again it is the same");
        let elsewhere = made.replace("https://error-reporter.invalid", "https://errors.example");
        assert_eq!(manifest(&elsewhere), elsewhere, "where a peer is stays");
    }

    #[test]
    fn a_peer_in_the_app_is_called_there_and_another_is_not_set() {
        use FunctionName::{Connector, Ingestion};
        let peers = peer_declarations(Peer::Ingestion, &[Connector, Ingestion]);
        assert!(
            peers.contains("\"http://ingestion.spin.internal/ingest\""),
            "{peers}"
        );
        let peers = peer_declarations(Peer::Ingestion, &[Connector]);
        assert!(
            peers.contains("remote_ingestion_host = { default = \"https://ingestion.invalid\" }")
        );
        // A reader calls no other reader unless it is configured to.
        let peers = peer_declarations(Peer::Reader, &[FunctionName::Reader]);
        assert!(
            peers.contains("remote_reader_url = { default = \"\""),
            "{peers}"
        );
    }
}
