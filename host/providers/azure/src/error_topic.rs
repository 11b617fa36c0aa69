//! The interface `error-topic`: a custom topic of Event Grid, which delivers system errors to the error reporter by itself.

use async_trait::async_trait;
use reqwest::{
    Client, Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Serialize;
use twin_capabilities::{
    ErrorTopic, Failure,
    error_topic::{PUBLISH_LIMIT, SystemError},
};
use twin_documents::{Kind, ServiceError};
use url::Url;
use uuid::Uuid;

use crate::{
    http::{self, Called},
    identity::Tokens,
};

const CALLED: Called = Called {
    service: "Event Grid",
    action: "Microsoft.EventGrid/events/send/action",
};

/// The largest request that Event Grid accepts, in bytes.
const LARGEST: usize = 1024 * 1024;

/// What proves who the host is.
#[derive(Clone, Debug)]
pub(crate) enum Authority {
    /// A key of the topic.
    Key(twin_capabilities::secrets::Secret),
    /// A token of Microsoft Entra ID.
    Entra(Tokens),
}

/// A custom topic whose events are CloudEvents.
#[derive(Clone, Debug)]
pub(crate) struct EventGrid {
    client: Client,
    url: Url,
    authority: Authority,
}

/// An event in the format CloudEvents 1.0.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: &'a str,
    time: &'a str,
    datacontenttype: &'static str,
    data: &'a SystemError,
}

impl EventGrid {
    /// A topic by its endpoint, as the portal shows it: `https://{topic}.{region}-1.eventgrid.azure.net/api/events`. The path may
    /// be missing.
    pub(crate) fn new(client: Client, mut endpoint: Url, authority: Authority) -> Self {
        if endpoint.path() == "/" {
            endpoint.set_path("/api/events");
        }
        endpoint.set_query(Some("api-version=2018-01-01"));
        Self {
            client,
            url: endpoint,
            authority,
        }
    }

    async fn send(&self, error: &SystemError) -> Result<(), ServiceError> {
        let event = CloudEvent {
            specversion: "1.0",
            id: Uuid::now_v7().to_string(),
            source: format!("twin2multicloud.{}", error.component.to_lowercase()),
            kind: "Error",
            subject: &error.twin_id,
            time: &error.timestamp,
            datacontenttype: "application/json",
            data: error,
        };
        // Texts only: it cannot fail.
        let body = serde_json::to_vec(&[event]).unwrap_or_default();
        if body.len() > LARGEST {
            return Err(failure("larger than 1 MiB", Kind::TooLarge));
        }
        let mut request = Request::new(Method::POST, self.url.clone());
        let headers = request.headers_mut();
        let content_type = "application/cloudevents-batch+json; charset=utf-8";
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        match &self.authority {
            Authority::Key(key) => {
                headers.insert("aeg-sas-key", http::secret(key.expose(), CALLED)?);
            }
            Authority::Entra(tokens) => {
                headers.insert(AUTHORIZATION, tokens.bearer(CALLED).await?);
            }
        }
        *request.body_mut() = Some(body.into());
        let answer = http::send(&self.client, request, PUBLISH_LIMIT, CALLED).await?;
        answer.success(CALLED).map(|_| ())
    }
}

#[async_trait]
impl ErrorTopic for EventGrid {
    async fn publish(&self, error: SystemError) -> Result<(), Failure> {
        // A token may have to be fetched first: the limit is for both.
        let sent = tokio::time::timeout(PUBLISH_LIMIT, self.send(&error));
        let in_time = sent.await.unwrap_or_else(|_| {
            let timed_out = failure("timed out", Kind::Unavailable);
            Err(timed_out)
        });
        Ok(in_time?)
    }
}

fn failure(code: &str, kind: Kind) -> ServiceError {
    ServiceError {
        service: CALLED.service,
        action: CALLED.action,
        code: code.to_owned(),
        kind,
    }
}

/// The topic of a twin that has none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoTopic;

#[async_trait]
impl ErrorTopic for NoTopic {
    async fn publish(&self, _: SystemError) -> Result<(), Failure> {
        Err(Failure::Misconfigured(
            "there is no topic for system errors: set the endpoint of one".to_owned(),
        ))
    }
}
