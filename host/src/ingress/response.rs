//! From a function's response to HTTP's, and the host's own good ones.

use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::Full;
use hyper::{Response, body::Bytes};
use twin_contract::reply::{EVERY_REPLY, JSON};

use super::{
    body::{Memory, Share},
    refusal::Refusal,
};
use crate::{function, headers};

/// A reply that is being sent: its body may be counted until its reader has received it.
pub(super) struct Reply {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Reply {
    /// A function's response; `reserved` is the memory that was taken for it.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] if the unread replies leave no memory for it.
    pub(super) fn new(
        response: function::Response,
        memory: &Memory,
        reserved: Option<Share>,
    ) -> Result<Self, Refusal> {
        let function::Response {
            status,
            headers,
            body,
        } = response;
        let body = memory.reply(body, reserved)?;
        Ok(Self {
            status,
            headers,
            body,
        })
    }
}

/// The host's own replies are not counted.
impl From<function::Response> for Reply {
    fn from(response: function::Response) -> Self {
        Self {
            status: response.status,
            headers: response.headers,
            body: response.body.into(),
        }
    }
}

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

/// The HTTP response. hyper adds `content-length` and the headers of the connection.
pub(super) fn to_http(response: Reply) -> Response<Full<Bytes>> {
    let (200..=599, Ok(status)) = (response.status, StatusCode::from_u16(response.status)) else {
        tracing::error!(
            status = response.status,
            "a function returned an invalid status"
        );
        return to_http(Refusal::ResponseInvalid.response().into());
    };
    let mut reply = Response::new(Full::new(response.body));
    *reply.status_mut() = status;
    for (name, value) in response.headers {
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
