//! Which layer runs on which cloud.

use std::{fs, path::Path};

use serde_json::{Map, Value};
use twin_contract::Cloud;

/// An invalid placement.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlacementError {
    /// Neither a file nor pairs.
    #[error("--placement `{0}` is neither a file nor of the form L1=aws,L2=azure,L3=gcp")]
    Unreadable(String),
    /// The file is not a JSON object.
    #[error("--placement: {0} is not a JSON object with `layer_1_provider`, `layer_2_provider`, …")]
    NotAnObject(String),
    /// A layer without a cloud.
    #[error("--placement: {0} is missing")]
    LayerMissing(&'static str),
    /// An unknown cloud.
    #[error("--placement: `{cloud}` for {layer} must be aws, azure or gcp")]
    CloudUnknown {
        /// The layer.
        layer: String,
        /// What was given.
        cloud: String,
    },
    /// An unknown layer.
    #[error("--placement: unknown layer `{0}`, expected L1 to L5")]
    LayerUnknown(String),
}

/// Which layer runs on which cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// Devices arrive here.
    pub(super) l1: Cloud,
    /// Processing.
    pub(super) l2: Cloud,
    /// Storage.
    pub(super) l3: Cloud,
    /// Queries also come from here, if given.
    pub(super) l4: Option<Cloud>,
    /// Queries also come from here, if given.
    pub(super) l5: Option<Cloud>,
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            l1: Cloud::Aws,
            l2: Cloud::Azure,
            l3: Cloud::Gcp,
            l4: None,
            l5: None,
        }
    }
}

/// The names of the layers in `--placement` and in a deployer's `config_providers.json`.
const LAYERS: [(&str, &str); 5] = [
    ("L1", "layer_1_provider"),
    ("L2", "layer_2_provider"),
    ("L3", "layer_3_hot_provider"),
    ("L4", "layer_4_provider"),
    ("L5", "layer_5_provider"),
];

impl Placement {
    /// Reads `L1=aws,L2=azure,L3=gcp`, or a file such as a deployer's `config_providers.json`.
    pub(super) fn read(text: &str) -> Result<Self, PlacementError> {
        if let Ok(json) = fs::read(Path::new(text)) {
            return Self::from_file(text, &json);
        }
        let mut clouds = [None; 5];
        for pair in text.split(',') {
            let (layer, cloud) = pair
                .split_once('=')
                .ok_or_else(|| PlacementError::Unreadable(text.to_owned()))?;
            let mut slots = LAYERS.iter().zip(&mut clouds);
            let (_, slot) = slots
                .find(|((name, _), _)| name.eq_ignore_ascii_case(layer.trim()))
                .ok_or_else(|| PlacementError::LayerUnknown(layer.to_owned()))?;
            *slot = Some(parse(layer, cloud.trim())?);
        }
        Self::complete(clouds)
    }

    fn from_file(file: &str, json: &[u8]) -> Result<Self, PlacementError> {
        let fields: Map<String, Value> = serde_json::from_slice(json)
            .map_err(|_| PlacementError::NotAnObject(file.to_owned()))?;
        let mut clouds = [None; 5];
        for ((_, field), slot) in LAYERS.iter().zip(&mut clouds) {
            if let Some(value) = fields.get(*field) {
                let cloud = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                *slot = Some(parse(field, &cloud)?);
            }
        }
        Self::complete(clouds)
    }

    fn complete([l1, l2, l3, l4, l5]: [Option<Cloud>; 5]) -> Result<Self, PlacementError> {
        Ok(Self {
            l1: l1.ok_or(PlacementError::LayerMissing("L1 (layer_1_provider)"))?,
            l2: l2.ok_or(PlacementError::LayerMissing("L2 (layer_2_provider)"))?,
            l3: l3.ok_or(PlacementError::LayerMissing("L3 (layer_3_hot_provider)"))?,
            l4,
            l5,
        })
    }
}

fn parse(layer: &str, cloud: &str) -> Result<Cloud, PlacementError> {
    cloud.parse().map_err(|_| PlacementError::CloudUnknown {
        layer: layer.to_owned(),
        cloud: cloud.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read() {
        assert_eq!(
            Placement::read("L1=aws,L2=azure,L3=gcp").unwrap(),
            Placement::default()
        );
        let all = Placement::read("l3=google, l1=gcp,L2=gcp,L5=aws").unwrap();
        assert_eq!(
            (all.l1, all.l2, all.l3, all.l4, all.l5),
            (Cloud::Gcp, Cloud::Gcp, Cloud::Gcp, None, Some(Cloud::Aws))
        );
    }

    #[test]
    fn a_deployers_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config_providers.json");
        fs::write(&file, r#"{"layer_1_provider":"google","layer_2_provider":"azure","layer_3_hot_provider":"aws","layer_3_cold_provider":"google","layer_4_provider":"azure"}"#).unwrap();
        let placement = Placement::read(file.to_str().unwrap()).unwrap();
        assert_eq!(
            (placement.l1, placement.l2, placement.l3),
            (Cloud::Gcp, Cloud::Azure, Cloud::Aws)
        );
        assert_eq!((placement.l4, placement.l5), (Some(Cloud::Azure), None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("nowhere", "neither a file nor"),
            ("L1=aws,L2=azure", "L3 (layer_3_hot_provider) is missing"),
            ("L1=ibm,L2=azure,L3=gcp", "`ibm` for L1"),
            ("L1=aws,L7=azure,L3=gcp", "unknown layer `L7`"),
        ] {
            let error = Placement::read(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
