//! A fake peer, which replies as the test says, and records the requests that it receives.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use twin_contract::reply::{Custody, error_body};

use crate::{process::PATIENCE, raw};

/// A request that a peer received.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) headers: Vec<(String, String)>,
    /// The body as text.
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

impl Arrival {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(header, value)| (header == name).then_some(value.as_str()))
    }

    /// A 200 in the form of the contract.
    pub(crate) fn received(&self) -> String {
        let id = self.header("idempotency-key").unwrap();
        answer(200, "", &Custody::Received.body(id))
    }
}

/// A whole response; `headers` are lines with their ends.
pub(crate) fn answer(status: u16, headers: &str, body: &[u8]) -> String {
    let (length, body) = (body.len(), String::from_utf8_lossy(body));
    format!("HTTP/1.1 {status} So\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

/// An error in the form of the contract.
pub(crate) fn error(status: u16) -> String {
    answer(status, "", &error_body("SOME_CODE", "some message"))
}

type Script = Arc<dyn Fn(&Arrival) -> String + Send + Sync>;

/// The peer. It answers until the tests end.
pub(crate) struct FakePeer {
    address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

impl FakePeer {
    /// A peer that gives this answer.
    pub(crate) fn start(script: impl Fn(&Arrival) -> String + Send + Sync + 'static) -> Self {
        Self::behind(Some, script)
    }

    /// A peer behind another protocol, such as TLS; `wrap` returns `None` for a connection that cannot be used.
    pub(crate) fn behind<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
        script: impl Fn(&Arrival) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let (wrap, script, seen): (_, Script, _) =
            (Arc::new(wrap), Arc::new(script), Arc::clone(&arrivals));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (wrap, script, seen) =
                    (Arc::clone(&wrap), Arc::clone(&script), Arc::clone(&seen));
                thread::spawn(move || serve(wrap(stream)?, &script, &seen));
            }
        });
        Self { address, arrivals }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/some/path", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything that was received so far.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap().clone()
    }
}

/// Answers requests one after the other; `None` when the connection ends.
fn serve(stream: impl Read + Write, script: &Script, seen: &Mutex<Vec<Arrival>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            lines.push(line);
        }
        let mut arrival = Arrival {
            headers: lines.iter().filter_map(|line| raw::header(line)).collect(),
            body: String::new(),
            bytes: Vec::new(),
        };
        let length = arrival.header("content-length").unwrap_or("0").parse();
        let mut body = vec![0; length.unwrap()];
        stream.read_exact(&mut body).ok()?;
        arrival.body = String::from_utf8_lossy(&body).into_owned();
        arrival.bytes = body;
        seen.lock().unwrap().push(arrival.clone());
        let answer = script(&arrival);
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
        stream.get_mut().flush().ok()?;
        if !answer.starts_with("HTTP/") || answer.contains("connection: close") {
            return None;
        }
    }
}

/// Holds a peer's answers back until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn pass(&self) {
        let closed = self.0.0.lock().unwrap();
        let waited = self.0.1.wait_timeout_while(closed, PATIENCE, |open| !*open);
        drop(waited.unwrap());
    }
}
