//! Connector: messages of devices, and the envelopes that they become.

use twin_contract::Cloud;
use twin_tests::{READING, Stage, TRACE, TRACEPARENT, connector, post, received, with_header};

/// The envelope that a body becomes, sent with a known trace.
async fn envelope_of(stage: &Stage, body: &str) -> String {
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    let request = with_header(post("/telemetry", body), "traceparent", TRACEPARENT);
    let told = stage.call(request).await;
    assert_eq!(told.status, 200, "{body}: {told:?}");
    stage.peers.arrivals().pop().unwrap().body()
}

fn expected(cloud: &str, timestamp: &str, payload: &str) -> String {
    format!(
        r#"{{"source_cloud":"{cloud}","target_layer":"L2","message_type":"telemetry","timestamp":"{timestamp}","payload":{payload},"trace_id":"{TRACE}"}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn every_dialect_becomes_the_same_envelope() {
    let stage = connector().build().await;
    let time = "2025-12-31T23:00:00Z";
    for device_id in ["device_id", "iotDeviceId", "deviceId", "IoTDeviceId"] {
        for timestamp in ["timestamp", "time", "ts"] {
            let body = format!(r#"{{"t":1,"{timestamp}":"{time}","{device_id}":"d1"}}"#);
            assert_eq!(
                envelope_of(&stage, &body).await,
                expected("aws", time, r#"{"device_id":"d1","t":1}"#)
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_is_a_text_or_seconds_or_milliseconds_or_now() {
    let stage = connector().build().await;
    twin_tests::seconds(90).await;
    let now = "2026-01-01T00:01:30.000000Z";
    for (time, written) in [
        (r#""2025-12-31T23:00:00Z""#, "2025-12-31T23:00:00Z"),
        (
            r#""2025-12-31T23:00:00.123456789Z""#,
            "2025-12-31T23:00:00.123456789Z",
        ),
        (
            r#""2026-01-01T01:00:00+02:00""#,
            "2025-12-31T23:00:00.000000Z",
        ),
        ("1767222000", "2025-12-31T23:00:00.000000Z"),
        ("1767222000.5", "2025-12-31T23:00:00.500000Z"),
        ("1767222000123", "2025-12-31T23:00:00.123000Z"),
        ("99999999999", "5138-11-16T09:46:39.000000Z"),
        ("100000000000", "1973-03-03T09:46:40.000000Z"),
        ("null", now),
        (r#""""#, now),
    ] {
        let body = format!(r#"{{"device_id":"d1","time":{time}}}"#);
        assert_eq!(
            envelope_of(&stage, &body).await,
            expected("aws", written, r#"{"device_id":"d1"}"#),
            "{time}"
        );
    }
    assert_eq!(
        envelope_of(&stage, r#"{"device_id":"d1"}"#).await,
        expected("aws", now, r#"{"device_id":"d1"}"#)
    );
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_the_payload_stays_as_it_was() {
    let stage = connector().build().await;
    let rest = r#""n":1.50e+02,"big":123456789012345678901234567890,"s":"\u00e9 é","o":{ "a" : [ 1 ,2 ] },"payload":null,"time_":0"#;
    let body =
        format!(r#"{{ "time" : "2026-01-01T00:00:00Z" , "deviceId" : "d\u0031" , {rest} }}"#);
    assert_eq!(
        envelope_of(&stage, &body).await,
        expected(
            "aws",
            "2026-01-01T00:00:00Z",
            &format!(r#"{{"device_id":"d1",{rest}}}"#)
        )
    );
}

#[tokio::test(start_paused = true)]
async fn the_source_is_the_own_cloud_under_its_own_name() {
    for cloud in [Cloud::Aws, Cloud::Azure, Cloud::Gcp] {
        let stage = connector().cloud(cloud).build().await;
        stage.peers.answer("ingestion", |_, _| Ok(received("x")));
        let mut request = with_header(post("/telemetry", READING), "traceparent", TRACEPARENT);
        let bearer = (
            "authorization".to_owned(),
            format!("Bearer {}", twin_tests::KEY),
        );
        let key = ("x-functions-key".to_owned(), twin_tests::KEY.to_owned());
        match cloud {
            Cloud::Aws => {}
            Cloud::Azure => request.headers.push(key),
            Cloud::Gcp => request.headers.push(bearer),
        }
        assert_eq!(stage.call(request).await.status, 200);
        assert_eq!(
            stage.peers.arrivals()[0].body(),
            expected(
                cloud.as_str(),
                "2026-01-01T00:00:00Z",
                r#"{"device_id":"d1","t":1.50}"#
            )
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_reading_is_named() {
    let stage = connector().build().await;
    for (body, code, named) in [
        (r#"{"t":1}"#, "FIELD_MISSING", "device_id"),
        (r#"{"device_id":""}"#, "FIELD_INVALID", "device_id"),
        (r#"{"device_id":7}"#, "FIELD_INVALID", "device_id"),
        (
            r#"{"device_id":"d","deviceId":"d"}"#,
            "FIELD_REPEATED",
            "deviceId",
        ),
        (
            r#"{"device_id":"d","time":1,"ts":1}"#,
            "FIELD_REPEATED",
            "ts",
        ),
        (
            r#"{"device_id":"d","time":"soon"}"#,
            "FIELD_INVALID",
            "timestamp",
        ),
        (
            r#"{"device_id":"d","time":{}}"#,
            "FIELD_INVALID",
            "timestamp",
        ),
        (r#"{"device_id":"d","t":1,"t":2}"#, "FIELD_REPEATED", "t"),
        (r#"[{"device_id":"d"}]"#, "BODY_NOT_AN_OBJECT", "object"),
    ] {
        let told = stage.call(post("/telemetry", body)).await;
        assert_eq!((told.status, told.code()), (400, code), "{body}");
        assert!(told.message().contains(named), "{told:?}");
    }
    let long = format!(r#"{{"device_id":"{}"}}"#, "d".repeat(257));
    assert_eq!(stage.call(post("/telemetry", long)).await.status, 400);
}
