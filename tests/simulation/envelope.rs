//! The envelope (spec §3): what each function that accepts one checks.

use twin_contract::MessageType;
use twin_host::function::FunctionName;
use twin_tests::{
    Stage,
    bodies::{ENVELOPE_L2, ENVELOPE_L3, with, without},
    post,
    routes::well,
};

/// The functions that accept envelopes, with their routes and a valid envelope.
const TAKERS: [(FunctionName, &str, &str); 4] = [
    (FunctionName::Connector, "/telemetry", ENVELOPE_L2),
    (FunctionName::Connector, "/telemetry", ENVELOPE_L3),
    (FunctionName::Ingestion, "/ingest", ENVELOPE_L2),
    (FunctionName::Writer, "/write", ENVELOPE_L3),
];

#[tokio::test(start_paused = true)]
async fn a_missing_field_is_a_400_that_names_it() {
    let required = [
        "source_cloud",
        "target_layer",
        "message_type",
        "timestamp",
        "payload",
        "payload.device_id",
    ];
    for (function, path, envelope) in TAKERS {
        let stage = well(Stage::of(function)).await;
        for field in required {
            let told = stage.call(post(path, without(envelope, field))).await;
            assert_eq!((told.status, told.code()), (400, "FIELD_MISSING"));
            let named = format!("`{field}`");
            assert!(told.message().contains(&named), "{function}: {told:?}");
        }
        assert!(stage.peers.arrivals().is_empty(), "{function}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_field_is_a_400_that_names_it() {
    let long = format!("{:?}", "x".repeat(257));
    let wrong: [(&str, &[&str]); 7] = [
        ("source_cloud", &["\"ibm\"", "\"AWS\"", "1", "null", "\"\""]),
        ("target_layer", &["\"L1\"", "\"l2\"", "2", "null"]),
        ("message_type", &["\"reading\"", "\"\"", "[]"]),
        (
            "timestamp",
            &[
                "\"yesterday\"",
                "\"2026-01-01T00:00:00+00:00\"",
                "\"2026-01-01T00:00:00\"",
                "\"2026-02-30T00:00:00Z\"",
                "1767225600",
                "\"\"",
            ],
        ),
        ("payload", &["[]", "\"{}\"", "null", "1"]),
        ("payload.device_id", &["\"\"", "1", "null", &long]),
        ("trace_id", &["1", "{}", &long]),
    ];
    for (function, path, envelope) in TAKERS {
        let stage = well(Stage::of(function)).await;
        for (field, values) in wrong {
            for value in values {
                let told = stage.call(post(path, with(envelope, field, value))).await;
                let context = format!("{function} {field}={value}: {told:?}");
                assert_eq!((told.status, told.code()), (400, "FIELD_INVALID"));
                assert!(told.message().contains(&format!("`{field}`")), "{context}");
            }
        }
        assert!(stage.peers.arrivals().is_empty(), "{function}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_optional_may_be_left_out_and_what_is_allowed_is_taken() {
    let longest = format!("{:?}", "x".repeat(256));
    for (function, path, envelope) in TAKERS {
        let stage = well(Stage::of(function)).await;
        let mut bodies = vec![
            without(envelope, "trace_id"),
            with(envelope, "trace_id", "null"),
            with(envelope, "payload.device_id", &longest),
            with(envelope, "timestamp", "\"2026-01-01T00:00:00.123456789Z\""),
            // What deployers write for `gcp`.
            with(envelope, "source_cloud", "\"google\""),
        ];
        for cloud in ["\"aws\"", "\"azure\"", "\"gcp\""] {
            bodies.push(with(envelope, "source_cloud", cloud));
        }
        for kind in MessageType::ALL {
            bodies.push(with(envelope, "message_type", &format!("\"{kind}\"")));
        }
        for body in bodies {
            let told = stage.call(post(path, &body)).await;
            assert_eq!(told.status, 200, "{function} {body}: {told:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_refuses_an_envelope_for_the_other_layer() {
    for (function, path, other) in [
        (FunctionName::Ingestion, "/ingest", ENVELOPE_L3),
        (FunctionName::Writer, "/write", ENVELOPE_L2),
    ] {
        let stage = well(Stage::of(function)).await;
        let told = stage.call(post(path, other)).await;
        assert_eq!((told.status, told.code()), (400, "FIELD_INVALID"));
        assert!(told.message().contains("`target_layer`"), "{told:?}");
        assert!(stage.peers.arrivals().is_empty());
        assert!(stage.records("messages", "d1").await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_given_twice_is_refused_even_inside_the_payload() {
    for (function, path, envelope) in TAKERS {
        let stage = well(Stage::of(function)).await;
        for (once, twice, field) in [
            (r#""trace_id""#, r#""trace_id":"x","trace_id""#, "trace_id"),
            (r#""t":"#, r#""t":1,"t":"#, "t"),
        ] {
            let told = stage.call(post(path, envelope.replace(once, twice))).await;
            assert_eq!((told.status, told.code()), (400, "FIELD_REPEATED"));
            assert!(told.message().contains(&format!("`{field}`")), "{told:?}");
        }
    }
}
