//! Vectors of the specification (<https://www.w3.org/TR/trace-context-2/>, sections 2.2 and 2.3), and the ids of messages.

use super::*;
use crate::{Cloud, DeviceMessage, Timestamp, digest};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn parse(header: &str) -> Option<String> {
    TraceParent::parse(header).map(|parent| parent.to_string())
}

#[test]
fn a_valid_traceparent_is_read_and_written_as_version_00() {
    for (version, flags, rest) in [
        ("00", "00", ""),
        ("00", "01", ""),
        ("00", "ff", ""),
        ("cc", "01", ""),
        ("cc", "01", "-what-the-future-will-be-like"),
        ("01", "03", "-"),
    ] {
        let header = format!("{version}-{TRACE}-{SPAN}-{flags}{rest}");
        let expected = format!("00-{TRACE}-{SPAN}-{flags}");
        assert_eq!(parse(&header), Some(expected.clone()), "{header}");
        assert_eq!(parse(&format!(" \t{header} \t")), Some(expected));
    }
}

#[test]
fn any_other_traceparent_is_not_valid() {
    let zeros = "0".repeat(32);
    for bad in [
        String::new(),
        "00".into(),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01-what"),
        format!("00-{TRACE}-{SPAN}-01."),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("cc-{TRACE}-{SPAN}-01."),
        format!("cc-{TRACE}-{SPAN}-011"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("000-{TRACE}-{SPAN}-01"),
        format!("0.-{TRACE}-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{TRACE}-0000000000000000-01"),
        format!("00-{TRACE}1-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}1-01"),
        format!("00-.{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-001"),
        format!("00-{TRACE}-{SPAN}-.1"),
        format!("00-{}-{SPAN}-01", "ä".repeat(16)),
        format!("00--{TRACE}{SPAN}-01-01"),
    ] {
        assert_eq!(parse(&bad), None, "{bad}");
    }
}

#[test]
fn only_known_flags_are_passed_on() {
    let parsed = TraceParent::parse(&format!("00-{TRACE}-{SPAN}-fe")).expect("valid");
    assert!(!parsed.flags.is_sampled());
    assert_eq!(parsed.flags.with_sampled(true).to_byte(), 3);
    assert_eq!(parsed.flags.with_sampled(false).to_byte(), 2);
    assert_eq!(TraceFlags::default().with_sampled(true).to_byte(), 1);
}

#[test]
fn a_valid_tracestate_is_combined_and_otherwise_unchanged() {
    for (headers, expected) in [
        (&["foo=1"][..], "foo=1"),
        (
            &["foo=1,bar=2", "rojo=1,congo=2", "baz=3"],
            "foo=1,bar=2,rojo=1,congo=2,baz=3",
        ),
        (&["foo=1 \t , \t bar=2,,\tbaz=3 "], "foo=1,bar=2,baz=3"),
        (&["", "foo=1", ""], "foo=1"),
        (&["foo=1,foo=2"], "foo=1,foo=2"),
        (
            &["fw529a3039@dt=FfffCCC;0 1", "0@=a b"],
            "fw529a3039@dt=FfffCCC;0 1,0@=a b",
        ),
    ] {
        let state = TraceState::parse(headers.iter().copied()).expect(expected);
        assert_eq!(state.as_str(), expected);
    }
    let members: Vec<_> = (0..32).map(|number| format!("bar{number:02}=01")).collect();
    let most = members.join(",");
    let state = TraceState::parse([most.as_str()]).map(|state| state.to_string());
    assert_eq!(state, Some(most.clone()));
    assert_eq!(TraceState::parse([most.as_str(), "one=more"]), None);
}

#[test]
fn an_invalid_tracestate_is_dropped_as_a_whole() {
    let long = "x".repeat(257);
    for bad in [
        "",
        " , ",
        "foo",
        "=1",
        "foo=",
        "foo =1",
        "FOO=1",
        "foo.bar=1",
        "@foo=1",
        "_foo=1",
        "foo=1=2",
        "foo=\u{7f}",
        "foo=ä",
        &format!("{long}=1"),
        &format!("foo={long}"),
        &format!("a={0},b={0},c={0}", "x".repeat(200)),
    ] {
        assert_eq!(TraceState::parse([bad, ""]), None, "{bad}");
        assert_eq!(
            TraceState::parse(["good=1", bad]).is_some(),
            bad.trim_matches([' ', ',']).is_empty()
        );
    }
}

#[test]
fn the_trace_of_a_text_is_itself_or_its_digest() {
    for (text, expected) in [
        (TRACE, TRACE),
        (&TRACE.to_uppercase(), TRACE),
        // sha256sum of the specification's example, of nothing, and of 32 zeros
        ("abc-123-xyz", &digest(b"abc-123-xyz")[..32]),
        ("", "e3b0c44298fc1c149afbf4c8996fb924"),
        (&"0".repeat(32), &digest("0".repeat(32).as_bytes())[..32]),
    ] {
        assert_eq!(TraceId::of_text(text).to_string(), expected, "{text}");
    }
}

#[test]
fn a_device_message_has_the_trace_that_its_envelope_gets() {
    let given = || MessageId::parse("k1").ok();
    for (body, id) in [
        (r#"{"deviceId":"d","time":1767225600,"n":1.50}"#, None),
        (r#"{"deviceId":"d","time":1767225600,"n":1.50}"#, given()),
        (r#"{"deviceId":"d","n":1}"#, given()),
    ] {
        let message = DeviceMessage::parse(body.as_bytes()).expect("valid");
        let now = Timestamp::from_micros(0);
        let wrapped = message
            .wrap(Cloud::Aws, None, id.clone(), now, [7; 10], digest)
            .expect("fits");
        let trace = MessageTrace::of(body.as_bytes(), id, digest).expect("a trace");
        assert_eq!(trace.trace_id.to_string(), wrapped.trace_id);
        assert_eq!(trace.original, None);
        let envelope = MessageTrace::of(wrapped.envelope.as_bytes(), None, digest);
        assert_eq!(envelope, Some(trace));
    }
    let without = br#"{"deviceId":"d","n":1}"#;
    assert_eq!(MessageTrace::of(without, None, digest), None);
    assert_eq!(MessageTrace::of(b"[]", given(), digest), None);
}

#[test]
fn an_envelope_has_the_trace_that_it_names_or_that_of_its_id() {
    let envelope = |trace: &str| {
        format!(
            r#"{{"source_cloud":"aws","target_layer":"L2","message_type":"telemetry","timestamp":"2023-10-27T10:00:00Z","payload":{{"device_id":"d"}}{trace}}}"#
        )
    };
    let of = |trace: &str, given| MessageTrace::of(envelope(trace).as_bytes(), given, digest);
    let named = of(r#","trace_id":"abc-123-xyz""#, None).expect("a trace");
    assert_eq!(named.trace_id, TraceId::of_text("abc-123-xyz"));
    assert_eq!(named.original.as_deref(), Some("abc-123-xyz"));
    let w3c = of(&format!(r#","trace_id":"{TRACE}""#), None).expect("a trace");
    assert_eq!(
        (w3c.trace_id.to_string().as_str(), w3c.original),
        (TRACE, None)
    );
    let id = MessageId::parse("k1").expect("valid");
    let derived = of("", Some(id.clone())).expect("a trace");
    assert_eq!(derived.trace_id.to_string(), id.trace_id());
    assert!(of("", None).is_some());
}
