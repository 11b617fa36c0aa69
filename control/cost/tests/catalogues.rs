//! What is a catalogue of prices.

#![cfg(test)]

use serde_json::{Value, json};
use twin_cost::{Catalogue, CatalogueError};

const PRICES: &str = include_str!("../prices/pricing.json");

fn with(path: &[&str], value: Value) -> Result<Catalogue, CatalogueError> {
    let mut prices: Value = serde_json::from_str(PRICES).unwrap();
    let mut place = &mut prices;
    for name in path {
        place = &mut place[*name];
    }
    *place = value;
    Catalogue::parse(&prices.to_string())
}

#[test]
fn a_catalogue_is_named_after_its_text() {
    let catalogue = Catalogue::built_in().unwrap();
    assert_eq!(
        catalogue.id(),
        format!("pcs_{}", twin_contract::digest(PRICES.as_bytes()))
    );
    let other = with(&["aws", "lambda", "requestPrice"], json!(3e-7)).unwrap();
    assert_ne!(catalogue.id(), other.id());
}

#[test]
fn what_is_questionable_is_named() {
    let catalogue = Catalogue::built_in().unwrap();
    let named: Vec<_> = catalogue
        .warnings()
        .iter()
        .map(|warning| warning.price)
        .collect();
    assert_eq!(
        named,
        [
            "aws.apiGateway.pricePerMillionCalls",
            "aws.eventBridge.pricePerMillionEvents",
            "aws.iotCore.pricePerDeviceAndMonth",
            "aws.s3GlacierDeepArchive.storagePrice",
            "azure.cosmosDB.requestPrice",
            "azure.cosmosDB.RUsPerWrite",
            "gcp.functions.durationPrice",
        ]
    );
    let mended = with(
        &["aws", "s3GlacierDeepArchive", "storagePrice"],
        json!(0.0018),
    )
    .unwrap();
    assert_eq!(mended.warnings().len(), named.len() - 1);
}

#[test]
fn a_price_that_is_missing_or_no_number_is_an_error() {
    for value in [Value::Null, json!("0.1"), json!([])] {
        let error = with(&["aws", "lambda", "requestPrice"], value.clone());
        assert!(
            matches!(error, Err(CatalogueError::Json(_))),
            "{value}: {error:?}"
        );
    }
    assert!(Catalogue::parse("{}").is_err());
}

#[test]
fn tiers_of_transfer_follow_each_other_and_do_not_end() {
    let tiers = |bounds: &[(f64, Option<f64>, f64)]| {
        let tier = |(start, end, price): &(f64, Option<f64>, f64)| json!({"start_quantity": start, "end_quantity": end, "unit_price": price});
        let tiers: Vec<_> = bounds.iter().map(tier).collect();
        with(&["gcp", "transfer", "pricing_tiers"], json!(tiers))
    };
    assert!(tiers(&[(0.0, Some(1.0), 0.0), (1.0, None, 0.1)]).is_ok());
    for (bounds, problem) in [
        (&[(0.0, Some(1.0), 0.0), (2.0, None, 0.1)][..], "follow"),
        (&[(1.0, None, 0.1)], "follow"),
        (&[(0.0, Some(1.0), 0.1)], "without an end"),
        (&[], "without an end"),
        (&[(0.0, None, -0.1)], "negative"),
    ] {
        let message = tiers(bounds).unwrap_err().to_string();
        assert!(
            message.contains("gcp.transfer") && message.contains(problem),
            "{message}"
        );
    }
}
