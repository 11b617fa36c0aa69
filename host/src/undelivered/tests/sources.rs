use super::super::*;
use crate::ingress::events::Topic;

fn read(text: &str) -> Option<Source> {
    text.parse().ok()
}

#[test]
fn the_form_of_a_name_says_whose_queue_it_is() {
    for (url, region) in [
        (
            "https://sqs.eu-central-1.amazonaws.com/123456789012/factory-01-undelivered",
            Some("eu-central-1"),
        ),
        (
            "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q.fifo",
            Some("cn-north-1"),
        ),
        (
            "https://vpce-1-2.sqs.us-east-1.vpce.amazonaws.com/123456789012/q",
            Some("us-east-1"),
        ),
        ("http://127.0.0.1:4566/000000000000/q", None),
    ] {
        let expected = Source::Queue {
            url: url.to_owned(),
            region: region.map(str::to_owned),
        };
        assert_eq!(read(url), Some(expected));
    }
    for url in [
        "https://account.blob.core.windows.net/undelivered",
        "https://account.blob.core.windows.net/undelivered?sv=2021-12-02&sig=s3cret",
        "https://account.z01.blob.storage.azure.net/undelivered",
        "http://127.0.0.1:10000/devstoreaccount1/undelivered?sig=s3cret",
    ] {
        let source = read(url).unwrap();
        assert!(matches!(source, Source::Container(_)), "{url}");
        assert!(!format!("{source} {source:?}").contains("s3cret"));
    }
    let name = "projects/my-project/subscriptions/undelivered";
    assert_eq!(read(name), Some(Source::Subscription(name.to_owned())));
}

#[test]
fn any_other_name_is_refused_without_being_repeated() {
    for text in [
        "",
        "queue",
        "projects/p/topics/t",
        "projects//subscriptions/s",
        "arn:aws:sqs:us-east-1:123456789012:q",
        "https://sqs.us-east-1.amazonaws.com/q?sig=s3cret",
        "https://sqs.us-east-1.amazonaws.com/account/q",
        "https://account.blob.core.windows.net/",
        "https://account.blob.core.windows.net/container/blob.json",
        "https://example.com/container",
        "ftp://account.blob.core.windows.net/undelivered",
    ] {
        let error = text.parse::<Source>().unwrap_err();
        assert!(matches!(error, SourceError::Unknown), "{text}");
        assert!(!error.to_string().contains("s3cret"));
    }
}

#[test]
fn a_topic_is_given_where_messages_do_not_say_it() {
    let queue = read("https://sqs.us-east-1.amazonaws.com/123456789012/q").unwrap();
    let container = read("https://a.blob.core.windows.net/c").unwrap();
    let subscription = read("projects/p/subscriptions/s").unwrap();
    let telemetry = Some(Topic::Telemetry);
    assert!(matches!(
        queue.form(telemetry),
        Err(SourceError::TopicNotNeeded)
    ));
    for source in [container, subscription] {
        assert!(source.form(telemetry).is_ok());
        let refused = source.form(None);
        assert!(matches!(refused, Err(SourceError::TopicNeeded { .. })));
    }
}

#[cfg(not(feature = "aws"))]
#[test]
fn a_cloud_that_is_not_compiled_in_is_named_with_its_feature() {
    let queue = read("https://sqs.us-east-1.amazonaws.com/123456789012/q").unwrap();
    let error = queue.form(None).unwrap_err().to_string();
    assert!(error.contains("`aws`"), "{error}");
}

#[cfg(feature = "azure")]
#[test]
fn no_token_is_sent_to_a_host_that_is_not_azures() {
    let config = |storage: &str| {
        let vars = [
            ("TWIN_NAME", "factory-01"),
            ("TWIN_CLOUD", "azure"),
            ("TWIN_FUNCTIONS", "error-reporter"),
            ("INTER_CLOUD_TOKEN", "key"),
            ("TWIN_STORE", "azure"),
            (
                "TWIN_AZURE_COSMOS_ENDPOINT",
                "https://a.documents.azure.com/",
            ),
            (
                "TWIN_AZURE_TOPIC_ENDPOINT",
                "https://t.eventgrid.azure.net/",
            ),
            ("TWIN_AZURE_STORAGE_ENDPOINT", storage),
        ];
        crate::config::Config::from_vars(vars).unwrap()
    };
    let opens = |storage: &str, container: &str| {
        let opened = read(container).unwrap().open(&config(storage));
        match opened {
            Ok(_) => true,
            Err(SourceError::ForeignHost(host)) => {
                assert_eq!(host, "private.example");
                false
            }
            Err(error) => panic!("{error}"),
        }
    };
    let azure = "https://a.blob.core.windows.net";
    let private = "https://private.example/a";
    assert!(opens(azure, "https://a.blob.core.windows.net/c"));
    assert!(!opens(azure, "https://private.example/a/c"));
    assert!(opens(azure, "https://private.example/a/c?sig=x"));
    assert!(opens(private, "https://private.example/a/c"));
    assert!(opens(
        &format!("{private}?sig=x"),
        "https://private.example/a/c"
    ));
    assert!(!opens(
        "https://private.example/ab",
        "https://private.example/a/c"
    ));
}
