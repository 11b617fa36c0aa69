//! The peer that a connector sends to, and the collector of its spans: a server that reads a request and answers at once, as cheaply
//! as possible, so that it has little influence on the measurement.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::load::wire;

pub(crate) async fn serve(listener: TcpListener, status: u16, body: Vec<u8>) {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let reply: &'static [u8] = [head.into_bytes(), body].concat().leak();
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, reply));
    }
}

/// Answers one request after another, until the other side disconnects.
async fn connection(mut stream: TcpStream, reply: &'static [u8]) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(128 * 1024);
    loop {
        while let Some(length) = wire::message(&buffer).map(|message| message.length) {
            buffer.drain(..length);
            if stream.write_all(reply).await.is_err() {
                return;
            }
        }
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
