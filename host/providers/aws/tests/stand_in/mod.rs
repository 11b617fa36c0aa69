//! A service that answers as a test wants it to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What a request was for: the header `x-amz-target`, such as `DynamoDB_20120810.PutItem`.
pub(crate) type Target = String;

/// A whole response.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: String,
    body: String,
}

impl Reply {
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: String::new(),
            body: body.to_owned(),
        }
    }

    /// A failure in the form of these services.
    pub(crate) fn failed(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"__type":"com.amazonaws.service#{code}","message":"no"}}"#);
        Self::new(status, &body)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }
}

/// The service.
pub(crate) struct StandIn {
    pub(crate) endpoint: String,
    requests: Arc<AtomicUsize>,
}

impl StandIn {
    /// Answers every request alike.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::answering(move |_| Some(reply.clone())).await
    }

    /// Answers by what is asked for; not at all where there is no reply.
    pub(crate) async fn answering(
        answer: impl Fn(&Target) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let (answer, counted) = (Arc::new(answer), requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, counted) = (answer.clone(), counted.clone());
                tokio::spawn(async move { serve(stream, &*answer, &counted).await });
            }
        });
        Self { endpoint, requests }
    }

    /// How many requests have arrived.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &(dyn Fn(&Target) -> Option<Reply> + Send + Sync),
    counted: &AtomicUsize,
) {
    let Some(target) = request(&mut stream).await else {
        return;
    };
    counted.fetch_add(1, Ordering::SeqCst);
    let Some(Reply {
        status,
        headers,
        body,
    }) = answer(&target)
    else {
        // Until the client gives up.
        _ = stream.read(&mut [0]).await;
        return;
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: application/x-amz-json-1.0\r\n\
         content-length: {length}\r\nconnection: close\r\n{headers}\r\n"
    );
    _ = stream.write_all(head.as_bytes()).await;
    _ = stream.write_all(body.as_bytes()).await;
    _ = stream.shutdown().await;
}

/// Reads a request to its end.
async fn request(stream: &mut TcpStream) -> Option<Target> {
    let (mut read, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let bytes = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|bytes| *bytes > 0)?;
        read.extend_from_slice(&buffer[..bytes]);
        let end = read.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let Some(end) = end else {
            continue;
        };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
        };
        let length: usize = header("content-length:").map_or(0, |length| length.parse().unwrap());
        if read.len() >= end + 4 + length {
            return Some(header("x-amz-target:").unwrap_or_default());
        }
    }
}
