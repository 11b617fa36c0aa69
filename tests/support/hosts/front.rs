//! What stands in front of a host in the place of a platform: an HTTP server, and a client that passes requests on.

use std::{convert::Infallible, sync::Arc};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use reqwest::redirect::Policy;
use tokio::net::TcpListener;

use super::site::local;

/// Answers requests, for ever.
///
/// # Panics
/// If the listener accepts no more connections.
pub async fn serve<H, A>(listener: TcpListener, handler: H)
where
    H: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Bytes>> + Send,
{
    let handler = Arc::new(handler);
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        let handler = Arc::clone(&handler);
        let service = service_fn(move |request: Request<Incoming>| {
            let handler = Arc::clone(&handler);
            async move {
                let (head, body) = request.into_parts();
                let answer = match body.collect().await {
                    Ok(body) => handler(Request::from_parts(head, body.to_bytes())).await,
                    // The client has given up.
                    Err(_) => bare(StatusCode::BAD_REQUEST),
                };
                Ok::<_, Infallible>(answer.map(Full::new))
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

/// A response without a body.
pub fn bare(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// Passes requests on as they are.
#[derive(Clone, Debug)]
pub struct Client(reqwest::Client);

impl Default for Client {
    fn default() -> Self {
        Self(local().redirect(Policy::none()).build().unwrap())
    }
}

impl Client {
    /// Sends a request with its own headers to a URL; 502 if there is no answer.
    pub async fn send(&self, url: &str, request: Request<Bytes>) -> Response<Bytes> {
        let (mut head, body) = request.into_parts();
        for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            head.headers.remove(name);
        }
        let sent = self
            .0
            .request(head.method, url)
            .headers(head.headers)
            .body(body)
            .send();
        let Ok(mut answer) = sent.await else {
            return bare(StatusCode::BAD_GATEWAY);
        };
        let mut response = bare(answer.status());
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            response.headers_mut().remove(name);
        }
        match answer.bytes().await {
            Ok(body) => response.map(|_| body),
            Err(_) => bare(StatusCode::BAD_GATEWAY),
        }
    }
}
