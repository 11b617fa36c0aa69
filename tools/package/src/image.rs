//! A container image as an OCI image layout (OCI image specification 1.1): no daemon makes it, and no root is needed.

use anyhow::Context;
use serde_json::{Value, json};
use twin_contract::digest;

use crate::{
    archive::{gzip, tar},
    certificates,
    files::Files,
    linkage::{Linkage, Machine},
};

/// The user and group that the program runs as: a number that no system gives to a user of its own.
const USER: &str = "65532:65532";
/// Where TLS libraries look for the certificates of authorities, in an image that has nothing else.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The layout of an image with the program `twin`, which serves, and the files that belong to it.
///
/// # Errors
/// If the program needs libraries: the image has none.
pub(crate) fn layout(program: &[u8], files: &Files, version: &str) -> anyhow::Result<Files> {
    let linkage = Linkage::of(program)?;
    linkage.require_static()?;
    let mut root = files.clone();
    root.add_program("twin", program);
    root.add(AUTHORITIES, certificates::pem());
    let layer = tar(&root)?;
    let config = config(linkage.machine, version, &digest(&layer));
    pack(&gzip(&layer)?, &config, version)
}

fn config(machine: Machine, version: &str, layer: &str) -> Value {
    json!({
        "architecture": machine.oci(),
        "os": "linux",
        "config": {
            "User": USER,
            "Entrypoint": ["/twin"],
            "Cmd": ["serve"],
            "WorkingDir": "/",
            "Labels": { "org.opencontainers.image.version": version },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
    })
}

fn pack(layer: &[u8], config: &Value, version: &str) -> anyhow::Result<Files> {
    let mut files = Files::default();
    let config = blob(&mut files, CONFIG, &text(config)?);
    let layer = blob(&mut files, LAYER, layer);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [layer],
    });
    let mut manifest = blob(&mut files, MANIFEST, &text(&manifest)?);
    if let Some(descriptor) = manifest.as_object_mut() {
        let name = json!({ "org.opencontainers.image.ref.name": version });
        descriptor.insert("annotations".to_owned(), name);
    }
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    files.add("index.json", text(&index)?);
    files.add(
        "oci-layout",
        text(&json!({ "imageLayoutVersion": "1.0.0" }))?,
    );
    Ok(files)
}

/// Adds a blob under its digest, and returns its descriptor.
fn blob(files: &mut Files, kind: &str, bytes: &[u8]) -> Value {
    let digest = digest(bytes);
    files.add(format!("blobs/sha256/{digest}"), bytes);
    json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": bytes.len() })
}

fn text(value: &Value) -> anyhow::Result<Vec<u8>> {
    serde_json::to_vec(value).context("a document of the image")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn made() -> Files {
        let mut files = Files::default();
        files.add("components/precompiled.json", "{}");
        let layer = tar(&files).unwrap();
        let config = config(Machine::X86_64, "1.2.3", &digest(&layer));
        pack(&gzip(&layer).unwrap(), &config, "1.2.3").unwrap()
    }

    fn bytes<'a>(files: &'a Files, path: &str) -> &'a [u8] {
        let (_, file) = files.iter().find(|(other, _)| *other == path).unwrap();
        &file.bytes
    }

    fn read(files: &Files, path: &str) -> Value {
        serde_json::from_slice(bytes(files, path)).unwrap()
    }

    /// Follows a descriptor, and checks that it describes the blob.
    fn follow<'a>(files: &'a Files, descriptor: &Value) -> &'a [u8] {
        let named = descriptor["digest"].as_str().unwrap();
        let named = named.strip_prefix("sha256:").unwrap();
        let blob = bytes(files, &format!("blobs/sha256/{named}"));
        assert_eq!(digest(blob), named);
        assert_eq!(descriptor["size"], blob.len());
        blob
    }

    #[test]
    fn every_digest_leads_to_its_blob() {
        let files = made();
        assert_eq!(read(&files, "oci-layout")["imageLayoutVersion"], "1.0.0");
        let index = read(&files, "index.json");
        let manifest = follow(&files, &index["manifests"][0]);
        let manifest: Value = serde_json::from_slice(manifest).unwrap();
        let config: Value = serde_json::from_slice(follow(&files, &manifest["config"])).unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Entrypoint"][0], "/twin");
        assert_eq!(config["architecture"], "amd64");
        let layer = follow(&files, &manifest["layers"][0]);
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(layer)
            .read_to_end(&mut content)
            .unwrap();
        let uncompressed = format!("sha256:{}", digest(&content));
        assert_eq!(config["rootfs"]["diff_ids"][0], uncompressed);
    }

    #[test]
    fn an_image_is_the_same_each_time() {
        assert_eq!(made(), made());
    }

    #[test]
    fn a_program_that_needs_libraries_is_not_put_into_an_empty_image() {
        // The test's own program is linked to libraries.
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let error = layout(&program, &Files::default(), "1").unwrap_err();
        assert!(error.to_string().contains("static"), "{error}");
    }
}
