//! Connector: how it uses the store of circuits, and how it works without it.

use serde_json::json;
use twin_host::providers::memory::Capability;
use twin_tests::{Watch, causes, connector, failing, keyed, received, seconds, without_retries};

#[tokio::test(start_paused = true)]
async fn few_failures_are_written_and_refusals_never() {
    let stage = without_retries().build().await;
    stage.peers.answer("ingestion", |_, _| failing());
    for second in 0..=60 {
        stage.send_many(&format!("m{second}-"), 5).await;
        seconds(1).await;
    }
    assert_eq!(stage.circuit("ingestion").await, "open");
    let written = stage.circuit_version("ingestion").await;
    assert_eq!(
        written, 3,
        "the first failure, one in the middle, the opening"
    );
    stage.send_many("refused", 100).await;
    assert_eq!(stage.circuit_version("ingestion").await, written);
}

#[tokio::test(start_paused = true)]
async fn successes_are_not_written_and_the_state_is_read_once_a_second() {
    let watch = Watch::default();
    let before = watch.clone();
    let stage = connector().watch(move |stores| before.before(stores));
    let stage = stage.build().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    for n in 0..100 {
        stage.send_many(&format!("m{n}-"), 3).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // Three messages arrived before the state was known, and each of them had to read it.
    assert!((10..=12).contains(&watch.loads()), "{}", watch.loads());
    assert_eq!(stage.circuit_version("ingestion").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_understood_does_not_stop_data() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    let state = json!({"state": "of a later release"});
    stage.put_circuit("ingestion", state).await;
    assert_eq!(stage.send("m").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_broken_store_does_not_stop_data() {
    let stage = connector().build().await;
    stage.stores.fail(Capability::Circuits, true);
    stage.peers.answer("ingestion", |nth, _| {
        if nth < 2 {
            failing()
        } else {
            Ok(received("x"))
        }
    });
    assert_eq!(stage.send("m").await.status, 200);
    assert_eq!(stage.peers.times_ms(), [0, 1_000, 3_000]);
    stage.peers.answer("ingestion", |_, _| failing());
    assert_eq!(stage.send("undeliverable").await.status, 202);
    assert_eq!(causes(&stage.letter().await), ["HTTP 503"; 4]);
    assert_eq!(stage.event_codes().await, ["DELIVERY_DEAD_LETTERED"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_breaks_while_it_is_open_does_not_keep_it_open() {
    let stage = connector().build().await;
    stage.open_circuit("ingestion", 300).await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    assert_eq!(stage.call(keyed("early")).await.status, 202);
    stage.stores.fail(Capability::Circuits, true);
    seconds(299).await;
    assert_eq!(stage.send("still-open").await.status, 202);
    seconds(1).await;
    assert_eq!(stage.send("m").await.status, 200);
    assert_eq!(stage.send("n").await.status, 200);
}
