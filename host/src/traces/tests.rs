//! What the variables ask for.

use super::*;
use crate::config::Config;

fn settings(vars: &[(&str, &str)]) -> Result<TraceSettings, String> {
    let needed = [
        ("TWIN_NAME", "t"),
        ("TWIN_CLOUD", "aws"),
        ("TWIN_FUNCTIONS", "writer"),
        ("INTER_CLOUD_TOKEN", "k"),
    ];
    let config = Config::from_vars(needed.iter().chain(vars).copied());
    config
        .map(|config| config.traces)
        .map_err(|error| error.to_string())
}

#[test]
fn spans_go_below_the_base_url_or_to_their_own() {
    let base = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    for (vars, expected) in [
        (&[][..], None),
        (&[(base, "http://c:4318")], Some("http://c:4318/v1/traces")),
        (&[(base, "http://c/otlp/")], Some("http://c/otlp/v1/traces")),
        (&[(own, "http://c/spans")], Some("http://c/spans")),
        (
            &[(own, "http://c/spans"), (base, "http://d")],
            Some("http://c/spans"),
        ),
    ] {
        let url = settings(vars).unwrap().url();
        assert_eq!(url.as_ref().map(url::Url::as_str), expected, "{vars:?}");
    }
}

#[test]
fn headers_are_decoded_and_not_shown() {
    let headers = "OTEL_EXPORTER_OTLP_HEADERS";
    let given = settings(&[(headers, "Authorization=Basic%20abc%3D, x-key = k ,")]).unwrap();
    let read: Vec<_> = given
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose()))
        .collect();
    assert_eq!(read, [("authorization", "Basic abc="), ("x-key", "k")]);
    assert!(!format!("{given:?}").contains("abc"));
    for bad in ["key", "a b=c", "a=%0a", ","] {
        let error = settings(&[(headers, bad)]).unwrap_err();
        assert!(error.contains(headers), "{error}");
    }
}

#[test]
fn samplers_have_opentelemetrys_names() {
    let sampler = "OTEL_TRACES_SAMPLER";
    assert_eq!(
        settings(&[]).unwrap().sampling,
        Sampling::ParentBasedAlwaysOn
    );
    let given = [
        (sampler, "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ];
    let given = settings(&given).unwrap();
    assert_eq!(
        (given.sampling, given.ratio),
        (Sampling::ParentBasedRatio, 0.25)
    );
    for (variable, bad) in [
        (sampler, "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "NaN"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
    ] {
        let error = settings(&[(variable, bad)]).unwrap_err();
        assert!(error.contains(variable), "{error}");
    }
}
