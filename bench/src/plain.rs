//! A plain hyper server in front of functions, as one would write without this project.

use std::{convert::Infallible, sync::Arc};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use twin_contract::{
    MAX_BODY,
    reply::{JSON, error_body},
};
use twin_host::function::{self, FunctionName, Functions, Verdict};

pub(crate) async fn serve(listener: TcpListener, functions: Arc<dyn Functions>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&functions)));
        }
    }
}

async fn connection(stream: TcpStream, functions: Arc<dyn Functions>) {
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| {
        let functions = Arc::clone(&functions);
        async move { Ok::<_, Infallible>(answer(functions.as_ref(), request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), answer);
    let _ = connection.await;
}

async fn answer(functions: &dyn Functions, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let function = FunctionName::ALL
        .into_iter()
        .find(|function| function.routes().contains(&head.uri.path()));
    let response = match (function, Limited::new(body, MAX_BODY).collect().await) {
        (None, _) => error(404, "NOT_FOUND"),
        (_, Err(_)) => error(413, "BODY_TOO_LARGE"),
        (Some(function), Ok(body)) => {
            let headers = head.headers.iter();
            let request = function::Request {
                method: head.method.as_str().to_owned(),
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                headers: headers
                    .map(|(name, value)| {
                        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                        (name.as_str().to_owned(), value)
                    })
                    .collect(),
                body: body.to_bytes().into(),
                time_left_ms: None,
                // The function itself checks the key.
                verdict: Verdict::Unchecked,
            };
            let answer = functions.call(function, request).await;
            answer.unwrap_or_else(|_| error(404, "NOT_FOUND"))
        }
    };
    let mut reply = Response::new(Full::from(response.body));
    *reply.status_mut() = http::StatusCode::from_u16(response.status).unwrap_or_default();
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(name),
            http::HeaderValue::try_from(value),
        ) {
            reply.headers_mut().append(name, value);
        }
    }
    reply
}

fn error(status: u16, code: &str) -> function::Response {
    function::Response {
        status,
        headers: vec![("content-type".to_owned(), JSON.to_owned())],
        body: error_body(code, "this server has no other words"),
    }
}
