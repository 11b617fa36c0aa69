//! Sending over broken connections, with many headers, without descriptors, and compressed.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use flate2::read::GzDecoder;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use twin_contract::Cloud::{Aws, Gcp};

use crate::{
    crossing::reading,
    house::Host,
    peer::{Arrival, FakePeer, answer, error},
    process::eventually,
    raw,
};

fn connector(peer: &FakePeer) -> Host {
    Host::of(Aws, "connector").set("REMOTE_INGESTION_URL", &peer.url())
}

async fn no_letters(host: &Host) {
    let letters = host.items("/dead-letters").await;
    assert!(letters.is_empty(), "{letters:?}");
}

/// A connection that is reset when it is used again after `now` has advanced.
struct Fickle {
    stream: TcpStream,
    since: usize,
    now: Arc<AtomicUsize>,
}

impl Read for Fickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Closing a connection with unread data resets it.
        self.stream.peek(&mut [0])?;
        if self.since < self.now.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.stream.read(buffer)
    }
}

impl Write for Fickle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[tokio::test]
async fn kept_connections_that_are_all_dead_are_no_failure_of_the_peer() {
    const KEPT: usize = 16;
    let now = Arc::new(AtomicUsize::new(0));
    let (at_accept, at_answer) = (Arc::clone(&now), Arc::clone(&now));
    let together = Barrier::new(KEPT);
    let peer = FakePeer::behind(
        move |stream| {
            Some(Fickle {
                stream,
                since: at_accept.load(Ordering::SeqCst),
                now: Arc::clone(&at_accept),
            })
        },
        move |arrival| {
            // The first requests are in progress at the same time, each on its own connection.
            if at_answer.load(Ordering::SeqCst) == 0 {
                together.wait();
            }
            arrival.received()
        },
    );
    let host = connector(&peer).start().await;
    let readings: Vec<_> = (0..2 * KEPT).map(reading).collect();
    let (first, second) = readings.split_at(KEPT);
    let posts = first.iter().map(|reading| host.post("/telemetry", reading));
    for reply in futures_util::future::join_all(posts).await {
        reply.assert_status(200);
    }
    now.store(1, Ordering::SeqCst);
    for (n, reading) in second.iter().enumerate() {
        host.post("/telemetry", reading).await.assert_status(200);
        assert_eq!(peer.arrivals().len(), KEPT + n + 1, "once each");
    }
    no_letters(&host).await;
}

#[tokio::test]
async fn a_reply_with_many_headers_is_a_reply() {
    for (count, length) in [(120, 10), (500, 10), (60, 5_000)] {
        let header = |n| format!("x-gateway-{n}: {}\r\n", "x".repeat(length));
        let headers: String = (0..count).map(header).collect();
        let peer = FakePeer::start(move |arrival| {
            let (head, body) = arrival.received().split_once("\r\n\r\n").map_or_else(
                || panic!("a head"),
                |(head, body)| (head.to_owned(), body.to_owned()),
            );
            format!("{}\r\n{headers}\r\n{body}", head.trim_end())
        });
        let host = connector(&peer).start().await;
        host.post("/telemetry", &reading(0))
            .await
            .assert_status(200);
        assert_eq!(peer.arrivals().len(), 1, "{count} headers of {length}");
    }
}

/// The lowest number that a new descriptor of a process would get.
fn lowest_free_descriptor(pid: u32) -> u64 {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let open: BTreeSet<u64> = open
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    (0..).find(|number| !open.contains(number)).unwrap()
}

fn limit_descriptors(pid: u32, current: Option<u64>) {
    let pid = Pid::from_raw(pid.try_into().unwrap());
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: current.or(maximum),
        maximum,
    };
    prlimit(pid, Resource::Nofile, limit).unwrap();
}

/// Posts on a connection that is there already.
fn post_on(stream: &mut TcpStream, body: &str) -> (u16, String) {
    let head = format!(
        "POST /telemetry HTTP/1.1\r\nhost: x\r\n{}content-length: {}\r\n\r\n",
        raw::KEY,
        body.len()
    );
    stream
        .write_all(&[head.as_bytes(), body.as_bytes()].concat())
        .unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let size = stream.read(&mut buffer).unwrap();
        assert!(size > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..size]).unwrap());
        // Every body is one flat object.
        if text.ends_with('}') {
            break;
        }
    }
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

