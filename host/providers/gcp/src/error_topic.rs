//! `error-topic`: system errors, published to Pub/Sub, which delivers them to the error reporter.

use async_trait::async_trait;
use twin_capabilities::{
    ErrorTopic, Failure,
    error_topic::{PUBLISH_LIMIT, Severity, SystemError},
};
use uuid::Uuid;

use crate::pubsub::{Message, Topic};

/// The topic for system errors.
#[derive(Debug)]
pub(crate) struct Errors(pub(crate) Topic);

#[async_trait]
impl ErrorTopic for Errors {
    async fn publish(&self, error: SystemError) -> Result<(), Failure> {
        Ok(self.0.publish(message(&error), PUBLISH_LIMIT).await?)
    }
}

/// The error as a message. Its id is given here and not by Pub/Sub, which would give another one to each attempt.
fn message(error: &SystemError) -> Message<3> {
    let severity = match error.severity {
        Severity::Critical => "CRITICAL",
        Severity::Warning => "WARNING",
        Severity::Info => "INFO",
    };
    Message {
        data: error.to_json(),
        attributes: [
            ("id", Uuid::now_v7().to_string()),
            ("severity", severity.to_owned()),
            ("source", error.component.clone()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_error_with_what_subscriptions_filter_by() {
        let error = SystemError {
            twin_id: "factory-01".to_owned(),
            cloud_provider: "gcp".to_owned(),
            severity: Severity::Warning,
            component: "L1-Connector".to_owned(),
            error_code: "DELIVERY_DEAD_LETTERED".to_owned(),
            message: "1 message".to_owned(),
            timestamp: "2026-01-01T00:00:00Z".to_owned(),
            raw_data: None,
        };
        let message = message(&error);
        assert_eq!(SystemError::parse(&message.data), Ok(error));
        let [(_, id), severity, source] = message.attributes;
        assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 7);
        assert_eq!(severity, ("severity", "WARNING".to_owned()));
        assert_eq!(source, ("source", "L1-Connector".to_owned()));
    }
}
