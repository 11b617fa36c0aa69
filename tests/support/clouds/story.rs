//! What happens to a twin over three clouds: readings cross it, L3 loses its store, L2 is killed, both come back, and the dead
//! letters are replayed.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{StreamExt, stream};
use twin_capabilities::testing::Skipped;
use twin_contract::Cloud;

use super::{Kept, Services, delivery::Delivery, services};
use crate::hosts::{
    house::Host,
    process::{eventually, run},
    site::Site,
};
use crate::packages::Package;

/// Readings sent while everything works.
const WELL: usize = 40;
/// Of these, readings that are sent twice, as by a device that missed the reply.
const TWICE: usize = 8;
/// The fewest readings sent in each outage.
const AWAY: usize = 8;
/// Readings at once.
const AT_ONCE: usize = 4;
/// The device of all readings.
const DEVICE: &str = "sensor-001";

/// Which cloud has which layer: L1, L2, L3.
pub type Placement = [Cloud; 3];

/// A system error that was found in a cloud's own table, where its own topic had brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The layer's cloud.
    pub cloud: Cloud,
    /// `L2`
    pub layer: &'static str,
    /// `DELIVERY_DEAD_LETTERED`
    pub error_code: &'static str,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Story {
    /// Readings that were acknowledged.
    pub sent: usize,
    /// Of these, readings that became dead letters first.
    pub lettered: usize,
    /// Dead letters that were replayed.
    pub replayed: usize,
    /// Readings found in L3.
    pub found: usize,
    /// Readings found in L3 more than once.
    pub doubled: usize,
    /// System errors, one for each layer.
    pub errors: Vec<Seen>,
    /// What the services of each cloud keep at the end.
    pub kept: Vec<(Cloud, Vec<Kept>)>,
}

/// A layer's host, its services, and what its cloud delivers to it.
struct Layer {
    host: Host,
    services: Arc<dyn Services>,
    delivery: Delivery,
}

impl Layer {
    /// A host with a prepared store, which is not running yet.
    async fn prepare(
        twin: &str,
        cloud: Cloud,
        functions: &str,
        next: Option<(&str, &Host, &str)>,
        package: Option<Package>,
    ) -> Result<Self, Skipped> {
        let services: Arc<dyn Services> = services(cloud, twin).await?.into();
        let mut host = Host::of(cloud, functions).set("TWIN_NAME", twin);
        for (name, value) in SHORTER.into_iter().chain(
            services
                .variables()
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        ) {
            host = host.set(name, value);
        }
        if let Some((peer, there, path)) = next {
            host = host.next(peer, there, path);
        }
        if services.has_administration() {
            let told = run(&mut host.command(["store", "init"]));
            assert_eq!(told.code, Some(0), "{cloud}: {told:?}");
            let told = run(&mut host.command(["store", "check"]));
            assert_eq!(told.code, Some(0), "{cloud}: {told:?}");
        }
        if let Some(package) = package {
            host = host.packaged(package);
        }
        services.subscribe().await;
        let reporter = Site::of(cloud, host.base.clone(), host.key.clone());
        let delivery = Delivery::start(Arc::clone(&services), reporter);
        Ok(Self {
            host,
            services,
            delivery,
        })
    }
}

/// Times shorter than the specification's. The rules are the same.
const SHORTER: [(&str, &str); 2] = [
    ("CIRCUIT_FAILING_SECONDS", "1"),
    ("CIRCUIT_OPEN_SECONDS", "2"),
];

/// Plays it. `tell` gets a line for each part.
///
/// # Errors
/// The emulator that is missing.
///
/// # Panics
/// If a reading is not acknowledged, or an expected system error never arrives.
pub async fn play(placement: Placement, tell: impl Fn(String)) -> Result<Story, Skipped> {
    play_in(placement, |_| Ok(None), tell).await
}

