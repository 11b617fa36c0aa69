//! A key that is kept elsewhere, and replaced there while messages are sent with it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use twin_capabilities::peers::{Outgoing, Request};

use super::*;
use crate::{
    config::{Config, Peer},
    credentials::RotatingCredentials,
    function::Verdict,
    peers::PeerSender,
    secrets::{
        Vault,
        vault::tests::{REFERENCE, Service},
    },
};

const SENDERS: usize = 8;

fn config(changes: &[(&str, &str)]) -> Arc<Config> {
    let variables = [
        ("TWIN_NAME", "factory-01"),
        ("TWIN_CLOUD", "aws"),
        ("TWIN_FUNCTIONS", "writer"),
        ("INTER_CLOUD_TOKEN", REFERENCE),
    ];
    let variables = variables.into_iter().chain(changes.iter().copied());
    Arc::new(Config::from_vars(variables).unwrap())
}

/// A vault that looks up the secret this often.
fn vault(service: &Arc<Service>, millis: u64) -> Arc<Vault> {
    let vault = Vault::new(service.clone(), Duration::from_millis(millis));
    Arc::new(vault.with_pause(Duration::ZERO))
}

/// A writer that acknowledges what comes with a valid key.
async fn receiver(service: &Arc<Service>, millis: u64) -> Server {
    let verifier = RotatingCredentials::of(&config(&[]), vault(service, millis)).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_replaced_under_load_without_one_refused_message() {
    // Whichever side looks the key up first: the sender in one run, the receiver in the other.
    for (sender_millis, receiver_millis) in [(1, 600_000), (600_000, 1)] {
        let service = Service::of("key-0");
        let server = receiver(&service, receiver_millis).await;
        let url = format!("http://{}/api/write", server.address);
        let config = config(&[
            ("REMOTE_WRITER_URL", &url),
            ("REMOTE_WRITER_CLOUD", "aws"),
            ("REMOTE_WRITER_TOKEN", REFERENCE),
        ]);
        let sender = PeerSender::new(config).unwrap();
        let sender = Arc::new(sender.with_secrets(vault(&service, sender_millis)));
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
            service.set(Some(key));
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
        assert!(service.asked() >= 3);
    }
}