#[tokio::test]
async fn without_a_descriptor_nothing_is_lost_and_the_peer_is_not_blamed() {
    for name in ["127.0.0.1", "localhost"] {
        // It closes every connection, so none can be used again.
        let peer = FakePeer::start(|arrival: &Arrival| {
            (arrival.received()).replacen("\r\n", "\r\nconnection: close\r\n", 1)
        });
        let url = peer.url().replace("127.0.0.1", name);
        let host = Host::of(Aws, "connector")
            .set("REMOTE_INGESTION_URL", &url)
            .start()
            .await;
        let mut stream = raw::connect(host.port);
        assert_eq!(post_on(&mut stream, &reading(0)).0, 200);
        let mut n = 1;
        eventually("there is no descriptor left", async || {
            limit_descriptors(host.pid(), Some(lowest_free_descriptor(host.pid())));
            n += 1;
            let (status, text) = post_on(&mut stream, &reading(n));
            limit_descriptors(host.pid(), None);
            assert!(matches!(status, 200 | 503), "{text}");
            (status == 503).then(|| {
                assert!(
                    text.contains(r#""error_code":"RESOURCES_EXHAUSTED""#),
                    "{text}"
                );
                assert!(text.contains("retry-after: 1\r\n"), "{text}");
            })
        })
        .await;
        assert_eq!(post_on(&mut stream, &reading(n)).0, 200, "{name}");
        no_letters(&host).await;
    }
}

/// The uncompressed body, and whether it was compressed.
fn unpacked(arrival: &Arrival) -> (bool, String) {
    match arrival.header("content-encoding") {
        None => (false, arrival.body.clone()),
        Some(coding) => {
            assert_eq!(coding, "gzip");
            let mut text = String::new();
            let mut decoder = GzDecoder::new(arrival.bytes.as_slice());
            decoder.read_to_string(&mut text).unwrap();
            assert!(arrival.bytes.len() < text.len());
            (true, text)
        }
    }
}

fn long_reading(n: usize) -> String {
    let text = "25.40 ".repeat(300);
    format!(r#"{{"device_id":"d","time":"2026-01-01T00:00:00Z","n":{n},"text":"{text}"}}"#)
}

#[tokio::test]
async fn a_peer_that_announces_gzip_is_sent_it_as_long_as_it_does() {
    const ANNOUNCED: &str = "accept-encoding: gzip\r\n";
    let peer = FakePeer::start(|arrival| {
        let (coded, text) = unpacked(arrival);
        let announcing = |answer: String| answer.replacen("\r\n", &format!("\r\n{ANNOUNCED}"), 1);
        // It accepts gzip except for reading 3, stops announcing it at 5, and a gateway in front of it fails at 8.
        match (coded, text) {
            (true, text) if text.contains(r#""n":3"#) => error(415),
            (_, text) if text.contains(r#""n":5"#) => arrival.received(),
            (true, text) if text.contains(r#""n":8"#) => answer(400, "", b"<html>What?</html>"),
            _ => announcing(arrival.received()),
        }
    });
    let host = connector(&peer).start().await;
    for n in 0..10 {
        let reading = if n == 2 { reading(n) } else { long_reading(n) };
        host.post("/telemetry", &reading).await.assert_status(200);
    }
    let seen: Vec<_> = peer.arrivals().iter().map(unpacked).collect();
    let coded: Vec<_> = seen
        .iter()
        .map(|(coded, text)| {
            let n = text.split(r#""n":"#).nth(1).unwrap();
            let n: u64 = n[..1].parse().unwrap();
            (n, *coded)
        })
        .collect();
    assert_eq!(
        coded,
        [
            (0, false), // nothing is known yet
            (1, true),
            (2, false), // it is short
            (3, true),  // refused …
            (3, false), // … and sent plain within the same attempt
            (4, true),
            (5, true),
            (6, false), // no longer announced with 5
            (7, true),
            (8, true), // a gateway in between removed the header
            (8, false),
            (9, true),
        ]
    );
    let [.., refused, plain] = &seen[..5] else {
        panic!("five");
    };
    assert_eq!(refused.1, plain.1, "the message is the same");
    no_letters(&host).await;
}

/// Forwards connections to a port, and records the bytes that are sent to it.
async fn relay(to: u16, sent: Arc<Mutex<Vec<u8>>>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((from, _)) = listener.accept().await {
            let sent = Arc::clone(&sent);
            tokio::spawn(async move {
                let there = tokio::net::TcpStream::connect(("127.0.0.1", to)).await?;
                let ((mut asking, mut asked), (mut answering, mut answered)) =
                    (from.into_split(), there.into_split());
                tokio::spawn(async move { tokio::io::copy(&mut answering, &mut asked).await });
                let mut buffer = [0; 4096];
                loop {
                    let read = asking.read(&mut buffer).await?;
                    if read == 0 {
                        return io::Result::Ok(());
                    }
                    sent.lock().unwrap().extend_from_slice(&buffer[..read]);
                    answered.write_all(&buffer[..read]).await?;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn between_two_hosts_long_messages_travel_in_gzip_and_arrive_as_they_were() {
    let there = Host::of(Gcp, "ingestion,writer,reader").start().await;
    let sent = Arc::default();
    let port = relay(there.port, Arc::clone(&sent)).await;
    let host = Host::of(Aws, "connector")
        .set(
            "REMOTE_INGESTION_URL",
            &format!("http://127.0.0.1:{port}/ingest"),
        )
        .set("REMOTE_INGESTION_CLOUD", "gcp")
        .set("REMOTE_INGESTION_TOKEN", &there.key)
        .start()
        .await;
    for n in 0..4 {
        let reply = host.post("/telemetry", &long_reading(n)).await;
        reply.assert_status(200);
    }
    let sent = sent.lock().unwrap().clone();
    let sent = String::from_utf8_lossy(&sent).to_ascii_lowercase();
    // At the first message, nothing is known about the receiver yet.
    assert_eq!(sent.matches("content-encoding: gzip").count(), 3);
    let items = there.items("/read?device_id=d").await;
    assert_eq!(items.len(), 4);
    for item in items {
        let text = item["payload"]["text"].as_str().unwrap();
        assert_eq!(text, "25.40 ".repeat(300));
    }
}

#[tokio::test]
async fn a_peer_that_knows_only_the_specification_never_sees_gzip() {
    for headers in [
        "",
        "accept-encoding: identity\r\n",
        "accept-encoding: gzip;q=0\r\n",
    ] {
        let peer = FakePeer::start(move |arrival| {
            arrival
                .received()
                .replacen("\r\n", &format!("\r\n{headers}"), 1)
        });
        let host = connector(&peer).start().await;
        for n in 0..3 {
            let reply = host.post("/telemetry", &long_reading(n)).await;
            reply.assert_status(200);
        }
        for arrival in peer.arrivals() {
            assert_eq!(arrival.header("content-encoding"), None, "{headers}");
        }
    }
}
