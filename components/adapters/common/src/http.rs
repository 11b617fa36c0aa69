//! One exchange over `wasi:http/client`, on its resources directly: a complete body out, a complete body in.
//!
//! Two pitfalls are avoided. The future that says whether the request was transmitted is kept until the reply's body is
//! read, because on some runtimes dropping it ends the connection, and the body with it, without an error. For the same
//! reason, a reply is accepted only if its length matches its `content-length`.

use twin_contract::is_read_in_replies;
use wasip3::{
    http::{
        client,
        types::{ErrorCode, Fields, Method, Request, RequestOptions, Response, Scheme},
    },
    wit_bindgen::StreamResult,
    wit_future, wit_stream,
};

use crate::{
    bindings::peers::{Failure, Reply},
    url::Target,
};

/// The longest reply, in bytes: 2 MiB.
const MAX_REPLY: usize = 2 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

/// A request to be sent.
pub(crate) struct Outgoing {
    /// The method.
    pub(crate) method: Method,
    /// The destination.
    pub(crate) target: Target,
    /// With the credential, without `content-length`.
    pub(crate) headers: Vec<(String, String)>,
    /// The whole body.
    pub(crate) body: Vec<u8>,
}

/// Sends once and reads the reply to its end. Dropping the future ends the exchange.
pub(crate) async fn exchange(outgoing: Outgoing) -> Result<Reply, Failure> {
    let Outgoing {
        method,
        target,
        headers,
        body,
    } = outgoing;
    let mut fields: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name, value.into_bytes()))
        .collect();
    let has_body = matches!(method, Method::Post) || !body.is_empty();
    if has_body {
        let length = body.len().to_string();
        fields.push(("content-length".to_owned(), length.into_bytes()));
    }
    let fields = Fields::from_list(&fields)
        .map_err(|error| Failure::RefusedByPolicy(format!("invalid header: {error:?}")))?;

    let (mut writer, contents) = wit_stream::new();
    let (no_trailers, trailers) = wit_future::new(|| Ok(None));
    let contents = has_body.then_some(contents);
    // The runtime has its own limits; the caller's time limit is the one that counts.
    let options = Some(RequestOptions::new());
    let (request, transmitted) = Request::new(fields, contents, trailers, options);
    address(&request, &method, &target)
        .map_err(|()| Failure::Other("the runtime cannot send to this URL".to_owned()))?;
    // Concurrently, because a peer may reply before it has read everything.
    wasip3::spawn(async move {
        writer.write_all(body).await;
        drop(writer);
        let _ = no_trailers.write(Ok(None)).await;
    });
    let response = client::send(request).await.map_err(failure)?;
    let reply = receive(response).await;
    drop(transmitted);
    reply
}

fn address(request: &Request, method: &Method, target: &Target) -> Result<(), ()> {
    let scheme = if target.https {
        Scheme::Https
    } else {
        Scheme::Http
    };
    request.set_method(method)?;
    request.set_scheme(Some(&scheme))?;
    request.set_authority(Some(&target.authority))?;
    request.set_path_with_query(Some(&target.path_with_query))
}

async fn receive(response: Response) -> Result<Reply, Failure> {
    let status = response.get_status_code();
    let mut headers: Vec<(String, String)> = response
        .get_headers()
        .copy_all()
        .into_iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(&value).into_owned();
            (name.to_ascii_lowercase(), value)
        })
        .collect();
    let announced = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .and_then(|(_, value)| value.parse::<usize>().ok());
    headers.retain(|(name, _)| is_read_in_replies(name));

    let (done, result) = wit_future::new(|| Ok(()));
    let (mut stream, trailers) = Response::consume_body(response, result);
    let mut body = Vec::new();
    loop {
        let (status, chunk) = stream.read(Vec::with_capacity(CHUNK)).await;
        body.extend_from_slice(&chunk);
        if body.len() > MAX_REPLY {
            let words = format!("the reply is longer than {MAX_REPLY} bytes");
            return Err(Failure::Other(words));
        }
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    drop(stream);
    trailers.await.map_err(failure)?;
    drop(done);
    if announced.is_some_and(|length| length != body.len()) {
        return Err(Failure::Unreachable("the reply was cut off".to_owned()));
    }
    Ok(Reply {
        status,
        headers,
        body,
    })
}

/// Why there is no reply, as the WIT's failure.
fn failure(code: ErrorCode) -> Failure {
    use ErrorCode as Code;
    let unreachable = |words: &str| Failure::Unreachable(words.to_owned());
    match code {
        Code::DnsTimeout
        | Code::ConnectionTimeout
        | Code::ConnectionReadTimeout
        | Code::ConnectionWriteTimeout
        | Code::HttpResponseTimeout => Failure::TimedOut,
        Code::DestinationIpProhibited | Code::HttpRequestDenied => {
            Failure::RefusedByPolicy("the runtime does not permit this receiver".to_owned())
        }
        Code::DnsError(_) | Code::DestinationNotFound => unreachable("no such host"),
        Code::DestinationUnavailable | Code::DestinationIpUnroutable => {
            unreachable("no route to host")
        }
        Code::ConnectionRefused => unreachable("connection refused"),
        Code::ConnectionTerminated | Code::HttpResponseIncomplete => {
            unreachable("connection broken")
        }
        Code::ConnectionLimitReached => {
            Failure::Exhausted("the runtime's limit of connections is reached".to_owned())
        }
        Code::TlsProtocolError | Code::TlsCertificateError | Code::TlsAlertReceived(_) => {
            unreachable("TLS failed")
        }
        Code::HttpProtocolError => unreachable("the reply is not valid HTTP"),
        other => Failure::Other(format!("{other:?}")),
    }
}
