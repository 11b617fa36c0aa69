//! The variables for traces.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::{
    config::{
        Unset::{Nothing, Otherwise, Value},
        Variable,
        parse::{Parsed, text, url},
        reads,
    },
    headers,
    secrets::{PrivateUrl, Secret},
};

/// What is recorded of traces, and where it is sent.
#[derive(Clone, Debug, Default)]
pub struct TraceSettings {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the base URL; spans are sent to `/v1/traces` below it.
    pub endpoint: Option<PrivateUrl>,
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`: the URL for spans, used verbatim. It takes precedence.
    pub traces_endpoint: Option<PrivateUrl>,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: sent with every request to the collector. They may contain keys.
    pub headers: Vec<(String, Secret)>,
    /// `OTEL_SERVICE_NAME`.
    pub service_name: Option<String>,
    /// `OTEL_TRACES_SAMPLER`.
    pub sampling: Sampling,
    /// `OTEL_TRACES_SAMPLER_ARG`: the part of traces that is recorded, from 0 to 1.
    pub ratio: f64,
    /// The name of the function, where a platform sets one.
    pub function_name: Option<String>,
}

/// Which traces are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A part of them, chosen by trace id.
    Ratio,
    /// As the caller decided; all that begin here.
    #[default]
    ParentBasedAlwaysOn,
    /// As the caller decided; none that begin here.
    ParentBasedAlwaysOff,
    /// As the caller decided; a part of those that begin here, chosen by trace id.
    ParentBasedRatio,
}

impl Sampling {
    const ALL: [(&'static str, Self); 6] = [
        ("always_on", Self::AlwaysOn),
        ("always_off", Self::AlwaysOff),
        ("traceidratio", Self::Ratio),
        ("parentbased_always_on", Self::ParentBasedAlwaysOn),
        ("parentbased_always_off", Self::ParentBasedAlwaysOff),
        ("parentbased_traceidratio", Self::ParentBasedRatio),
    ];
}

impl TraceSettings {
    /// The URL to which spans are sent; `None` if none are recorded.
    pub fn url(&self) -> Option<Url> {
        if let Some(own) = &self.traces_endpoint {
            return Some(own.expose().clone());
        }
        let mut url = self.endpoint.as_ref()?.expose().clone();
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Some(url)
    }
}

/// The variables, by the names of OpenTelemetry's specification.
pub(crate) const VARIABLES: &[Variable] = &[
    Variable::new(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        Otherwise("no spans are recorded"),
        reads!(url(), |config, value| config.traces.endpoint = Some(value)),
        "base URL of a collector; spans are sent to /v1/traces below it: docs/operations.md",
    )
    .secret(),
    Variable::new(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        Otherwise("derived from OTEL_EXPORTER_OTLP_ENDPOINT"),
        reads!(url(), |config, value| {
            config.traces.traces_endpoint = Some(value);
        }),
        "URL to which spans are sent, used verbatim",
    )
    .secret(),
    Variable::new(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        Value(PROTOCOL),
        reads!(protocol(), |_config, value| {
            let _: &str = value;
        }),
        "how spans are sent",
    ),
    Variable::new(
        "OTEL_EXPORTER_OTLP_HEADERS",
        Nothing,
        reads!(traces.headers = header_list()),
        "headers sent to the collector, such as its key",
    )
    .secret(),
    Variable::new(
        "OTEL_SERVICE_NAME",
        Otherwise("TWIN_NAME with TWIN_CLOUD, as in factory-01-aws"),
        reads!(traces.service_name = text()),
        "name of this host in traces",
    ),
    Variable::new(
        "OTEL_TRACES_SAMPLER",
        Value("parentbased_always_on"),
        reads!(traces.sampling = sampling()),
        "which traces are recorded",
    ),
    Variable::new(
        "OTEL_TRACES_SAMPLER_ARG",
        Value("1"),
        reads!(traces.ratio = ratio()),
        "part of the traces that the samplers with traceidratio in their names record",
    ),
];

/// The only protocol. Another one must not be ignored, because a collector has a port for each.
const PROTOCOL: &str = "http/protobuf";

fn protocol(text: &str) -> Parsed<&'static str> {
    (text == PROTOCOL)
        .then_some(PROTOCOL)
        .ok_or_else(|| PROTOCOL.to_owned())
}

fn sampling(text: &str) -> Parsed<Sampling> {
    let known = Sampling::ALL.iter().find(|(name, _)| *name == text);
    known.map(|(_, sampling)| *sampling).ok_or_else(|| {
        let names = Sampling::ALL.map(|(name, _)| name);
        format!("one of {}", names.join(", "))
    })
}

fn ratio(text: &str) -> Parsed<f64> {
    text.parse()
        .ok()
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| "a number from 0 to 1".to_owned())
}

/// `name=value,name=value`, with values percent-encoded.
fn header_list(text: &str) -> Parsed<Vec<(String, Secret)>> {
    let header = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let (name, _) = headers::parse(name.trim(), &value)?;
        Some((name.to_string(), Secret::new(value)))
    };
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    pairs
        .map(header)
        .collect::<Option<Vec<_>>>()
        .filter(|headers| !headers.is_empty())
        .ok_or_else(|| "a comma-separated list of name=value, with values percent-encoded".into())
}
