//! A client that sends arbitrary bytes.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::{process::PATIENCE, replies::Reply};

/// The key of a host that represents AWS, as a header.
pub(crate) const KEY: &str = "x-api-key: key-of-aws\r\n";

/// A request on a connection of its own; `headers` are lines with their ends.
pub(crate) fn request(line: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body.as_ref()].concat()
}

/// A post with the key and a body of known length.
pub(crate) fn post(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let length = body.as_ref().len();
    let headers = format!("{KEY}content-length: {length}\r\n{headers}");
    request(&format!("POST {path}"), &headers, body)
}

/// A connection.
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes on a connection of their own and reads until the server closes it.
pub(crate) fn exchange(port: u16, bytes: &[u8]) -> Reply {
    let mut stream = connect(port);
    // The server may have replied and closed before it read everything.
    let _ = stream.write_all(bytes);
    reply(stream)
}

/// Reads until the server closes.
pub(crate) fn reply(mut stream: TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    let all = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = all
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {all:?} {ended:?}"));
    let mut lines = head.lines();
    let line = lines.next().unwrap();
    Reply {
        status: line.split(' ').nth(1).unwrap().parse().unwrap(),
        headers: lines.filter_map(header).collect(),
        text: body.to_owned(),
    }
}

/// A line of a head, its name in lower case.
pub(crate) fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_ascii_lowercase(), value.trim().to_owned()))
}
