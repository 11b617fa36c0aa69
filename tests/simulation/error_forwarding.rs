//! From the outbox to the error reporter: which replies settle an event.

use std::sync::Arc;

use tokio::sync::watch;
use twin_capabilities::error_topic::{Severity, SystemError};
use twin_host::{function::FunctionName, outbox::Forwarder};
use twin_tests::{Stage, conflict, error, page, received, reply, seconds};

fn an_error() -> SystemError {
    SystemError {
        twin_id: "test-twin".to_owned(),
        cloud_provider: "aws".to_owned(),
        severity: Severity::Warning,
        component: "L1-Connector".to_owned(),
        error_code: "SOME_CODE".to_owned(),
        message: "some message".to_owned(),
        timestamp: "2026-01-01T00:00:00Z".to_owned(),
        raw_data: None,
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_reporters_own_words_end_an_events_way() {
    for last in [received("x"), error(400), error(413), conflict()] {
        let stage = Stage::of(FunctionName::ErrorReporter).build().await;
        let stores = stage.stores.stores();
        stores.error_topic.publish(an_error()).await.unwrap();
        let answers = [
            page(400),
            page(409),
            page(413),
            page(200),
            reply(409, br#"{"message":"Conflict"}"#),
            error(503),
            last,
        ];
        let count = answers.len();
        stage.peers.answer("error-reporter", move |nth, _| {
            Ok(answers.get(nth).cloned().expect("no more than that"))
        });
        let (stop, stopped) = watch::channel(false);
        let forwarder = Forwarder::new(stores.outbox.unwrap(), Arc::new(stage.peers.clone()));
        let running = tokio::spawn(forwarder.run(stopped));
        seconds(600).await;
        assert_eq!(stage.peers.arrivals().len(), count);
        assert!(stage.events().await.is_empty(), "it is settled");
        stop.send(true).unwrap();
        running.await.unwrap();
    }
}
