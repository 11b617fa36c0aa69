//! Sends spans to a collector: OTLP over HTTP, by OpenTelemetry's exporter and our client.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{Request, Response};
use hyper::body::Bytes;
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::BatchSpanProcessor};
use tokio::runtime::Handle;

use super::{Sampling, TraceSettings};
use crate::{
    config::{Config, ConfigError},
    peers::{client_for, read_at_most, words},
    telemetry::trace::{Sampler, SpanProcessor as _, Tracer},
};

/// How long a collector may take to answer. A function platform waits for it before it gets a reply.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The longest answer of a collector that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The tracer that the configuration asks for; `None` if it names no collector.
///
/// Spans are sent in batches by a thread of their own. If the collector is slower than spans end, spans are dropped.
///
/// # Errors
/// The variable with which the exporter cannot be set up.
pub(crate) fn tracer(config: &Config) -> Result<Option<Arc<Tracer>>, ConfigError> {
    let settings = &config.traces;
    let Some(url) = settings.url() else {
        return Ok(None);
    };
    let client = client_for(&config.peers, [&url], TIMEOUT)?;
    let collector = Collector {
        client,
        runtime: Handle::current(),
    };
    let headers = settings.headers.iter();
    let headers = headers.map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(url)
        .with_timeout(TIMEOUT)
        .with_headers(headers.collect())
        .with_http_client(collector)
        .build()
        .map_err(|error| ConfigError::Invalid {
            variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
            value: None,
            expected: format!("the URL of a collector ({})", words(&error)),
        })?;
    let mut processor = BatchSpanProcessor::builder(exporter).build();
    processor.set_resource(&resource(config));
    let sampler = sampler(settings);
    Ok(Some(Arc::new(Tracer::new(sampler, processor))))
}

/// Sends all spans that have ended, and waits for it. A failure has been logged by then.
pub(crate) async fn flush(tracer: &Arc<Tracer>) {
    let tracer = Arc::clone(tracer);
    // The exporter makes its thread wait.
    let _ = tokio::task::spawn_blocking(move || tracer.flush()).await;
}

fn sampler(settings: &TraceSettings) -> Sampler {
    let ratio = Sampler::TraceIdRatioBased(settings.ratio);
    let as_the_parent = |root| Sampler::ParentBased(Box::new(root));
    match settings.sampling {
        Sampling::AlwaysOn => Sampler::AlwaysOn,
        Sampling::AlwaysOff => Sampler::AlwaysOff,
        Sampling::Ratio => ratio,
        Sampling::ParentBasedAlwaysOn => as_the_parent(Sampler::AlwaysOn),
        Sampling::ParentBasedAlwaysOff => as_the_parent(Sampler::AlwaysOff),
        Sampling::ParentBasedRatio => as_the_parent(ratio),
    }
}

/// What all spans of this host have in common. `OTEL_RESOURCE_ATTRIBUTES` adds to it.
fn resource(config: &Config) -> Resource {
    let settings = &config.traces;
    let name = settings.service_name.clone();
    let name = name.unwrap_or_else(|| format!("{}-{}", config.twin, config.cloud));
    let platform = config.storage.platform.and_then(|variable| match variable {
        "AWS_LAMBDA_FUNCTION_NAME" => Some("aws_lambda"),
        "FUNCTIONS_WORKER_RUNTIME" => Some("azure.functions"),
        "K_SERVICE" => Some("gcp_cloud_run"),
        _ => None,
    });
    let some = |name: &'static str, value: &Option<String>| {
        value.clone().map(|value| KeyValue::new(name, value))
    };
    Resource::builder()
        .with_service_name(name)
        .with_attributes(
            [
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.namespace", config.twin.clone()),
                KeyValue::new("cloud.provider", config.cloud.as_str()),
            ]
            .into_iter()
            .chain(platform.map(|platform| KeyValue::new("cloud.platform", platform)))
            .chain(some("faas.name", &settings.function_name)),
        )
        .build()
}

/// A collector, as the exporter's thread reaches it.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    /// The exporter's thread is not part of the async runtime, which the client needs.
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let exchange = exchange(self.client.clone(), request);
        let answered = self.runtime.spawn(exchange).await;
        let answered = answered.map_err(HttpError::from).flatten();
        match &answered {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => {
                let status = answer.status().as_u16();
                tracing::warn!(status, "spans refused by OTEL_EXPORTER_OTLP_ENDPOINT");
            }
            Err(error) => {
                let cause = words(error.as_ref());
                tracing::warn!(cause, "spans not sent to OTEL_EXPORTER_OTLP_ENDPOINT");
            }
        }
        answered
    }
}

async fn exchange(
    client: reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let mut response = client.execute(request.try_into()?).await?;
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    // What is longer can only be an explanation.
    let body = read_at_most(&mut response, MAX_ANSWER).await?;
    *answer.body_mut() = body.unwrap_or_default().into();
    Ok(answer)
}
