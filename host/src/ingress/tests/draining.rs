//! Clients that go away, and the host's own end.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::{sync::Notify, time};

use super::*;

/// A function that waits to be let on, and tells when it begins and has ended.
fn patient() -> (
    Arc<dyn Functions>,
    Arc<Notify>,
    Arc<Notify>,
    Arc<AtomicBool>,
) {
    let (begun, go_on, ended) = <(Arc<Notify>, Arc<Notify>, Arc<AtomicBool>)>::default();
    let signals = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&ended));
    let functions = Scripted::new(&[Writer], move |_, _| {
        let (begun, go_on, ended) = signals.clone();
        async move {
            begun.notify_one();
            go_on.notified().await;
            ended.store(true, Ordering::SeqCst);
            Ok(response(200, "done"))
        }
    });
    (functions, begun, go_on, ended)
}

const CALL: &[u8] = b"POST / HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_client_that_goes_away_does_not_end_its_call_and_draining_waits_for_it() {
    let (functions, begun, go_on, ended) = patient();
    let server = Server::start(functions, settings()).await;
    let mut client = server.connect().await;
    client.write_all(CALL).await.unwrap();
    begun.notified().await;
    drop(client);
    server.stop.send(true).unwrap();
    time::sleep(SHORT).await;
    assert!(!server.task.is_finished());
    go_on.notify_one();
    server.task.await.unwrap();
    assert!(ended.load(Ordering::SeqCst));
}

#[tokio::test]
async fn draining_finishes_what_was_begun_and_accepts_no_more() {
    let (functions, begun, go_on, _) = patient();
    let server = Server::start(functions, settings()).await;
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    busy.write_all(CALL).await.unwrap();
    begun.notified().await;
    server.stop.send(true).unwrap();
    // The idle connection is closed at once, which shows that draining has begun.
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap(), 0);
    assert!(TcpStream::connect(server.address).await.is_err());
    go_on.notify_one();
    let mut reply = String::new();
    busy.read_to_string(&mut reply).await.unwrap();
    assert_status(&reply, 200);
    assert!(reply.contains("connection: close\r\n"), "{reply}");
    server.task.await.unwrap();
}

#[tokio::test]
async fn draining_ends_in_time() {
    let (functions, begun, _go_on, ended) = patient();
    let server = Server::start(
        functions,
        IngressSettings {
            drain_timeout: SHORT,
            ..settings()
        },
    )
    .await;
    let mut client = server.connect().await;
    client.write_all(CALL).await.unwrap();
    begun.notified().await;
    drop(server.stop);
    server.task.await.unwrap();
    assert!(!ended.load(Ordering::SeqCst));
}
