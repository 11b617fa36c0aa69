//! AWS: DynamoDB, EventBridge and SQS of one emulator.

use async_trait::async_trait;
use serde_json::{Value, json};
use twin_capabilities::testing::Skipped;

use super::{
    Event, Kept, Services,
    account::{Account, KEY, REGION},
    http::parse,
};

pub(super) struct Aws {
    account: Account,
    twin: String,
}

impl Aws {
    pub(super) fn find(twin: &str) -> Result<Self, Skipped> {
        Ok(Self {
            account: Account::find()?,
            twin: twin.to_owned(),
        })
    }

    async fn call(&self, service: &str, target: &str, body: Value) -> Value {
        self.account.json(service, target, &body).await
    }

    async fn sqs(&self, action: &str, body: Value) -> Value {
        self.call("sqs", &format!("AmazonSQS.{action}"), body).await
    }

    async fn url_of(&self, queue: &str) -> Value {
        let found = self.sqs("GetQueueUrl", json!({"QueueName": queue})).await;
        found["QueueUrl"].clone()
    }

    /// The queue that a rule of the bus fills.
    fn events(&self) -> String {
        format!("{}-events", self.twin)
    }

    async fn items(&self, table: &str) -> usize {
        let scan = json!({
            "TableName": format!("{}-{table}", self.twin), "Select": "COUNT", "ConsistentRead": true,
        });
        let found = self.call("dynamodb", "DynamoDB_20120810.Scan", scan).await;
        count(&found["Count"])
    }
}

#[async_trait]
impl Services for Aws {
    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TWIN_STORE", "aws".to_owned()),
            ("AWS_ENDPOINT_URL", self.account.endpoint.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
        ]
    }

    fn address(&self) -> &'static str {
        "AWS_ENDPOINT_URL_DYNAMODB"
    }

    async fn subscribe(&self) {
        let queue = self.events();
        let made = self.sqs("CreateQueue", json!({"QueueName": queue})).await;
        let arn = self
            .sqs(
                "GetQueueAttributes",
                json!({"QueueUrl": made["QueueUrl"], "AttributeNames": ["QueueArn"]}),
            )
            .await;
        let pattern = json!({"detail-type": ["Error"], "detail": {"twin_id": [self.twin]}});
        let rule = json!({"Name": queue, "EventPattern": pattern.to_string()});
        self.call("events", "AWSEvents.PutRule", rule).await;
        let target = json!({"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]});
        let targets = json!({"Rule": queue, "Targets": [target]});
        self.call("events", "AWSEvents.PutTargets", targets).await;
    }

    async fn receive(&self) -> Vec<Event> {
        let url = self.url_of(&self.events()).await;
        let most = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 60});
        let received = self.sqs("ReceiveMessage", most).await;
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        let events = messages.iter().map(|message| {
            let event = parse(message["Body"].as_str().unwrap());
            assert_eq!(event["detail-type"], "Error", "{event}");
            let source = event["source"].as_str().unwrap();
            assert!(source.starts_with("twin2multicloud."), "{event}");
            let mut error = event["detail"].clone();
            let id = error.as_object_mut().unwrap().remove("id").unwrap();
            Event {
                id: id.as_str().unwrap().to_owned(),
                error: error.to_string(),
                receipt: message["ReceiptHandle"].as_str().unwrap().to_owned(),
            }
        });
        events.collect()
    }

    async fn confirm(&self, event: &Event) {
        let url = self.url_of(&self.events()).await;
        let receipt = json!({"QueueUrl": url, "ReceiptHandle": event.receipt});
        self.sqs("DeleteMessage", receipt).await;
    }

    async fn kept(&self) -> Vec<Kept> {
        let url = self.url_of(&format!("{}-dead-letters", self.twin)).await;
        let attribute = "ApproximateNumberOfMessages";
        let copies = self
            .sqs(
                "GetQueueAttributes",
                json!({"QueueUrl": url, "AttributeNames": [attribute]}),
            )
            .await;
        let copies = copies["Attributes"][attribute].as_str().unwrap().parse();
        vec![
            Kept::of("DynamoDB", "messages", self.items("messages").await),
            Kept::of(
                "DynamoDB",
                "system errors",
                self.items("system-errors").await,
            ),
            Kept::of("DynamoDB", "dead letters", self.items("dead-letters").await),
            Kept::of(
                "DynamoDB",
                "circuits and other state",
                self.items("state").await,
            ),
            Kept::of("SQS", "copies of dead letters", copies.unwrap()),
        ]
    }
}

fn count(number: &Value) -> usize {
    usize::try_from(number.as_u64().unwrap()).unwrap()
}
