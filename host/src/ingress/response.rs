//! From a function's response to HTTP's, and the host's own good ones.

use http::{StatusCode, header};
use http_body_util::Full;
use hyper::{Response, body::Bytes};
use twin_contract::reply::JSON;

use super::refusal::Refusal;
use crate::{function, headers};

/// A document.
pub(super) fn json(body: &str) -> function::Response {
    ok(JSON, body)
}

/// Numbers in Prometheus' text format.
pub(super) fn prometheus(body: &str) -> function::Response {
    ok("text/plain; version=0.0.4", body)
}

fn ok(content_type: &str, body: &str) -> function::Response {
    function::Response {
        status: 200,
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body: body.into(),
    }
}

/// A response as HTTP carries it. `content-length` is hyper's to add; what concerns the connection is hyper's, too.
pub(super) fn to_http(response: function::Response) -> Response<Full<Bytes>> {
    let (200..=599, Ok(status)) = (response.status, StatusCode::from_u16(response.status)) else {
        tracing::error!(
            status = response.status,
            "a function gave a status that is none"
        );
        return to_http(Refusal::ResponseInvalid.response());
    };
    let mut reply = Response::new(Full::from(response.body));
    *reply.status_mut() = status;
    for (name, value) in response.headers {
        match headers::parse(&name, &value) {
            Some((name, _))
                if name == header::CONTENT_LENGTH || headers::is_hop_by_hop(name.as_str()) => {}
            Some((name, value)) => {
                reply.headers_mut().append(name, value);
            }
            None => tracing::warn!(name, "a function gave a header that is none"),
        }
    }
    reply
}
