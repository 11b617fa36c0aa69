//! What this provider alone promises, on an emulator: what `init` makes, copies of letters, events, secrets, times of expiry.

#![cfg(test)]

#[allow(dead_code, reason = "shared by several tests")]
mod emulator;

use std::time::{Duration, SystemTime};

use aws_config::Region;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use aws_sdk_eventbridge::types::Target;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_sqs::types::QueueAttributeName;
use emulator::{Emulator, REGION};
use serde_json::Value as Json;
use twin_aws::{AwsSettings, DeadLetterQueue, Kind, Problem, SecretsManagerArn};
use twin_capabilities::{
    error_topic::SystemError,
    records::Outcome,
    testing::samples::{PutAll as _, TELEMETRY, entry, letter, system_error},
};

const TWIN: &str = "factory-01";

/// The emulator; prints why the test does not run, if there is none.
fn emulator(test: &str) -> Option<Emulator> {
    Emulator::find()
        .inspect_err(|reason| println!("skipped: {test}: {reason}"))
        .ok()
}

fn name(settings: &AwsSettings, what: &str) -> String {
    format!("{}-{what}", settings.prefix.as_deref().unwrap())
}

/// Takes all messages out of a queue.
async fn messages(sqs: &aws_sdk_sqs::Client, url: &str) -> Vec<Json> {
    let mut bodies = Vec::new();
    loop {
        let receive = sqs.receive_message().queue_url(url);
        let receive = receive.max_number_of_messages(10).wait_time_seconds(1);
        let received = receive.send().await.unwrap();
        if received.messages().is_empty() {
            return bodies;
        }
        for message in received.messages() {
            bodies.push(serde_json::from_str(message.body().unwrap()).unwrap());
            let delete = sqs.delete_message().queue_url(url);
            let receipt = message.receipt_handle.clone();
            delete.set_receipt_handle(receipt).send().await.unwrap();
        }
    }
}

#[tokio::test]
async fn init_makes_what_is_missing_and_check_finds_it() {
    let Some(emulator) = emulator("init_makes_what_is_missing_and_check_finds_it") else {
        return;
    };
    let mut settings = emulator.settings();
    settings.event_bus = name(&settings, "bus");

    let missing = twin_aws::check(&settings, TWIN).await;
    assert_eq!(missing.len(), 6, "{missing:?}");
    assert!(
        missing
            .iter()
            .all(|finding| finding.problem == Problem::Missing)
    );

    let made = twin_aws::init(&settings, TWIN).await.unwrap();
    assert!(made.iter().all(|prepared| prepared.created), "{made:?}");
    assert_eq!(made.len(), twin_aws::plan(&settings, TWIN).len());
    for (made, planned) in made.iter().zip(twin_aws::plan(&settings, TWIN)) {
        assert!(planned.starts_with(&made.what), "{planned}: {}", made.what);
    }
    assert_eq!(twin_aws::check(&settings, TWIN).await, []);

    let again = twin_aws::init(&settings, TWIN).await.unwrap();
    assert!(again.iter().all(|prepared| !prepared.created), "{again:?}");
    let stores = twin_aws::open(settings, TWIN).stores();
    stores.health.check().await.unwrap();
}

#[tokio::test]
async fn what_a_table_lacks_is_found_and_added() {
    let Some(emulator) = emulator("what_a_table_lacks_is_found_and_added") else {
        return;
    };
    let mut settings = emulator.settings();
    settings.dead_letter_queue = DeadLetterQueue::None;
    let dynamodb = aws_sdk_dynamodb::Client::new(&emulator.config());
    let letters = name(&settings, "dead-letters");
    create(&dynamodb, &letters, "key").await;
    create(&dynamodb, &name(&settings, "state"), "id").await;

    let findings = twin_aws::check(&settings, TWIN).await;
    let found: Vec<_> = findings.iter().map(ToString::to_string).collect();
    let missing = "it does not exist: run `twin store init`";
    let keeps = "items are not removed after the time in `expires`";
    let (messages, errors) = (
        name(&settings, "messages"),
        name(&settings, "system-errors"),
    );
    let state = name(&settings, "state");
    assert_eq!(
        found,
        [
            format!("table `{messages}`: {missing}"),
            format!("table `{errors}`: {missing}"),
            format!("index `by-order` of table `{letters}`: {missing}"),
            format!("index `by-queue` of table `{letters}`: {missing}"),
            format!("removal of items of table `{letters}`: {keeps}"),
            format!("table `{state}`: its primary key is not `key`"),
            format!("index `by-order` of table `{state}`: {missing}"),
            format!("removal of items of table `{state}`: {keeps}"),
        ]
    );

    // A table with another key is left as it is.
    let error = twin_aws::init(&settings, TWIN).await.unwrap_err();
    assert_eq!(error.code, "the table has another primary key");
    dynamodb
        .delete_table()
        .table_name(&state)
        .send()
        .await
        .unwrap();
    let prepared = twin_aws::init(&settings, TWIN).await.unwrap();
    let of_state = prepared
        .iter()
        .filter(|prepared| prepared.what.contains(&state));
    assert!(of_state.clone().count() == 3 && of_state.clone().all(|prepared| prepared.created));
    assert_eq!(twin_aws::check(&settings, TWIN).await, []);
    let stores = twin_aws::open(settings, TWIN).stores();
    stores.dead_letters.push(letter("a")).await.unwrap();
    let page = stores.dead_letters.list(None, 10).await.unwrap();
    assert_eq!(page.letters.len(), 1);
}

