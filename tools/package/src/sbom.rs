//! A bill of materials in CycloneDX 1.6: what the program was built of, and the function components beside it. It has neither a time nor a
//! random number in it, so that the same build gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};

/// A crate in the output of `cargo tree`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
}

/// The part of `Cargo.lock` that is of interest.
#[derive(Debug, Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// The subject of the bill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// The version of `twin`.
    pub(crate) version: &'a str,
    /// The lower-case hex SHA-256 of the program.
    pub(crate) sha256: &'a str,
    /// The digests of the function components, by name.
    pub(crate) components: &'a BTreeMap<String, String>,
}

/// Makes the bill. `tree` has a line for each crate, as `cargo tree --prefix none --format '{p}|{l}'` prints it; `lock` is `Cargo.lock`.
///
/// # Errors
/// If one of the texts cannot be read.
pub(crate) fn bill(subject: Subject<'_>, tree: &str, lock: &str) -> anyhow::Result<String> {
    let lock: Lock = toml::from_str(lock).context("Cargo.lock")?;
    let checksums: BTreeMap<_, _> = lock
        .package
        .iter()
        .map(|locked| ((&*locked.name, &*locked.version), &locked.checksum))
        .collect();
    let crates = crates(tree)?;
    let libraries = crates.iter().map(|library| {
        let Crate {
            name,
            version,
            licence,
        } = library;
        let purl = format!("pkg:cargo/{name}@{version}");
        let mut entry = json!({
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "licenses": [{ "expression": licence }],
            "purl": purl,
        });
        let checksum = checksums.get(&(&**name, &**version));
        if let (Some(Some(checksum)), Some(entry)) = (checksum, entry.as_object_mut()) {
            entry.insert("hashes".to_owned(), hashes(checksum));
        }
        entry
    });
    let functions = subject.components.iter().map(|(name, sha256)| {
        json!({
            "type": "application",
            "bom-ref": format!("function:{name}"),
            "name": format!("{name}.wasm"),
            "version": subject.version,
            "hashes": hashes(sha256),
        })
    });
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "twin",
                "name": "twin",
                "version": subject.version,
                "hashes": hashes(subject.sha256),
            }
        },
        "components": functions.chain(libraries).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&bill).context("the bill of materials")? + "\n")
}

fn hashes(sha256: &str) -> Value {
    json!([{ "alg": "SHA-256", "content": sha256 }])
}

/// The crates of a tree, each once.
fn crates(tree: &str) -> anyhow::Result<BTreeSet<Crate>> {
    let lines = tree.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| read(line).with_context(|| format!("a line of the tree: {line}")))
        .collect()
}

/// `name v1.2.3 (/its/folder)|MIT/Apache-2.0 (*)`: a folder, and the mark of a crate that was listed before, are left out.
fn read(line: &str) -> Option<Crate> {
    let (package, licence) = line.split_once('|')?;
    let mut words = package.split(' ');
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    let licence = licence.trim_end_matches("(*)").trim();
    Some(Crate {
        name,
        version,
        // The form that Cargo once had.
        licence: licence.replace('/', " OR "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "twin-host v0.1.0 (/home/someone/twin/host)|MIT OR Apache-2.0\n\
                        base64 v0.22.1|MIT/Apache-2.0\n\
                        ring v0.17.14|Apache-2.0 AND ISC\n\
                        base64 v0.22.1|MIT/Apache-2.0 (*)\n";
    const LOCK: &str = "version = 4\n[[package]]\nname = \"base64\"\nversion = \"0.22.1\"\nchecksum = \"72b3\"\n\
                        [[package]]\nname = \"twin-host\"\nversion = \"0.1.0\"\n";

    fn made() -> String {
        let components = [("writer".to_owned(), "aa".to_owned())].into();
        let subject = Subject {
            version: "0.1.0",
            sha256: "bb",
            components: &components,
        };
        bill(subject, TREE, LOCK).unwrap()
    }

    #[test]
    fn all_crates_and_functions_are_listed_once_with_their_digests() {
        let bill: Value = serde_json::from_str(&made()).unwrap();
        assert_eq!(bill["specVersion"], "1.6");
        assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], "bb");
        let components = bill["components"].as_array().unwrap();
        let names: Vec<_> = components
            .iter()
            .map(|component| component["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["writer.wasm", "base64", "ring", "twin-host"]);
        assert_eq!(components[0]["hashes"][0]["content"], "aa");
        assert_eq!(components[1]["purl"], "pkg:cargo/base64@0.22.1");
        assert_eq!(components[1]["hashes"][0]["content"], "72b3");
        assert_eq!(
            components[1]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert!(components[3].get("hashes").is_none());
    }

    #[test]
    fn a_bill_is_the_same_each_time_and_names_no_folder() {
        assert_eq!(made(), made());
        assert!(!made().contains("/home/someone"));
    }

    #[test]
    fn a_line_that_is_no_crate_is_an_error() {
        let error = crates("base64 0.22.1|MIT").unwrap_err();
        assert!(format!("{error:#}").contains("base64 0.22.1"), "{error:#}");
    }
}