/// The same with hosts in packages of their clouds' own functions, where `package` has one.
///
/// # Errors
/// The emulator or the package that is missing.
///
/// # Panics
/// As [`play`].
pub async fn play_in(
    placement: Placement,
    package: impl Fn(Cloud) -> Result<Option<Package>, Skipped>,
    tell: impl Fn(String),
) -> Result<Story, Skipped> {
    let [first, second, third] = placement;
    let twin = format!("twin-{}", uuid::Uuid::now_v7().simple());
    let functions = "writer,reader,error-reporter";
    let mut l3 = Layer::prepare(&twin, third, functions, None, package(third)?).await?;
    let functions = "ingestion,connector,error-reporter";
    let next = Some(("WRITER", &l3.host, "/write"));
    let mut l2 = Layer::prepare(&twin, second, functions, next, package(second)?).await?;
    let next = Some(("INGESTION", &l2.host, "/ingest"));
    let mut l1 = Layer::prepare(
        &twin,
        first,
        "connector,error-reporter",
        next,
        package(first)?,
    )
    .await?;
    for layer in [&mut l3, &mut l2, &mut l1] {
        layer.host.restart().await;
    }
    tell(format!(
        "L1 {} on {first}, L2 {} on {second}, L3 {} on {third}: stores prepared, hosts ready",
        l1.host.base, l2.host.base, l3.host.base
    ));

    let mut sent = 0;
    let mut lettered = send(&l1.host, &mut sent, WELL).await;
    for n in 0..TWICE {
        acknowledged(&l1.host, n).await;
    }
    tell(format!(
        "{WELL} readings arrived at L1, {TWICE} of them twice"
    ));

    // L3 is there and its store is not.
    let unreachable = Some("http://127.0.0.1:1".to_owned());
    let address = l3.services.address();
    l3.host.kill();
    let there = l3.host.replace(address, unreachable);
    l3.host.restart_unready().await;
    loop {
        lettered += send(&l1.host, &mut sent, AWAY).await;
        let l3_reports = l3.delivery.has_seen("RECORD_WRITE_FAILED");
        if l3_reports && l2.delivery.has_seen("DELIVERY_DEAD_LETTERED") {
            break;
        }
    }
    tell(format!(
        "L3 lost its store, and {} more readings arrived: L2 keeps them",
        sent - WELL
    ));
    let before = sent;
    l2.host.kill();
    loop {
        lettered += send(&l1.host, &mut sent, AWAY).await;
        if l1.delivery.has_seen("DELIVERY_DEAD_LETTERED") {
            break;
        }
    }
    tell(format!(
        "L2 was killed, and {} more readings arrived: L1 keeps them",
        sent - before
    ));

    l3.host.kill();
    l3.host.replace(address, there);
    l3.host.restart().await;
    l2.host.restart().await;
    let mut replayed = 0;
    for layer in [&l1, &l2] {
        replayed += replay(&layer.host).await;
    }
    tell("L3 has its store again, L2 runs again, and the dead letters are replayed".to_owned());

    let (found, doubled) = read_back(&l3.host, sent).await;
    let mut errors = Vec::new();
    for (layer, name, code) in [
        (&l1, "L1", "DELIVERY_DEAD_LETTERED"),
        (&l2, "L2", "DELIVERY_DEAD_LETTERED"),
        (&l3, "L3", "RECORD_WRITE_FAILED"),
    ] {
        eventually("the topic brings a system error", async || {
            let codes = layer.host.texts("/errors?order=asc", "error_code").await;
            codes.iter().any(|found| found == code).then_some(())
        })
        .await;
        errors.push(Seen {
            cloud: layer.host.cloud,
            layer: name,
            error_code: code,
        });
    }
    let mut kept = Vec::new();
    for layer in [&l1, &l2, &l3] {
        kept.push((layer.host.cloud, layer.services.kept().await));
    }
    Ok(Story {
        sent,
        lettered,
        replayed,
        found,
        doubled,
        errors,
        kept,
    })
}

/// The n-th reading.
fn reading(n: usize) -> String {
    let (minute, second) = (n / 60, n % 60);
    format!(
        r#"{{"device_id":"{DEVICE}","time":"2026-01-01T00:{minute:02}:{second:02}Z","n":{n},"temperature":{}}}"#,
        temperature(n)
    )
}

/// The temperature in the n-th reading.
fn temperature(n: usize) -> f64 {
    20.5 + f64::from(u8::try_from(n % 10).unwrap())
}

/// Sends more readings, and returns how many of them became dead letters.
async fn send(l1: &Host, sent: &mut usize, count: usize) -> usize {
    let next = *sent..*sent + count;
    *sent = next.end;
    stream::iter(next)
        .map(|n| acknowledged(l1, n))
        .buffer_unordered(AT_ONCE)
        .filter(|status| std::future::ready(*status == 202))
        .count()
        .await
}

/// Sends a reading until it is acknowledged, as a device does: it was stored in L3, or is a dead letter on its way.
async fn acknowledged(l1: &Host, n: usize) -> u16 {
    eventually("a reading is acknowledged", async || {
        let reply = l1.post("/telemetry", &reading(n)).await;
        match reply.status {
            200 | 202 => Some(reply.status),
            503 | 504 => None,
            _ => panic!("{reply:?}"),
        }
    })
    .await
}

/// Replays the dead letters of a host until there are no more.
async fn replay(host: &Host) -> usize {
    let mut replayed = 0;
    eventually("all dead letters are replayed", async || {
        let report = host.post("/dead-letters/replay", "").await;
        // A circuit may still be open.
        if report.status == 200 {
            replayed += usize::try_from(report.json()["replayed"].as_u64().unwrap()).unwrap();
        }
        host.items("/dead-letters").await.is_empty().then_some(())
    })
    .await;
    replayed
}

/// How many of the readings are found unchanged, and how many more than once.
async fn read_back(l3: &Host, sent: usize) -> (usize, usize) {
    let mut stored: BTreeMap<u64, Vec<Option<f64>>> = BTreeMap::new();
    for item in l3.items(&format!("/read?device_id={DEVICE}")).await {
        let n = item["payload"]["n"].as_u64().unwrap();
        let temperature = item["payload"]["temperature"].as_f64();
        stored.entry(n).or_default().push(temperature);
    }
    let found = (0..sent).filter(|&n| {
        let stored = stored.get(&u64::try_from(n).unwrap());
        stored.is_some_and(|stored| stored.first() == Some(&Some(temperature(n))))
    });
    let doubled = stored.values().filter(|stored| stored.len() > 1).count();
    (found.count(), doubled)
}