/// A table with nothing but a key.
async fn create(dynamodb: &aws_sdk_dynamodb::Client, table: &str, key: &str) {
    let attribute = AttributeDefinition::builder()
        .attribute_name(key)
        .attribute_type(ScalarAttributeType::S);
    let schema = KeySchemaElement::builder()
        .attribute_name(key)
        .key_type(KeyType::Hash);
    dynamodb
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute.build().unwrap())
        .key_schema(schema.build().unwrap())
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_letter_is_copied_once_and_a_large_one_pointed_to() {
    let Some(emulator) = emulator("a_new_letter_is_copied_once_and_a_large_one_pointed_to") else {
        return;
    };
    let settings = emulator.settings();
    twin_aws::init(&settings, TWIN).await.unwrap();
    let letters = twin_aws::open(settings.clone(), TWIN).stores().dead_letters;
    let mut small = letter("small");
    small.envelope = br#"{"payload":{}}"#.to_vec();
    let mut large = letter("large");
    large.envelope = vec![b'x'; 300_000];
    for letter in [&small, &large, &small] {
        letters.push(letter.clone()).await.unwrap();
    }
    // A lease is not a new letter.
    let taken = letters.take(
        twin_capabilities::testing::samples::any_letter(),
        None,
        10,
        1000,
    );
    assert_eq!(taken.await.unwrap().leases.len(), 2);

    let sqs = aws_sdk_sqs::Client::new(&emulator.config());
    let queue = name(&settings, "dead-letters");
    let url = sqs.get_queue_url().queue_name(queue).send().await.unwrap();
    let url = url.queue_url.unwrap();
    let mut copies = messages(&sqs, &url).await;
    copies.sort_by_key(|copy| copy["letter_id"].to_string());
    assert_eq!(copies.len(), 2, "{copies:?}");
    assert_eq!(copies[0]["letter_id"], "large");
    assert_eq!(copies[0].get("envelope"), None);
    assert_eq!(copies[1]["envelope"], r#"{"payload":{}}"#);
    assert_eq!(copies[1]["attempts"][0]["status"], 503);

    // By its URL it is the same queue, and without it letters are stored all the same.
    let mut by_url = settings;
    by_url.dead_letter_queue = DeadLetterQueue::Url(url.clone());
    assert_eq!(twin_aws::check(&by_url, TWIN).await, []);
    let letters = twin_aws::open(by_url.clone(), TWIN).stores().dead_letters;
    letters.push(letter("by-url")).await.unwrap();
    let copies = messages(&sqs, &url).await;
    assert_eq!(copies.len(), 1, "{copies:?}");
    sqs.delete_queue().queue_url(&url).send().await.unwrap();
    letters.push(letter("without")).await.unwrap();
    assert!(letters.get("without".to_owned()).await.unwrap().is_some());
    let findings = twin_aws::check(&by_url, TWIN).await;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].problem, Problem::Missing);
}

