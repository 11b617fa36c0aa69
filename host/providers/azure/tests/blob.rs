//! Copies of dead letters in Blob Storage: against the emulator that `TWIN_TEST_AZURE_BLOB` names (Azurite), with a shared access
//! signature; and the letters themselves in the Cosmos DB of `TWIN_TEST_COSMOS`.

#![cfg(test)]

mod support;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value as Json;
use support::{BLOB, COSMOS, KEY, fresh, sas::signed, variable};
use twin_azure::{AzureSettings, Problem};
use twin_capabilities::{
    secrets::Secret,
    testing::{Skipped, samples::letter},
};

fn settings() -> Result<AzureSettings, Skipped> {
    let mut settings = AzureSettings::new(variable(COSMOS)?);
    settings.key = Some(Secret::new(KEY));
    settings.database = Some(fresh());
    settings.storage_endpoint = Some(Secret::new(signed(&variable(BLOB)?, KEY)));
    settings.storage_container = fresh();
    Ok(settings)
}

async fn copies(settings: &AzureSettings, query: &str) -> (u16, String) {
    let mut url = url::Url::parse(settings.storage_endpoint.as_ref().unwrap().expose()).unwrap();
    let container = &settings.storage_container;
    url.set_path(&format!("{}/{container}{query}", url.path()));
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn each_new_letter_is_copied_once() {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let before = twin_azure::check(&settings, "factory-01").await.unwrap();
    let blobs = before.iter().filter(|finding| {
        finding.what.contains(&settings.storage_container) && finding.problem == Problem::Missing
    });
    assert_eq!(blobs.count(), 1, "{before:?}");
    let made = twin_azure::init(&settings, "factory-01").await.unwrap();
    assert!(
        made.len() == 6 && made.iter().all(|made| made.created),
        "{made:?}"
    );
    let again = twin_azure::init(&settings, "factory-01").await.unwrap();
    assert!(again.iter().all(|made| !made.created), "{again:?}");

    let stores = twin_azure::open(settings.clone(), "factory-01")
        .unwrap()
        .stores();
    stores.dead_letters.push(letter("a")).await.unwrap();
    let (status, copy) = copies(&settings, "/factory-01/a.json").await;
    assert_eq!(status, 200);
    let copy: Json = serde_json::from_str(&copy).unwrap();
    assert_eq!(copy["letter_id"], "a");
    assert_eq!(copy["attempts"][0]["status"], 503);
    let envelope = STANDARD
        .decode(copy["envelope_base64"].as_str().unwrap())
        .unwrap();
    assert_eq!(envelope, letter("a").envelope);

    // Stored again after it was settled, with another history: the first copy stays, and nothing fails.
    let taken = stores
        .dead_letters
        .take(Default::default(), None, 1, 1000)
        .await
        .unwrap();
    let receipt = taken.leases[0].receipt.clone();
    assert_eq!(
        stores.dead_letters.settle("a".to_owned(), receipt).await,
        Ok(true)
    );
    let mut changed = letter("a");
    changed.attempts.clear();
    stores.dead_letters.push(changed).await.unwrap();
    let (_, copy) = copies(&settings, "/factory-01/a.json").await;
    let copy: Json = serde_json::from_str(&copy).unwrap();
    assert_eq!(copy["attempts"][0]["status"], 503);
}

#[tokio::test]
async fn a_wrong_signature_is_denied_and_does_not_fail_the_letter() {
    let (mut settings, blob) = match (settings(), variable(BLOB)) {
        (Ok(settings), Ok(blob)) => (settings, blob),
        (Err(reason), _) | (_, Err(reason)) => return println!("skipped: {reason}"),
    };
    twin_azure::init(&settings, "factory-01").await.unwrap();
    settings.storage_endpoint = Some(Secret::new(signed(&blob, &STANDARD.encode("another key"))));
    let findings = twin_azure::check(&settings, "factory-01").await.unwrap();
    assert!(
        findings
            .iter()
            .any(|finding| finding.to_string().ends_with("(denied)")),
        "{findings:?}"
    );
    let stores = twin_azure::open(settings, "factory-01").unwrap().stores();
    stores.dead_letters.push(letter("a")).await.unwrap();
    assert!(
        stores
            .dead_letters
            .get("a".to_owned())
            .await
            .unwrap()
            .is_some()
    );
}
