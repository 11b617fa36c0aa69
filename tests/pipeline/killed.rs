//! Kills a host while readings are being delivered: what was acknowledged is kept, and nothing else is acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::{
    crossing::{Clouds, reading},
    house::Host,
    process::eventually,
};

const READINGS: usize = 500;
const AT_ONCE: usize = 16;

/// The status that each reading's sender got, by id.
type Told = BTreeMap<String, u16>;

/// Sends all readings, and meanwhile kills a host and restarts it.
async fn send_while_killing(first: &Host, victim: Victim<'_>) -> Told {
    let answered = AtomicUsize::new(0);
    let sending = stream::iter(0..READINGS).map(async |n| {
        let reply = first.post("/telemetry", &reading(n)).await;
        answered.fetch_add(1, Relaxed);
        (reply.field("id"), reply.status)
    });
    let sending = sending.buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let reaches = async |count| {
        let reached = async || (answered.load(Relaxed) >= count).then_some(());
        eventually("readings are answered", reached).await;
    };
    let killing = async {
        reaches(READINGS / 5).await;
        victim.kill();
        reaches(READINGS / 2).await;
        victim.restart().await;
    };
    let (sent, ()) = futures_util::join!(sending, killing);
    let told: Told = sent.into_iter().collect();
    assert_eq!(told.len(), READINGS, "every reading has an id of its own");
    for status in [200, 202] {
        assert!(
            told.values().any(|told| *told == status),
            "nobody got {status}"
        );
    }
    assert!(
        told.values().all(|told| matches!(told, 200 | 202)),
        "{told:?}"
    );
    told
}

/// The host that is killed, borrowed from its clouds.
struct Victim<'a>(std::cell::RefCell<&'a mut Host>);

impl Victim<'_> {
    fn kill(&self) {
        self.0.borrow_mut().kill();
    }

    async fn restart(self) {
        self.0.into_inner().restart().await;
    }
}

fn ids(items: &[Value]) -> BTreeSet<String> {
    let ids = items.iter().map(|item| crate::replies::text(item, "id"));
    ids.collect()
}

/// The ids that got this status.
fn with(told: &Told, status: u16) -> BTreeSet<String> {
    let those = told.iter().filter(|(_, told)| **told == status);
    those.map(|(id, _)| id.clone()).collect()
}

/// Compares what is stored with what was acknowledged, replays, and compares again.
async fn settle(told: &Told, keeper: &Host, gcp: &Host) {
    let letters = ids(&keeper.items("/dead-letters").await);
    let stored = ids(&gcp.items("/read?device_id=d").await);
    let (received, kept) = (with(told, 200), with(told, 202));
    assert!(received.is_subset(&stored), "acknowledged and lost");
    assert_eq!(letters, kept, "letters are of those who were told so");

    eventually("everything is replayed", async || {
        let reply = keeper.post("/dead-letters/replay", "").await.json();
        assert_eq!(reply["failed"], 0, "{reply}");
        let left = keeper.items("/dead-letters").await;
        left.is_empty().then_some(())
    })
    .await;
    let items = gcp.items("/read?device_id=d").await;
    assert_eq!(items.len(), READINGS, "lost or doubled");
    assert_eq!(ids(&items), told.keys().cloned().collect());
    let numbers: BTreeSet<_> = items
        .iter()
        .map(|item| item["payload"]["n"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers.len(), READINGS, "each reading is there once");
}

#[tokio::test]
async fn a_killed_writer_loses_nothing_and_doubles_nothing() {
    let Clouds {
        aws,
        azure,
        mut gcp,
    } = Clouds::start(&[]).await;
    let told = send_while_killing(&aws, Victim((&mut gcp).into())).await;
    settle(&told, &azure, &gcp).await;
}

#[tokio::test]
async fn a_killed_middle_loses_nothing_and_doubles_nothing() {
    let Clouds {
        aws,
        mut azure,
        gcp,
    } = Clouds::start(&[]).await;
    let told = send_while_killing(&aws, Victim((&mut azure).into())).await;
    settle(&told, &aws, &gcp).await;
}
