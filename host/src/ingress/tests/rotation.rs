//! A key that is kept elsewhere, and replaced there while messages are sent with it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use twin_capabilities::peers::{Outgoing, Request};

use super::*;
#[cfg(any(feature = "aws", feature = "gcp"))]
use crate::secrets::Services;
use crate::{
    config::{Config, Peer},
    credentials::RotatingCredentials,
    function::Verdict,
    peers::PeerSender,
    secrets::{
        Lookup, Vault,
        vault::tests::{REFERENCE, Service},
    },
};

const SENDERS: usize = 8;

/// Where the key is kept.
#[async_trait]
trait Keeper: Send + Sync {
    /// How a variable refers to it.
    fn reference(&self) -> String;

    /// Reads it there.
    fn lookup(&self) -> Arc<dyn Lookup>;

    /// Replaces it there.
    async fn keep(&self, key: &'static str);
}

#[async_trait]
impl Keeper for Arc<Service> {
    fn reference(&self) -> String {
        REFERENCE.to_owned()
    }

    fn lookup(&self) -> Arc<dyn Lookup> {
        Self::clone(self)
    }

    async fn keep(&self, key: &'static str) {
        self.set(Some(key));
    }
}

fn config(reference: &str, changes: &[(&str, &str)]) -> Arc<Config> {
    let variables = [
        ("TWIN_NAME", "factory-01"),
        ("TWIN_CLOUD", "aws"),
        ("TWIN_FUNCTIONS", "writer"),
        ("INTER_CLOUD_TOKEN", reference),
    ];
    let variables = variables.into_iter().chain(changes.iter().copied());
    Arc::new(Config::from_vars(variables).unwrap())
}

/// A vault that looks up the secret this often.
fn vault(keeper: &dyn Keeper, millis: u64) -> Arc<Vault> {
    let vault = Vault::new(keeper.lookup(), Duration::from_millis(millis));
    Arc::new(vault.with_pause(Duration::ZERO))
}

/// A writer that acknowledges what comes with a valid key.
async fn receiver(keeper: &dyn Keeper, millis: u64) -> Server {
    let config = config(&keeper.reference(), &[]);
    let verifier = RotatingCredentials::of(&config, vault(keeper, millis)).await;
    let settings = dispatching(DispatchSettings {
        verifier: Arc::new(verifier.unwrap().with_pause(Duration::ZERO)),
        ..settings().dispatch
    });
    let functions = Scripted::new(&[Writer], |_, request| async move {
        Ok(match request.verdict {
            Verdict::Verified(_) => response(200, "{}"),
            Verdict::Unavailable(_) => response(503, "{}"),
            _ => response(403, "{}"),
        })
    });
    Server::start(functions, settings).await
}

/// Sends until it is told to stop, and returns every status that it got.
async fn send(sender: Arc<PeerSender>, stop: Arc<AtomicBool>, sent: Arc<AtomicUsize>) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let message = Outgoing {
            peer: Peer::Writer,
            request: Request {
                method: "POST".to_owned(),
                query: String::new(),
                headers: vec![("idempotency-key".to_owned(), "1".to_owned())],
                body: b"{}".to_vec(),
            },
            timeout: Duration::from_secs(10),
        };
        let replies = sender.of(Connector).send(vec![message]).await;
        statuses.extend(replies.into_iter().map(|reply| reply.unwrap().status));
        sent.fetch_add(1, Ordering::SeqCst);
    }
    statuses
}

