//! Turns a function's response into an HTTP response, and builds the host's own successful responses.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::Bytes;
use twin_capabilities::function;
use twin_contract::reply::{EVERY_REPLY, JSON};

use super::Refusal;
use crate::headers;

/// A reply that is being sent.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl From<function::Response> for Reply {
    fn from(response: function::Response) -> Self {
        Self {
            status: response.status,
            headers: response.headers,
            body: response.body.into(),
        }
    }
}

/// A JSON document.
pub(crate) fn json(body: &str) -> function::Response {
    ok(JSON, body)
}

/// Metrics in Prometheus' text format.
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

impl Reply {
    /// Turns the reply into an HTTP response. A server adds `content-length` and the headers of the connection.
    pub(super) fn into_http(self) -> Response<Bytes> {
        let (200..=599, Ok(status)) = (self.status, StatusCode::from_u16(self.status)) else {
            tracing::error!(
                status = self.status,
                "a function returned an invalid status"
            );
            return Self::from(Refusal::ResponseInvalid.response()).into_http();
        };
        let mut reply = Response::new(self.body);
        *reply.status_mut() = status;
        for (name, value) in self.headers {
            match headers::parse(&name, &value) {
                Some((name, _))
                    if name == header::CONTENT_LENGTH || headers::is_hop_by_hop(name.as_str()) => {}
                Some((name, value)) => {
                    reply.headers_mut().append(name, value);
                }
                None => tracing::warn!(name, "a function returned an invalid header"),
            }
        }
        for (name, value) in EVERY_REPLY {
            let value = HeaderValue::from_static(value);
            reply
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        reply
    }
}
