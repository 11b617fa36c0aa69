//! Prepared requests, with a number that makes each a different message.

use std::fmt::Write as _;

use crate::serve::{KEY, Route};

/// The number of digits.
const DIGITS: usize = 12;
const PLACE: &str = "000000000000";

/// The bytes of a request, and the position of its number.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    places: Vec<usize>,
    /// Numbers repeat after this many messages, which bounds the memory for stored messages.
    numbers: u64,
}

impl Template {
    /// A request to a route with a body of about this many bytes.
    pub(crate) fn new(route: Route, body: usize) -> Self {
        Self::with(route, body, "")
    }

    /// The same in a trace that its caller records.
    pub(crate) fn traced(route: Route, body: usize) -> Self {
        let headers = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
                       tracestate: congo=t61rcWkgMzE\r\n";
        Self::with(route, body, headers)
    }

    /// `headers` are lines with their ends.
    fn with(route: Route, body: usize, headers: &str) -> Self {
        let (path, id) = match route {
            Route::Ingest => ("/ingest", true),
            Route::Write | Route::WriteDurable => ("/write", true),
            // A device sends no id of its own.
            Route::Connector => ("/telemetry", false),
        };
        let body = self::body(route, body);
        let mut text = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\nuser-agent: twin-bench\r\n\
             content-type: application/json\r\nx-api-key: {KEY}\r\n{headers}"
        );
        if id {
            let _ = write!(
                text,
                "idempotency-key: bench-{PLACE}\r\nx-twin-timeout-ms: 10000\r\n"
            );
        }
        let _ = write!(text, "content-length: {}\r\n\r\n{body}", body.len());
        let places = text.match_indices(PLACE).map(|(place, _)| place).collect();
        let kept = (256 << 20) / (text.len() as u64 + 1024);
        Self {
            bytes: text.into_bytes(),
            places,
            numbers: match route {
                Route::WriteDurable => u64::MAX,
                _ => kept,
            },
        }
    }

    /// The request with this number.
    pub(crate) fn stamp(&mut self, number: u64) -> &[u8] {
        let digits = format!("{:0DIGITS$}", number % self.numbers);
        for place in &self.places {
            if let Some(slot) = self.bytes.get_mut(*place..*place + DIGITS) {
                slot.copy_from_slice(digits.as_bytes());
            }
        }
        &self.bytes
    }
}

/// A message of about this many bytes: a few fields, and samples to reach the size.
pub(crate) fn body(route: Route, size: usize) -> String {
    let mut payload = format!("\"seq\":{PLACE},\"unit\":\"°C\",\"temperature\":25.40")
        .replace(&format!(":{PLACE}"), &format!(":\"{PLACE}\""));
    let rest = size.saturating_sub(payload.len() + 180);
    let mut samples = String::new();
    while samples.len() < rest {
        let comma = if samples.is_empty() { "" } else { "," };
        let _ = write!(
            samples,
            "{comma}{{\"t\":1767225600123,\"v\":21.75,\"ok\":true}}"
        );
    }
    if !samples.is_empty() {
        let _ = write!(payload, ",\"samples\":[{samples}]");
    }
    let layer = match route {
        Route::Connector => {
            return format!(
                "{{\"iotDeviceId\":\"sensor-001\",\"time\":\"2026-01-01T00:00:00Z\",{payload}}}"
            );
        }
        Route::Ingest => "L2",
        Route::Write | Route::WriteDurable => "L3",
    };
    format!(
        "{{\"source_cloud\":\"aws\",\"target_layer\":\"{layer}\",\"message_type\":\"telemetry\",\
         \"timestamp\":\"2026-01-01T00:00:00Z\",\"payload\":{{\"device_id\":\"sensor-001\",{payload}}},\
         \"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_about_the_size_asked_for() {
        for size in [307, 4096, 65536] {
            let made = body(Route::Write, size).len();
            assert!(made.abs_diff(size) < 100, "{size}: {made}");
        }
    }

    #[test]
    fn each_number_makes_another_message() {
        let mut template = Template::new(Route::WriteDurable, 307);
        let first = template.stamp(1).to_vec();
        let second = template.stamp(2).to_vec();
        assert_eq!(first.len(), second.len());
        assert!(
            String::from_utf8(second)
                .unwrap()
                .contains("bench-000000000002")
        );
        assert_eq!(template.places.len(), 2);
    }
}
