//! Cloud Run: the program of the image, which listens itself.

use std::{fs, os::unix::process::CommandExt, path::Path, process};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::{Command, Variables};

/// Becomes the program of the image.
pub(crate) fn run(command: &Command, variables: Variables) {
    let root = command.folder.join("root");
    let config = unpack(&command.package.join("image"), &root);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let words = |name: &str| config["config"][name].as_array().unwrap().iter().map(text);
    let mut entry = words("Entrypoint").chain(words("Cmd"));
    let program = entry.next().unwrap();
    let error = process::Command::new(root.join(program.trim_start_matches('/')))
        .args(entry)
        .env_clear()
        .envs(variables)
        // What the platform sets. It listens on all interfaces there.
        .env("PORT", command.port.to_string())
        .env("K_SERVICE", "twin")
        .env("K_REVISION", "twin-00001")
        .env("K_CONFIGURATION", "twin")
        .env("TWIN_BIND", "127.0.0.1")
        .exec();
    panic!("{program}: {error}");
}

/// Unpacks the layers of an image layout, and returns the configuration.
fn unpack(layout: &Path, root: &Path) -> Value {
    let read =
        |path: &Path| fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        read(&layout.join("blobs").join(digest.replace(':', "/")))
    };
    let index = json(read(&layout.join("index.json")));
    let manifest = json(blob(&index["manifests"][0]));
    for layer in manifest["layers"].as_array().unwrap() {
        tar::Archive::new(GzDecoder::new(&*blob(layer)))
            .unpack(root)
            .unwrap();
    }
    json(blob(&manifest["config"]))
}
