//! Google's credentials library, in the way in which the provider uses it: with workload identity federation, whose files and
//! addresses a test can give, over TLS.
//!
//! The library and the certificate authorities are configured by the environment. So each test does its part in a process of
//! its own, which is this file again.

#![cfg(test)]

mod common;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use common::{Answer, Asked, serve};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use twin_gcp::GcpSettings;

/// Where the process of its own finds the services.
const ENDPOINT: &str = "TWIN_TEST_GCP_ENDPOINT";

/// Google, as far as it is needed: exchanges tokens, and has no circuits.
struct Google {
    endpoint: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A certificate authority, and what accepts connections with its certificate.
fn tls() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let chain = vec![CertificateDer::from(certificate)];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}

impl Google {
    /// Writes its certificate, and credentials for it, to a folder.
    async fn start(folder: &Path, token: Answer) -> Self {
        let (authority, acceptor) = tls();
        fs::write(folder.join("ca.pem"), authority).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("https://{}", listener.local_addr().unwrap());
        let asked = Arc::default();
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen, token) = (acceptor.clone(), Arc::clone(&seen), token.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let answer = move |asked: &Asked| match asked.line.as_str() {
                        "POST /v1/token" => token.clone(),
                        _ => Answer::of(200, json!([{"missing": "n"}])),
                    };
                    serve(stream, Arc::new(answer), seen).await;
                });
            }
        });
        fs::write(folder.join("subject"), "a token of another cloud").unwrap();
        let credentials = json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/o",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{endpoint}/v1/token"),
            "credential_source": {"file": folder.join("subject")},
        });
        fs::write(folder.join("credentials.json"), credentials.to_string()).unwrap();
        Self { endpoint, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Runs a test of this file in a process of its own, with what is in the folder.
async fn run(test: &str, folder: &Path, endpoint: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture"])
        .env_clear()
        .env(ENDPOINT, endpoint)
        .env("SSL_CERT_FILE", folder.join("ca.pem"))
        .env(
            "GOOGLE_APPLICATION_CREDENTIALS",
            folder.join("credentials.json"),
        );
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

/// The part in a process of its own: prints the outcome of a call.
#[tokio::test]
async fn in_a_process_of_its_own() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else {
        return;
    };
    let mut settings = GcpSettings::new("my-project");
    settings.endpoints.firestore = endpoint;
    match twin_gcp::open(settings, "factory-01") {
        Ok(gcp) => println!(
            "{:?}",
            gcp.stores().circuits.load("writer".to_owned()).await
        ),
        Err(error) => println!("{error}"),
    }
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_and_sent() {
    let folder = tempfile::tempdir().unwrap();
    let token = json!({
        "access_token": "token-1", "token_type": "Bearer", "expires_in": 3600,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    let google = Google::start(folder.path(), Answer::of(200, token)).await;
    let output = run("in_a_process_of_its_own", folder.path(), &google.endpoint).await;
    let said = said(&output);
    assert!(said.contains("Ok(Circuit { version: 0"), "{said}");
    let asked = google.asked();
    let lines: Vec<_> = asked.iter().map(|asked| asked.line.as_str()).collect();
    let get = "POST /v1/projects/my-project/databases/(default)/documents:batchGet";
    assert_eq!(lines, ["POST /v1/token", get]);
    assert_eq!(asked[1].authorization.as_deref(), Some("Bearer token-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_denied() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Answer::of(400, json!({"error": "invalid_grant"}));
    let google = Google::start(folder.path(), refused).await;
    let output = run("in_a_process_of_its_own", folder.path(), &google.endpoint).await;
    let said = said(&output);
    let text = "datastore.entities.get failed: the credentials were refused (denied)";
    assert!(said.contains(text), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_cannot_be_read_fail_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let google = Google::start(folder.path(), Answer::of(200, "")).await;
    fs::write(folder.path().join("credentials.json"), "{}").unwrap();
    let output = run("in_a_process_of_its_own", folder.path(), &google.endpoint).await;
    let said = said(&output);
    let text = "the application default credentials cannot be used";
    assert!(said.contains(text), "{said}");
    assert_eq!(google.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credentials_go_to_plain_http() {
    let folder = tempfile::tempdir().unwrap();
    let _google = Google::start(folder.path(), Answer::of(200, "")).await;
    let output = run(
        "in_a_process_of_its_own",
        folder.path(),
        "http://127.0.0.1:1",
    )
    .await;
    let said = said(&output);
    let text = "the endpoint `endpoints.firestore` is plain HTTP";
    assert!(said.contains(text), "{said}");
}