#[tokio::test]
async fn a_system_error_reaches_the_rules_of_the_bus() {
    let Some(emulator) = emulator("a_system_error_reaches_the_rules_of_the_bus") else {
        return;
    };
    let mut settings = emulator.settings();
    settings.event_bus = name(&settings, "bus");
    twin_aws::init(&settings, TWIN).await.unwrap();
    let config = emulator.config();
    let (sqs, eventbridge) = (
        aws_sdk_sqs::Client::new(&config),
        aws_sdk_eventbridge::Client::new(&config),
    );
    let queue = name(&settings, "events");
    let url = sqs.create_queue().queue_name(&queue).send().await.unwrap();
    let url = url.queue_url.unwrap();
    let attributes = sqs.get_queue_attributes().queue_url(&url);
    let attributes = attributes.attribute_names(QueueAttributeName::QueueArn);
    let attributes = attributes.send().await.unwrap().attributes.unwrap();
    let arn = &attributes[&QueueAttributeName::QueueArn];
    let bus = &settings.event_bus;
    let rule = eventbridge.put_rule().name(&queue).event_bus_name(bus);
    let pattern = r#"{"source":["twin2multicloud.l1-connector"],"detail-type":["Error"]}"#;
    rule.event_pattern(pattern).send().await.unwrap();
    let target = Target::builder().id("queue").arn(arn).build().unwrap();
    let targets = eventbridge.put_targets().rule(&queue).event_bus_name(bus);
    targets.targets(target).send().await.unwrap();

    let stores = twin_aws::open(settings, TWIN).stores();
    // What is done once, at the first call, does not count towards the topic's half a second.
    stores.health.check().await.unwrap();
    let topic = stores.error_topic;
    let long = SystemError {
        raw_data: Some("\0".repeat(64 * 1024)),
        ..system_error("LONG")
    };
    topic.publish(system_error("SHORT")).await.unwrap();
    topic.publish(long).await.unwrap();

    let mut details = Vec::new();
    for mut event in messages(&sqs, &url).await {
        assert_eq!(event["source"], "twin2multicloud.l1-connector");
        let mut detail = event["detail"].take();
        let id = detail.as_object_mut().unwrap().remove("id").unwrap();
        assert_eq!(id.as_str().unwrap().chars().nth(14), Some('7'), "a UUIDv7");
        details.push(SystemError::parse(detail.to_string().as_bytes()).unwrap());
    }
    details.sort_by_key(|detail| detail.error_code.len());
    let codes: Vec<_> = details.iter().map(|detail| &detail.error_code).collect();
    assert_eq!(codes, ["LONG", "SHORT"]);
    assert_eq!(details[1], system_error("SHORT"));
    let cut = details[0].raw_data.as_ref().unwrap();
    assert!(cut.len() > 40_000 && cut.len() < 64 * 1024, "{}", cut.len());
}

#[tokio::test]
async fn a_secret_is_read_from_its_region_as_it_is_now() {
    let Some(emulator) = emulator("a_secret_is_read_from_its_region_as_it_is_now") else {
        return;
    };
    let settings = emulator.settings();
    let secrets = twin_aws::open(settings.clone(), TWIN).secrets().clone();
    for region in [REGION, "eu-west-1"] {
        let config = emulator.config().into_builder();
        let config = config.region(Region::new(region)).build();
        let manager = aws_sdk_secretsmanager::Client::new(&config);
        let create = manager.create_secret().name(name(&settings, "key"));
        let created = create.secret_string("first").send().await.unwrap();
        let arn = created.arn.unwrap();
        assert!(arn.contains(region), "{arn}");
        let reference: SecretsManagerArn = arn.parse().unwrap();
        assert_eq!(secrets.fetch(&reference).await.unwrap().expose(), "first");
        let put = manager.put_secret_value().secret_id(&arn);
        put.secret_string("second").send().await.unwrap();
        assert_eq!(secrets.fetch(&reference).await.unwrap().expose(), "second");

        let create = manager.create_secret().name(name(&settings, "binary"));
        let create = create.secret_binary(Blob::new([255]));
        let arn = create.send().await.unwrap().arn.unwrap();
        let reference: SecretsManagerArn = arn.parse().unwrap();
        let error = secrets.fetch(&reference).await.unwrap_err();
        assert_eq!(error.kind, Kind::Rejected);

        let arn = format!("arn:aws:secretsmanager:{region}:000000000000:secret:none-a1B2c3");
        let reference: SecretsManagerArn = arn.parse().unwrap();
        let error = secrets.fetch(&reference).await.unwrap_err();
        assert_eq!(
            (error.kind, error.code.as_str()),
            (Kind::Missing, "ResourceNotFoundException")
        );
    }
}

#[tokio::test]
async fn an_item_expires_when_its_age_is_over_by_the_services_clock() {
    let Some(emulator) = emulator("an_item_expires_when_its_age_is_over_by_the_services_clock")
    else {
        return;
    };
    const AGE: Duration = Duration::from_secs(86_400);
    let mut settings = emulator.settings();
    settings.kept.record_age = Some(AGE);
    twin_aws::init(&settings, TWIN).await.unwrap();
    let stores = twin_aws::open(settings.clone(), TWIN).stores();
    let entries = vec![entry(1, "reading-1", "{}")];
    let put = stores.records.put_all(TELEMETRY.to_owned(), entries).await;
    let [Outcome::Stored(stored_at)] = put.unwrap()[..] else {
        panic!("not stored");
    };
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    assert!(now.abs_diff(stored_at.unsigned_abs().into()) < 5_000_000);

    let dynamodb = aws_sdk_dynamodb::Client::new(&emulator.config());
    let scan = dynamodb.scan().table_name(name(&settings, "messages"));
    let items = scan.send().await.unwrap().items.unwrap();
    let [item] = &items[..] else {
        panic!("{} items", items.len());
    };
    let expires = (stored_at + 86_400_000_000 + 999_999) / 1_000_000;
    assert_eq!(item["expires"], AttributeValue::N(expires.to_string()));
    let body = item["fields"].as_m().unwrap()["body"].as_s().unwrap();
    assert_eq!(body, "{}");
}
