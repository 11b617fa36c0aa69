//! Runs the hot path of `contract` and `delivery` a given number of times: `cargo xtask guard` counts its instructions.
//!
//! Instructions are counted instead of time, so that a busy machine makes no difference. The number of rounds is an
//! argument: the difference between two counts belongs to the rounds alone, whatever starting the process costs.

use std::{env, hint::black_box, time::Duration};

use anyhow::Context;
use twin_capabilities::peers::Reply;
use twin_contract::{
    Cloud, Envelope, Layer, MessageId, Post, Timestamp, digest,
    reply::{Custody, error_body},
};
use twin_delivery::{Breaker, Deadline, DeliverySettings, Mono, Signal, Verdict};

const SAMPLES: usize = 100;
const FIELDS: usize = 5_000;

fn main() -> anyhow::Result<()> {
    let (what, rounds) = (env::args().nth(1), env::args().nth(2));
    let rounds: u32 = rounds.context("usage: twin-guard WHAT ROUNDS")?.parse()?;
    let body = match what.as_deref() {
        Some("small") => message(0),
        Some("large") => message(SAMPLES),
        Some("wide") => wide(),
        _ => anyhow::bail!("known are small, large and wide"),
    };
    let settings = DeliverySettings::default();
    let mut breaker = Breaker::new(settings.breaker());
    for round in 0..rounds {
        reading(&body, round, &settings, &mut breaker)?;
    }
    Ok(())
}

/// The computation for one reading: from a device through L1, L2 and L3, and the reply back.
fn reading(
    body: &str,
    round: u32,
    settings: &DeliverySettings,
    breaker: &mut Breaker,
) -> anyhow::Result<()> {
    let Post::Device(device) = Post::parse(body.as_bytes())? else {
        anyhow::bail!("a device's message was taken for an envelope");
    };
    let now = Timestamp::from_micros(1_767_225_600_000_000 + i64::from(round));
    let wrapped = device.wrap(
        Cloud::Aws,
        Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        None,
        now,
        [7; 10],
        digest,
    )?;
    let at = |ms: u32| Mono::new(Duration::from_millis(ms.into()));
    let deadline = Deadline::new(at(0), settings.function_deadline, None, Some("10000"));
    black_box(deadline.attempt_timeout(at(round % 100), settings.attempt_timeout));
    let _ = black_box(breaker.admit(at(round)));

    let envelope = Envelope::parse(wrapped.envelope.as_bytes())?;
    envelope.require_layer(Layer::L2)?;
    let forwarded = envelope.forward(Cloud::Azure, Layer::L3)?;
    let envelope = Envelope::parse(forwarded.as_bytes())?;
    envelope.require_layer(Layer::L3)?;
    black_box(envelope.payload_digest(digest));
    let id = MessageId::parse(wrapped.id.as_str())?;

    let headers = [("retry-after".to_owned(), "1".to_owned())];
    for reply in [
        (200, Custody::Received.body(id.as_str())),
        (
            503,
            error_body("STORE_UNAVAILABLE", "the store cannot be reached now"),
        ),
    ] {
        let outcome = Ok(Reply {
            status: reply.0,
            headers: headers.to_vec(),
            body: reply.1,
        });
        let _ = black_box(Signal::of(&outcome));
        let _ = black_box(Verdict::of(&outcome, now));
    }
    black_box(breaker.on_success());
    let (wish, left) = (Duration::from_secs(1), Duration::from_secs(20));
    let _ = black_box((settings.retry).next(round % 4, Some(wish), left, round.into()));
    Ok(())
}

fn message(samples: usize) -> String {
    let samples =
        vec![r#"{"t":1767225600123,"v":21.75,"note":"as \"measured\""}"#; samples].join(",");
    format!(
        r#"{{"iotDeviceId":"sensor-001","time":"2026-01-01T00:00:00Z","unit":"°C","temperature":25.40,"samples":[{samples}]}}"#
    )
}

/// A message of many fields: the search for a repeated name must not cost more than the rest.
fn wide() -> String {
    let fields: Vec<_> = (0..FIELDS)
        .map(|n| format!("\"sensor_{n}\":25.40"))
        .collect();
    format!(
        r#"{{"iotDeviceId":"sensor-001","time":"2026-01-01T00:00:00Z",{}}}"#,
        fields.join(",")
    )
}
