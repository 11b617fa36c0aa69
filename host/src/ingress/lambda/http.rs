//! Requests as API Gateway and function URLs hand them over: payload format 1.0 (REST APIs) and 2.0 (HTTP APIs, function URLs).

use std::{collections::BTreeMap, net::IpAddr};

use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Method, Response, Uri, request::Parts};
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

/// Why an event that looks like a request is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("its method, path or a header is not valid in HTTP")]
    Http(#[from] http::Error),
    #[error("its body is not the base64 that it is said to be")]
    Base64(#[from] DecodeError),
}

/// A request, and in which form it is answered.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(super) head: Parts,
    pub(super) body: Vec<u8>,
    pub(super) source: Option<IpAddr>,
    /// The caller that AWS has authenticated (`AWS_IAM`): its ARN.
    pub(super) user_arn: Option<String>,
    pub(super) format: Format,
}

/// The payload format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// 1.0.
    One,
    /// 2.0.
    Two,
}

type Pairs = BTreeMap<String, String>;
type Several = BTreeMap<String, Vec<String>>;

/// Format 1.0.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestRequest {
    http_method: String,
    /// Without the stage.
    path: String,
    headers: Option<Pairs>,
    multi_value_headers: Option<Several>,
    /// Decoded.
    query_string_parameters: Option<Pairs>,
    multi_value_query_string_parameters: Option<Several>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: RestContext,
}

#[derive(Debug, Deserialize)]
struct RestContext {
    identity: Option<RestIdentity>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestIdentity {
    source_ip: Option<String>,
    /// Set if the method has the authorization `AWS_IAM`.
    user_arn: Option<String>,
}

/// Format 2.0.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpRequest {
    /// With the stage, unless that is `$default`.
    raw_path: String,
    raw_query_string: Option<String>,
    /// Those that were repeated are joined by commas.
    #[serde(default)]
    headers: Pairs,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: HttpContext,
}

#[derive(Debug, Deserialize)]
struct HttpContext {
    stage: Option<String>,
    http: HttpPart,
    authorizer: Option<Authorizer>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpPart {
    method: String,
    source_ip: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Authorizer {
    iam: Option<Iam>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Iam {
    user_arn: Option<String>,
}

impl RestRequest {
    pub(super) fn read(self) -> Result<Incoming, RequestError> {
        let headers = several(self.multi_value_headers, self.headers);
        let parameters = several(
            self.multi_value_query_string_parameters,
            self.query_string_parameters,
        );
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&parameters)
            .finish();
        let identity = self.request_context.identity;
        let (source, user_arn) = match identity {
            Some(identity) => (address(identity.source_ip.as_deref()), identity.user_arn),
            None => (None, None),
        };
        Ok(Incoming {
            head: head(&self.http_method, &self.path, &query, headers)?,
            body: bytes(self.body, self.is_base64_encoded)?,
            source,
            user_arn,
            format: Format::One,
        })
    }
}

impl HttpRequest {
    pub(super) fn read(self) -> Result<Incoming, RequestError> {
        let context = self.request_context;
        let stage = context.stage.filter(|stage| stage != "$default");
        let path = match &stage {
            Some(stage) => without_stage(&self.raw_path, stage),
            None => &self.raw_path,
        };
        let query = self.raw_query_string.unwrap_or_default();
        let method = &context.http.method;
        Ok(Incoming {
            head: head(method, path, &query, self.headers)?,
            body: bytes(self.body, self.is_base64_encoded)?,
            source: address(context.http.source_ip.as_deref()),
            user_arn: context
                .authorizer
                .and_then(|authorizer| authorizer.iam?.user_arn),
            format: Format::Two,
        })
    }
}

/// Of format 1.0, the names with all their values, where the gateway gives them.
fn several(all: Option<Several>, last: Option<Pairs>) -> Vec<(String, String)> {
    match all {
        Some(all) => all
            .into_iter()
            .flat_map(|(name, values)| {
                let named = move |value| (name.clone(), value);
                values.into_iter().map(named)
            })
            .collect(),
        None => last.unwrap_or_default().into_iter().collect(),
    }
}

fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    match path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(stage))
    {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

fn head(
    method: &str,
    path: &str,
    query: &str,
    headers: impl IntoIterator<Item = (String, String)>,
) -> Result<Parts, http::Error> {
    let target = match query {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    };
    let mut request = http::Request::builder()
        .method(Method::from_bytes(method.as_bytes())?)
        .uri(target.parse::<Uri>()?);
    for (name, value) in headers {
        // A value has the bytes that the gateway decoded as text.
        let value = HeaderValue::from_bytes(value.as_bytes())?;
        request = request.header(HeaderName::from_bytes(name.as_bytes())?, value);
    }
    Ok(request.body(())?.into_parts().0)
}

fn bytes(body: Option<String>, is_base64: bool) -> Result<Vec<u8>, DecodeError> {
    let body = body.unwrap_or_default();
    if is_base64 {
        STANDARD.decode(body)
    } else {
        Ok(body.into_bytes())
    }
}

fn address(text: Option<&str>) -> Option<IpAddr> {
    text?.parse().ok()
}

/// A response.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outgoing {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Pairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<Several>,
    body: String,
    is_base64_encoded: bool,
}

impl Outgoing {
    pub(super) fn new(response: Response<Bytes>, format: Format) -> Self {
        let (head, body) = response.into_parts();
        let mut values = Several::new();
        for (name, value) in &head.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            values.entry(name.to_string()).or_default().push(value);
        }
        let (headers, multi_value_headers) = match format {
            Format::One => (None, Some(values)),
            Format::Two => {
                let joined = values
                    .into_iter()
                    .map(|(name, values)| (name, values.join(", ")));
                (Some(joined.collect()), None)
            }
        };
        let (body, is_base64_encoded) = match String::from_utf8(body.to_vec()) {
            Ok(text) => (text, false),
            Err(bytes) => (STANDARD.encode(bytes.as_bytes()), true),
        };
        Self {
            status_code: head.status.as_u16(),
            headers,
            multi_value_headers,
            body,
            is_base64_encoded,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rest(event: Value) -> Incoming {
        let request: RestRequest = serde_json::from_value(event).unwrap();
        request.read().unwrap()
    }

    fn http(event: Value) -> Incoming {
        let request: HttpRequest = serde_json::from_value(event).unwrap();
        request.read().unwrap()
    }

    fn header<'a>(incoming: &'a Incoming, name: &str) -> Vec<&'a str> {
        let values = incoming.head.headers.get_all(name).into_iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn a_request_of_a_rest_api_keeps_what_is_repeated() {
        let incoming = rest(json!({
            "resource": "/{proxy+}", "path": "/api/read", "httpMethod": "GET",
            "headers": {"x-api-key": "b"},
            "multiValueHeaders": {"X-Api-Key": ["a", "b"], "Host": ["h"]},
            "queryStringParameters": {"device_id": "d 1"},
            "multiValueQueryStringParameters": {"device_id": ["d 1", "ä&"]},
            "body": null, "isBase64Encoded": false,
            "requestContext": {"stage": "prod", "path": "/prod/api/read",
                "identity": {"sourceIp": "203.0.113.7", "userArn": null}}
        }));
        assert_eq!(
            incoming.head.uri,
            "/api/read?device_id=d+1&device_id=%C3%A4%26"
        );
        assert_eq!(header(&incoming, "x-api-key"), ["a", "b"]);
        assert_eq!(incoming.source, Some([203, 0, 113, 7].into()));
        assert_eq!((incoming.user_arn, incoming.format), (None, Format::One));
        // The console's test sends only the single values.
        let incoming = rest(json!({
            "path": "/", "httpMethod": "POST", "headers": {"a": "1"}, "body": "aGk=",
            "isBase64Encoded": true, "requestContext": {}
        }));
        assert_eq!(header(&incoming, "a"), ["1"]);
        assert_eq!(incoming.body, b"hi");
    }