/// Replaces the key twice under load. No message may be refused.
async fn replace_under_load(keeper: &dyn Keeper) {
    // Whichever side looks the key up first: the sender in one run, the receiver in the other.
    for (sender_millis, receiver_millis) in [(1, 600_000), (600_000, 1)] {
        keeper.keep("key-0").await;
        let server = receiver(keeper, receiver_millis).await;
        let url = format!("http://{}/api/write", server.address);
        let reference = keeper.reference();
        let config = config(
            &reference,
            &[
                ("REMOTE_WRITER_URL", &url),
                ("REMOTE_WRITER_CLOUD", "aws"),
                ("REMOTE_WRITER_TOKEN", &reference),
            ],
        );
        let sender = PeerSender::new(config).unwrap();
        let sender = Arc::new(sender.with_secrets(vault(keeper, sender_millis)));
        let (stop, sent) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                tokio::spawn(send(
                    Arc::clone(&sender),
                    Arc::clone(&stop),
                    Arc::clone(&sent),
                ))
            })
            .collect();
        for key in ["key-1", "key-2"] {
            let before = sent.load(Ordering::SeqCst);
            keeper.keep(key).await;
            while sent.load(Ordering::SeqCst) < before + 50 * SENDERS {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        stop.store(true, Ordering::SeqCst);
        for sender in senders {
            let statuses = sender.await.unwrap();
            let refused = statuses.iter().filter(|status| **status != 200).count();
            assert_eq!((refused, statuses.len() > 50), (0, true));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_replaced_under_load_without_one_refused_message() {
    let service = Service::of("key-0");
    replace_under_load(&service).await;
    assert!(service.asked() >= 6);
}

/// The address of an emulator that runs somewhere.
#[cfg(any(feature = "aws", feature = "gcp"))]
fn emulator(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok();
    if found.is_none() {
        println!("skipped: keys in the services of clouds: {variable} is not set");
    }
    found
}

/// A client of emulators on this machine.
#[cfg(any(feature = "aws", feature = "gcp"))]
fn client() -> reqwest::Client {
    // An error means that a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    client.build().unwrap()
}

/// Sends a document, and expects success.
#[cfg(any(feature = "aws", feature = "gcp"))]
async fn told(request: reqwest::RequestBuilder, body: serde_json::Value) -> serde_json::Value {
    let reply = request.body(body.to_string()).send().await.unwrap();
    let status = reply.status();
    let text = reply.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap()
}

#[cfg(feature = "aws")]
mod secrets_manager {
    use serde_json::json;
    use twin_aws::{AwsSettings, Credentials, SecretsManager, SharedCredentialsProvider};

    use super::*;

    const REGION: &str = "us-east-1";

    struct Emulated {
        endpoint: String,
        arn: String,
    }

    /// As the owner of the emulated account, whose signatures the emulator does not compare.
    async fn call(endpoint: &str, action: &str, body: serde_json::Value) -> serde_json::Value {
        let scope = format!("test/20260101/{REGION}/secretsmanager/aws4_request");
        let signed =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let request = client()
            .post(endpoint)
            .header("x-amz-target", format!("secretsmanager.{action}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", signed);
        told(request, body).await
    }

    #[async_trait]
    impl Keeper for Emulated {
        fn reference(&self) -> String {
            self.arn.clone()
        }

        fn lookup(&self) -> Arc<dyn Lookup> {
            let mut settings = AwsSettings::new();
            settings.endpoint = Some(self.endpoint.clone());
            let owner = Credentials::new("test", "test", None, None, "test");
            settings.credentials = Some(SharedCredentialsProvider::new(owner));
            Arc::new(Services::with_aws(SecretsManager::open(settings)))
        }

        async fn keep(&self, key: &'static str) {
            let body = json!({"SecretId": self.arn, "SecretString": key});
            call(&self.endpoint, "PutSecretValue", body).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_key_is_replaced_in_secrets_manager_without_one_refused_message() {
        let Some(endpoint) = emulator("TWIN_TEST_AWS") else {
            return;
        };
        let name = format!("rotated-{}", uuid::Uuid::new_v4().simple());
        let body = json!({"Name": name, "SecretString": "key"});
        let made = call(&endpoint, "CreateSecret", body).await;
        let arn = made["ARN"].as_str().unwrap().to_owned();
        replace_under_load(&Emulated { endpoint, arn }).await;
    }
}

#[cfg(feature = "gcp")]
mod secret_manager {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde_json::json;
    use twin_gcp::{Endpoints, Identity, SecretManager};

    use super::*;

    struct Emulated {
        endpoint: String,
        name: String,
    }

    #[async_trait]
    impl Keeper for Emulated {
        fn reference(&self) -> String {
            format!("{}/versions/latest", self.name)
        }

        fn lookup(&self) -> Arc<dyn Lookup> {
            let plain = || self.endpoint.clone();
            let endpoints = Endpoints {
                firestore: plain(),
                pubsub: plain(),
                secret_manager: plain(),
            };
            let service = SecretManager::open(Identity::Anonymous, &endpoints).unwrap();
            Arc::new(Services::with_gcp(service))
        }

        async fn keep(&self, key: &'static str) {
            let url = format!("{}/v1/{}:addVersion", self.endpoint, self.name);
            let body = json!({"payload": {"data": STANDARD.encode(key)}});
            told(client().post(url), body).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_key_is_replaced_in_secret_manager_without_one_refused_message() {
        let Some(endpoint) = emulator("TWIN_TEST_SECRET_MANAGER") else {
            return;
        };
        let project = format!("projects/p-{}", uuid::Uuid::new_v4().simple());
        let url = format!("{endpoint}/v1/{project}/secrets?secretId=rotated");
        let body = json!({"replication": {"automatic": {}}});
        told(client().post(url), body).await;
        let name = format!("{project}/secrets/rotated");
        replace_under_load(&Emulated { endpoint, name }).await;
    }
}
