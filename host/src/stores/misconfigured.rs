//! Reports a store that an operator must mend: a table that is missing, a permission that was not given.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};
use twin_capabilities::{
    ErrorTopic, Failure, circuits::SwapFailure, error_topic::SystemError, provider::system_clock,
};
use twin_contract::{EventCode, Peer, Timestamp, registry::component};

use crate::{config::Config, function::FunctionName};

/// The least time between two reports about one function's stores.
const PAUSE: Duration = Duration::from_secs(10);

/// How long publishing may take. No function waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes the system error `STORE_MISCONFIGURED`, which names the service, the action and the service's code.
pub(crate) struct Misconfigured {
    topic: Arc<dyn ErrorTopic>,
    twin: String,
    cloud: String,
    component: &'static str,
    reported_at: Mutex<Option<Instant>>,
}

impl Misconfigured {
    /// For the stores of a function. `None` for the error reporter, which never reports about itself (spec section 4).
    pub(crate) fn of(
        config: &Config,
        function: FunctionName,
        topic: Arc<dyn ErrorTopic>,
    ) -> Option<Arc<Self>> {
        let component = match function {
            FunctionName::Connector => {
                let sends_to_l2 = config.binding(function, Peer::Ingestion).is_some();
                let peer = if sends_to_l2 {
                    Peer::Ingestion
                } else {
                    Peer::Writer
                };
                component::connector_of(peer.as_str())
            }
            FunctionName::Ingestion => component::INGESTION,
            FunctionName::Writer => component::WRITER,
            FunctionName::Reader => component::READER,
            FunctionName::ErrorReporter => return None,
        };
        Some(Arc::new(Self {
            topic,
            twin: config.twin.clone(),
            cloud: config.cloud.to_string(),
            component,
            reported_at: Mutex::default(),
        }))
    }

    /// Looks at a failure, and publishes what it means. The caller does not wait for that.
    pub(crate) fn look(self: &Arc<Self>, failure: &Failure) {
        let Failure::Misconfigured(cause) = failure else {
            return;
        };
        if !self.is_due() {
            return;
        }
        let error = SystemError {
            twin_id: self.twin.clone(),
            cloud_provider: self.cloud.clone(),
            severity: EventCode::StoreMisconfigured.severity(),
            component: self.component.to_owned(),
            error_code: EventCode::StoreMisconfigured.as_str().to_owned(),
            message: format!("the store cannot be used: {cause}"),
            timestamp: Timestamp::from_micros(system_clock()()).to_string(),
            raw_data: None,
        };
        let topic = Arc::clone(&self.topic);
        tokio::spawn(async move {
            let message = error.message.clone();
            let published = timeout(PATIENCE, topic.publish(error)).await;
            let late = || Failure::Unavailable("the topic did not answer in time".to_owned());
            if let Err(failure) = published.unwrap_or_else(|_| Err(late())) {
                tracing::error!(
                    error_code = EventCode::StoreMisconfigured.as_str(),
                    message,
                    cause = %failure,
                    "system error not published"
                );
            }
        });
    }

    fn is_due(&self) -> bool {
        let mut reported_at = self
            .reported_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let due = reported_at.is_none_or(|at| at.elapsed() >= PAUSE);
        if due {
            *reported_at = Some(Instant::now());
        }
        due
    }
}

/// A failure of a store, or one that contains it.
pub(super) trait OfStore {
    /// The store's failure.
    fn of_store(&self) -> Option<&Failure>;
}

impl OfStore for Failure {
    fn of_store(&self) -> Option<&Failure> {
        Some(self)
    }
}

impl OfStore for SwapFailure {
    fn of_store(&self) -> Option<&Failure> {
        match self {
            Self::Store(failure) => Some(failure),
            Self::Conflict(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use twin_contract::Severity;

    use super::*;

    #[derive(Default)]
    struct Topic(Mutex<Vec<SystemError>>);

    #[async_trait]
    impl ErrorTopic for Topic {
        async fn publish(&self, error: SystemError) -> Result<(), Failure> {
            self.0.lock().unwrap().push(error);
            Ok(())
        }
    }

    fn config(functions: &str) -> Config {
        Config::from_vars([
            ("TWIN_NAME", "factory-01"),
            ("TWIN_CLOUD", "azure"),
            ("TWIN_FUNCTIONS", functions),
            ("INTER_CLOUD_TOKEN", "key"),
            ("REMOTE_WRITER_URL", "http://127.0.0.1:1/write"),
        ])
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_operator_must_mend_is_published_once_in_ten_seconds() {
        let topic = Arc::new(Topic::default());
        let of = |function| Misconfigured::of(&config("connector,writer"), function, topic.clone());
        let writer = of(FunctionName::Writer).unwrap();
        let missing = "Cosmos DB: readDocument failed: 404/1003 (missing)";
        let missing = Failure::Misconfigured(missing.to_owned());
        for failure in [
            Failure::Full,
            Failure::Unavailable("x".to_owned()),
            Failure::TooLarge,
        ] {
            writer.look(&failure);
        }
        for _ in 0..3 {
            writer.look(&missing);
        }
        tokio::time::sleep(PAUSE).await;
        writer.look(&missing);
        of(FunctionName::Connector).unwrap().look(&missing);
        tokio::time::sleep(PAUSE).await;

        let published = topic.0.lock().unwrap();
        let components: Vec<_> = published.iter().map(|error| &*error.component).collect();
        assert_eq!(components, ["L3-Writer", "L3-Writer", "L2-Connector"]);
        let first = &published[0];
        assert_eq!(
            (&*first.error_code, first.severity),
            ("STORE_MISCONFIGURED", Severity::Critical)
        );
        assert!(
            first
                .message
                .contains("Cosmos DB: readDocument failed: 404/1003")
        );
        assert_eq!(
            (&*first.twin_id, &*first.cloud_provider),
            ("factory-01", "azure")
        );
    }

    #[test]
    fn the_error_reporter_does_not_report_about_itself() {
        let topic = Arc::new(Topic::default());
        let reporter = FunctionName::ErrorReporter;
        assert!(Misconfigured::of(&config("error-reporter"), reporter, topic).is_none());
    }
}
