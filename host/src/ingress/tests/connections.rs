//! Many connections, and clients that do not read their replies.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{sync::Notify, time};

use super::*;

/// More than the operating system takes before the client reads.
const LARGE: usize = 24 * 1024 * 1024;

/// A function whose replies are large.
fn large() -> Arc<dyn Functions> {
    Scripted::new(&[Reader], |_, _| async {
        Ok(Response {
            body: vec![b'x'; LARGE],
            ..response(200, "")
        })
    })
}

const ASK: &[u8] = b"GET /read HTTP/1.1\r\nhost: x\r\nx-api-key: key\r\n\r\n";

/// Sends a request, and reads only the status.
async fn ask(server: &Server) -> (TcpStream, String) {
    let mut stream = server.connect().await;
    stream.write_all(ASK).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    (stream, String::from_utf8(status.into()).unwrap())
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let server = Server::start(
        large(),
        serving(HttpSettings {
            write_timeout: SHORT,
            drain_timeout: Duration::from_secs(600),
            ..settings().http
        }),
    )
    .await;
    let started = time::Instant::now();
    let (mut stream, status) = ask(&server).await;
    assert_eq!(status, "HTTP/1.1 200");
    // A host that stops waits until every reply is read or abandoned.
    server.stop.send(true).unwrap();
    server.task.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(60), "it waited");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < LARGE, "all of it was sent");
}

#[tokio::test]
async fn a_client_that_reads_gets_all() {
    let server = Server::start(
        large(),
        serving(HttpSettings {
            write_timeout: Duration::from_secs(5),
            ..settings().http
        }),
    )
    .await;
    let (mut stream, _) = ask(&server).await;
    let mut buffer = vec![0; 1024 * 1024];
    let mut read = 0;
    while read < LARGE {
        time::sleep(Duration::from_millis(1)).await;
        let more = stream.read(&mut buffer).await.unwrap();
        assert!(more > 0, "{read} of {LARGE}");
        read += more;
    }
}

#[tokio::test]
async fn replies_that_are_not_read_take_no_more_memory_than_is_set_aside() {
    let server = Server::start(
        large(),
        serving(HttpSettings {
            body_memory: u32::try_from(5 * LARGE / 2).unwrap(),
            ..settings().http
        }),
    )
    .await;
    let mut clients = Vec::new();
    for expected in ["200", "200", "503", "503"] {
        let (stream, status) = ask(&server).await;
        assert_eq!(status, format!("HTTP/1.1 {expected}"));
        clients.push(stream);
    }
    // When clients disconnect, their memory is released.
    clients.clear();
    while !ask(&server).await.1.ends_with("200") {}
}

#[tokio::test]
async fn a_client_that_asks_again_and_again_without_reading_gets_no_further() {
    let server = Server::start(
        large(),
        serving(HttpSettings {
            body_memory: u32::try_from(5 * LARGE / 2).unwrap(),
            ..settings().http
        }),
    )
    .await;
    let mut greedy = server.connect().await;
    greedy.write_all(&ASK.repeat(100)).await.unwrap();
    let mut status = [0; 12];
    greedy.read_exact(&mut status).await.unwrap();
    time::sleep(SHORT).await;
    let (_stream, status) = ask(&server).await;
    assert_eq!(status, "HTTP/1.1 200");
}

#[tokio::test]
async fn the_longest_idle_make_room() {
    let server = Server::start(
        Scripted::echo(&[Reader]),
        serving(HttpSettings {
            max_connections: 10,
            ..settings().http
        }),
    )
    .await;
    let mut first = server.connect().await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        let mut stream = server.connect().await;
        // A request without a key, whose body is not read.
        let _ = stream
            .write_all(&b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n".repeat(3000))
            .await;
        idle.push(stream);
        assert_status(&server.request("GET /read", KEY, "").await, 200);
    }
    assert_eq!(first.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

/// A function that answers when it is notified, and counts the calls that wait.
fn held() -> (Arc<dyn Functions>, Arc<AtomicUsize>, Arc<Notify>) {
    let (waiting, go_on) = <(Arc<AtomicUsize>, Arc<Notify>)>::default();
    let signals = (Arc::clone(&waiting), Arc::clone(&go_on));
    let functions = Scripted::new(&[Reader], move |_, _| {
        let (waiting, go_on) = signals.clone();
        async move {
            waiting.fetch_add(1, Ordering::SeqCst);
            go_on.notified().await;
            Ok(response(200, "done"))
        }
    });
    (functions, waiting, go_on)
}

async fn status_of(mut stream: TcpStream) -> String {
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    String::from_utf8(status.into()).unwrap()
}

#[tokio::test]
async fn whoever_waits_for_an_answer_is_not_closed_to_make_room() {
    let (functions, waiting, go_on) = held();
    let server = Server::start(
        functions,
        serving(HttpSettings {
            max_connections: 10,
            ..settings().http
        }),
    )
    .await;
    let mut busy = server.connect().await;
    busy.write_all(ASK).await.unwrap();
    while waiting.load(Ordering::SeqCst) == 0 {
        time::sleep(Duration::from_millis(1)).await;
    }
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(server.connect().await);
        assert_status(&server.request("GET /healthz", "", "").await, 200);
    }
    go_on.notify_one();
    assert_eq!(status_of(busy).await, "HTTP/1.1 200");
}

#[tokio::test]
async fn when_all_wait_for_answers_others_wait_for_one_of_them_to_end() {
    let (functions, waiting, go_on) = held();
    let server = Server::start(
        functions,
        serving(HttpSettings {
            max_connections: 2,
            ..settings().http
        }),
    )
    .await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        stream.write_all(ASK).await.unwrap();
        clients.push(stream);
    }
    while waiting.load(Ordering::SeqCst) < 2 {
        time::sleep(Duration::from_millis(1)).await;
    }
    time::sleep(SHORT).await;
    assert_eq!(waiting.load(Ordering::SeqCst), 2);
    for answered in clients {
        go_on.notify_one();
        assert_eq!(status_of(answered).await, "HTTP/1.1 200");
    }
}

#[tokio::test]
async fn as_many_queries_run_at_once_as_there_is_memory_for_pages() {
    let (functions, waiting, go_on) = held();
    let server = Server::start(
        functions,
        serving(HttpSettings {
            body_memory: u32::try_from(2 * twin_contract::MAX_PAGE_SENT).unwrap(),
            ..settings().http
        }),
    )
    .await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        stream.write_all(ASK).await.unwrap();
        clients.push(stream);
    }
    while waiting.load(Ordering::SeqCst) < 2 {
        time::sleep(Duration::from_millis(1)).await;
    }
    time::sleep(SHORT).await;
    assert_eq!(waiting.load(Ordering::SeqCst), 2);
    // A request that is not a query does not wait for the queries.
    assert_status(&server.request("GET /healthz", "", "").await, 200);
    go_on.notify_one();
    while waiting.load(Ordering::SeqCst) < 3 {
        time::sleep(Duration::from_millis(1)).await;
    }
    for client in clients {
        go_on.notify_one();
        assert_eq!(status_of(client).await, "HTTP/1.1 200");
    }
}
