//! Door 2: `wasi:http/handler` around a function, for runtimes that support only that.
//!
//! The caller's credential has not been checked here, so the function gets all request headers and calls its adapter's
//! verifier.
//!
//! Written on the resources directly: a complete body in, a complete body out, and always a `content-length`. Without it,
//! some runtimes reply in chunks that wait for one another.

use twin_capabilities::Clock;
use twin_contract::{
    Cloud, HeaderForm, MAX_BODY, MessageId, QueryKey, REQUEST_ID, is_request_id, reply::EVERY_REPLY,
};
use twin_functions::{Call, Context, Request, Response, Verdict, random_10, settings};
use wasip3::{
    http::types::{self, ErrorCode, Fields, Method},
    wit_future, wit_stream,
};

use crate::Wit;

/// Answers one request through the component's own door.
///
/// # Errors
/// If the body breaks off, or the response's headers are not valid in HTTP.
pub async fn handle<F: Future<Output = Response>>(
    context: &Context<Wit>,
    request: types::Request,
    function: impl FnOnce(Request) -> F,
) -> Result<types::Response, ErrorCode> {
    let mut request = read(request).await?;
    let id = request_id(&mut request);
    query_key(&Call::new(context, Some(id.clone())), &mut request).await;
    write(function(request).await, id)
}

/// The request's id: the one that it came with if that is valid and not repeated, otherwise a new one.
fn request_id(request: &mut Request) -> String {
    let mut given = request
        .headers
        .iter()
        .filter(|(name, _)| name == REQUEST_ID);
    if let (Some((_, id)), None) = (given.next(), given.next())
        && is_request_id(id)
    {
        return id.clone();
    }
    request.headers.retain(|(name, _)| name != REQUEST_ID);
    let unix_ms = u64::try_from(Wit.now().as_micros() / 1000).unwrap_or(0);
    let id = MessageId::unique(unix_ms, random_10(&Wit)).to_string();
    request.headers.push((REQUEST_ID.to_owned(), id.clone()));
    id
}

/// On Azure, a key in the query becomes the corresponding header, and the function does not see it. If a header has a
/// different key, there are two keys, as with any repeated header.
async fn query_key(call: &Call<'_, Wit>, request: &mut Request) {
    let Some(QueryKey { keys, rest }) = QueryKey::take(&request.query) else {
        return;
    };
    // If the cloud is not known, no credential can be checked either; the gate reports this.
    if !settings::load(call)
        .await
        .is_ok_and(|settings| settings.cloud == Cloud::Azure)
    {
        return;
    }
    request.query = rest;
    let header = HeaderForm::FunctionsKey.header();
    for key in keys {
        let mut headers = request.headers.iter();
        if headers.all(|(name, value)| name != header || *value != key) {
            request.headers.push((header.to_owned(), key));
        }
    }
}

async fn read(request: types::Request) -> Result<Request, ErrorCode> {
    let target = request.get_path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let headers = request
        .get_headers()
        .copy_all()
        .into_iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(&value).into_owned();
            (name.to_ascii_lowercase(), value)
        })
        .collect();
    let (method, path, query) = (
        method_name(request.get_method()),
        if path.is_empty() { "/" } else { path }.to_owned(),
        query.to_owned(),
    );
    Ok(Request {
        method,
        path,
        query,
        headers,
        body: read_body(request).await?,
        time_left_ms: None,
        verdict: Verdict::Unchecked,
    })
}

/// Reads to the end, or to one byte beyond the limit.
async fn read_body(request: types::Request) -> Result<Vec<u8>, ErrorCode> {
    let (done, result) = wit_future::new(|| Ok(()));
    let (mut stream, trailers) = types::Request::consume_body(request, result);
    let mut body = Vec::new();
    while body.len() <= MAX_BODY {
        let room = MAX_BODY + 1 - body.len();
        let chunk = Vec::with_capacity(room.min(64 * 1024));
        let (status, chunk) = stream.read(chunk).await;
        body.extend_from_slice(&chunk);
        if !matches!(status, wasip3::wit_bindgen::StreamResult::Complete(_)) {
            break;
        }
    }
    drop(stream);
    if body.len() <= MAX_BODY {
        // Only now is it known whether the body is complete.
        trailers.await?;
    }
    drop(done);
    Ok(body)
}

fn write(response: Response, id: String) -> Result<types::Response, ErrorCode> {
    let length = response.body.len().to_string();
    let headers: Vec<_> = response
        .headers
        .into_iter()
        .chain([
            ("content-length".to_owned(), length),
            (REQUEST_ID.to_owned(), id),
        ])
        .chain(EVERY_REPLY.map(|(name, value)| (name.to_owned(), value.to_owned())))
        .map(|(name, value)| (name, value.into_bytes()))
        .collect();
    let headers = Fields::from_list(&headers)
        .map_err(|_| ErrorCode::InternalError(Some("invalid response header".to_owned())))?;
    let (mut body, contents) = wit_stream::new();
    let (no_trailers, trailers) = wit_future::new(|| Ok(None));
    let (written, _sent) = types::Response::new(headers, Some(contents), trailers);
    // 200 to 599 are all valid.
    let _ = written.set_status_code(response.status);
    wasip3::spawn(async move {
        body.write_all(response.body).await;
        drop(body);
        // A reader that has disconnected does not need trailers either.
        let _ = no_trailers.write(Ok(None)).await;
    });
    Ok(written)
}

fn method_name(method: Method) -> String {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => return name,
    }
    .to_owned()
}