    #[test]
    fn a_request_of_an_http_api_is_without_its_stage() {
        for (stage, raw, path) in [
            ("$default", "/read", "/read"),
            ("prod", "/prod/read", "/read"),
            ("prod", "/prod", "/"),
            ("prod", "/production", "/production"),
            // A custom domain has no stage in its path.
            ("prod", "/read", "/read"),
        ] {
            let incoming = http(json!({
                "version": "2.0", "rawPath": raw, "rawQueryString": "a=%20&a=2",
                "headers": {"x-api-key": "k"}, "isBase64Encoded": false, "body": "{}",
                "requestContext": {"stage": stage, "http": {"method": "POST", "sourceIp": "::1"}}
            }));
            assert_eq!(incoming.head.uri, format!("{path}?a=%20&a=2").as_str());
            assert_eq!(
                (incoming.head.method, &*incoming.body),
                (Method::POST, &b"{}"[..])
            );
        }
    }

    #[test]
    fn the_caller_of_a_function_url_with_iam_is_the_one_in_its_context() {
        let iam = |iam: Value| {
            http(json!({
                "rawPath": "/write", "headers": {"x-amzn-iam": "arn:aws:iam::1:role/forged"},
                "requestContext": {"stage": "$default", "authorizer": {"iam": iam},
                    "http": {"method": "POST"}}
            }))
        };
        let arn = "arn:aws:sts::123456789012:assumed-role/connector/session";
        assert_eq!(iam(json!({"userArn": arn})).user_arn.as_deref(), Some(arn));
        assert_eq!(iam(Value::Null).user_arn, None);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for (method, path, body) in [("GE T", "/", ""), ("GET", "no path", ""), ("GET", "/", "?")] {
            let event = json!({
                "rawPath": path, "body": body, "isBase64Encoded": true,
                "requestContext": {"http": {"method": method}}
            });
            let request: HttpRequest = serde_json::from_value(event).unwrap();
            assert!(request.read().is_err(), "{method} {path} {body}");
        }
    }

    #[test]
    fn a_response_has_the_form_of_its_request() {
        let response = |body: &'static [u8]| {
            let response = Response::builder()
                .status(202)
                .header("a", "1")
                .header("a", "2");
            response.body(Bytes::from_static(body)).unwrap()
        };
        let shown = |body, format| serde_json::to_value(Outgoing::new(response(body), format));
        assert_eq!(
            shown(b"{}", Format::One).unwrap(),
            json!({"statusCode": 202, "multiValueHeaders": {"a": ["1", "2"]}, "body": "{}",
                "isBase64Encoded": false})
        );
        assert_eq!(
            shown(b"\xff", Format::Two).unwrap(),
            json!({"statusCode": 202, "headers": {"a": "1, 2"}, "body": "/w==",
                "isBase64Encoded": true})
        );
    }
}
