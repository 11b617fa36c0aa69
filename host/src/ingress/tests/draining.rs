//! Clients that disconnect, and the host's own stop.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::{
    sync::Notify,
    time::{self, Instant},
};

use super::*;

/// A function that waits for a notification, and signals its start and end.
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
        serving(HttpSettings {
            drain_timeout: SHORT,
            ..settings().http
        }),
    )
    .await;
    let mut client = server.connect().await;
    client.write_all(CALL).await.unwrap();
    begun.notified().await;
    drop(server.stop);
    server.task.await.unwrap();
    assert!(!ended.load(Ordering::SeqCst));
}

#[tokio::test]
async fn what_is_on_its_way_in_when_the_listener_closes_is_answered() {
    let server = Server::echo().await;
    let request = format!("GET /read HTTP/1.1\r\nhost: x\r\n{KEY}\r\n");
    let mut kept = server.connect().await;
    kept.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 512];
    assert!(kept.read(&mut first).await.unwrap() > 0);
    let mut half = server.connect().await;
    half.write_all(&request.as_bytes()[..20]).await.unwrap();
    let accepted = server.connect().await;
    time::sleep(SHORT).await;
    // From here to the first `await` nothing else runs: the server cannot have read or accepted any of this.
    let mut waiting: Vec<_> = (0..8)
        .map(|_| std::net::TcpStream::connect(server.address).unwrap())
        .chain([kept.into_std().unwrap(), accepted.into_std().unwrap()])
        .collect();
    for stream in &mut waiting {
        stream.write_all(request.as_bytes()).unwrap();
    }
    server.stop.send(true).unwrap();
    let mut replies = Vec::new();
    for stream in waiting {
        stream.set_nonblocking(true).unwrap();
        replies.push(TcpStream::from_std(stream).unwrap());
    }
    half.write_all(&request.as_bytes()[20..]).await.unwrap();
    replies.push(half);
    for mut stream in replies {
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert_status(&reply, 200);
        assert!(reply.contains("connection: close\r\n"), "{reply}");
    }
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn half_a_request_does_not_hold_the_end_up() {
    let started = Instant::now();
    let server = Server::start(
        Scripted::echo(&[Writer]),
        serving(HttpSettings {
            drain_timeout: Duration::from_secs(600),
            ..settings().http
        }),
    )
    .await;
    let mut halves = Vec::new();
    for sent in ["", "POST / HT", "POST / HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        halves.push(stream);
    }
    time::sleep(SHORT).await;
    server.stop.send(true).unwrap();
    server.task.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(60), "it waited");
}

#[tokio::test]
async fn half_a_body_is_answered_before_the_end() {
    let server = Server::start(
        Scripted::echo(&[Writer]),
        serving(HttpSettings {
            body_timeout: Duration::from_secs(600),
            drain_timeout: Duration::from_secs(2),
            ..settings().http
        }),
    )
    .await;
    let mut stream = server.connect().await;
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\n{KEY}content-length: 9\r\n\r\nabc");
    stream.write_all(head.as_bytes()).await.unwrap();
    time::sleep(SHORT).await;
    server.stop.send(true).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert_status(&reply, 408);
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_client_that_closes_its_half_is_answered() {
    let (functions, begun, go_on, _) = patient();
    let server = Server::start(functions, settings()).await;
    let mut client = server.connect().await;
    client.write_all(CALL).await.unwrap();
    client.shutdown().await.unwrap();
    begun.notified().await;
    time::sleep(SHORT).await;
    go_on.notify_one();
    let mut reply = String::new();
    client.read_to_string(&mut reply).await.unwrap();
    assert_status(&reply, 200);
    // Half a body is not accepted.
    let mut client = server.connect().await;
    let half = format!("POST / HTTP/1.1\r\nhost: x\r\n{KEY}content-length: 9\r\n\r\nabc");
    client.write_all(half.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).await.unwrap();
    assert_status(&reply, 400);
    assert!(reply.contains("BODY_UNREADABLE"), "{reply}");
}
