//! AWS: a REST API, EventBridge, SQS and an IoT rule in front of the function.

use reqwest::Method;
use serde_json::{Value, json};
use twin_contract::Cloud::Aws;
use twin_tests::{
    clouds::account::{Account, NUMBER, REGION},
    hosts::{house::Host, process::eventually, site::Site},
};

use super::{packaged, system_error};

/// The ARN of a host's function.
fn function(host: &Host) -> String {
    format!(
        "arn:aws:lambda:{REGION}:{NUMBER}:function:twin-{}",
        host.port
    )
}

#[tokio::test]
async fn a_rest_api_asks_for_a_key_and_the_function_asks_for_it_again() {
    let Some(host) = packaged(Aws) else {
        return;
    };
    // API Gateway takes no key shorter than 20 characters, and none twice.
    let common = format!("key-of-a-rest-api-{:05}", host.port);
    let of_the_gateway = format!("key-of-the-gateway-{:05}", host.port);
    let host = host
        .set(
            "INTER_CLOUD_TOKEN",
            &format!("key-of-another-caller,{common}"),
        )
        .start()
        .await;
    let account = Account::find().unwrap();
    let name = format!("twin-{}", host.port);
    let call = async |method, path: &str, body: Value| {
        account.rest("apigateway", method, path, &body).await
    };
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    let api = id(&call(Method::POST, "/restapis", json!({"name": name})).await);
    let resources = call(
        Method::GET,
        &format!("/restapis/{api}/resources"),
        Value::Null,
    )
    .await;
    let root = resources["_embedded"]["item"].as_array();
    let root = root.or_else(|| resources["item"].as_array()).unwrap();
    let root = id(&root[0]);
    let proxy = format!("/restapis/{api}/resources/{root}");
    let proxy = id(&call(Method::POST, &proxy, json!({"pathPart": "{proxy+}"})).await);
    let any = format!("/restapis/{api}/resources/{proxy}/methods/ANY");
    let method = json!({"authorizationType": "NONE", "apiKeyRequired": true});
    call(Method::PUT, &any, method).await;
    let arn = function(&host);
    let uri =
        format!("arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations");
    let integration = json!({"type": "AWS_PROXY", "httpMethod": "POST", "uri": uri});
    call(Method::PUT, &format!("{any}/integration"), integration).await;
    let stage = json!({"stageName": "prod"});
    call(Method::POST, &format!("/restapis/{api}/deployments"), stage).await;
    // A key that the gateway knows and the function does not, and one that both know.
    let plan = json!({"name": name, "apiStages": [{"apiId": api, "stage": "prod"}]});
    let plan = id(&call(Method::POST, "/usageplans", plan).await);
    for (n, value) in [&common, &of_the_gateway].iter().enumerate() {
        let key = json!({"name": format!("{name}-{n}"), "value": value, "enabled": true});
        let key = id(&call(Method::POST, "/apikeys", key).await);
        let in_plan = json!({"keyId": key, "keyType": "API_KEY"});
        call(Method::POST, &format!("/usageplans/{plan}/keys"), in_plan).await;
    }

    let base = format!("{}/restapis/{api}/prod/_user_request_", account.endpoint);
    let status = async |key: &str| {
        let site = Site::of(Aws, base.clone(), key.to_owned());
        let reply = site
            .post("/telemetry", r#"{"device_id":"d","t":25.40}"#)
            .await;
        (reply.status, reply.text)
    };
    let (known, text) = status(&common).await;
    assert_eq!(known, 200, "{text}");
    assert!(text.contains(r#""status":"received""#), "{text}");
    let (unknown, text) = status("no-key-of-any-plan-01").await;
    assert_eq!(unknown, 403, "{text}");
    assert!(
        !text.contains("error"),
        "the gateway answers in its own words: {text}"
    );
    let (refused, text) = status(&of_the_gateway).await;
    assert_eq!(refused, 403, "{text}");
    assert!(text.contains("\"error\""), "the function answers: {text}");
}

#[tokio::test]
async fn event_bridge_delivers_system_errors_to_the_reporter() {
    let Some(host) = packaged(Aws) else {
        return;
    };
    let host = host.start().await;
    let account = Account::find().unwrap();
    let call = async |target: &str, body: Value| {
        let target = format!("AWSEvents.{target}");
        account.json("events", &target, &body).await
    };
    let rule = format!("twin-{}", host.port);
    // Other tests publish on the same bus.
    let twin = format!("twin-{}", host.port);
    let pattern = json!({"detail-type": ["Error"], "detail": {"twin_id": [twin]}});
    call(
        "PutRule",
        json!({"Name": rule, "EventPattern": pattern.to_string()}),
    )
    .await;
    let target = json!({"Id": "reporter", "Arn": function(&host)});
    call("PutTargets", json!({"Rule": rule, "Targets": [target]})).await;
    let mut error = system_error();
    error["id"] = "e-1".into();
    error["twin_id"] = json!(twin);
    let entry = json!({
        "Source": "twin2multicloud.connector", "DetailType": "Error", "Detail": error.to_string(),
    });
    let put = call("PutEvents", json!({"Entries": [entry]})).await;
    assert_eq!(put["FailedEntryCount"], 0, "{put}");
    let errors = eventually("the error is kept", async || {
        let errors = host.items("/errors").await;
        (!errors.is_empty()).then_some(errors)
    })
    .await;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["id"], "e-1");
    assert_eq!(errors[0]["error_code"], "SOME_CODE");
}

#[tokio::test]
async fn of_a_queues_batch_only_what_failed_comes_again() {
    let Some(host) = packaged(Aws) else {
        return;
    };
    // Without ingestion a message for L2 is answered 503, and asked for again.
    let functions = "connector,writer,reader,error-reporter";
    let host = host.set("TWIN_FUNCTIONS", functions).start().await;
    let account = Account::find().unwrap();
    let sqs = async |action: &str, body: Value| {
        let target = format!("AmazonSQS.{action}");
        account.json("sqs", &target, &body).await
    };
    let name = |what: &str| format!("twin-{}-{what}", host.port);
    let arn = |what: &str| format!("arn:aws:sqs:{REGION}:{NUMBER}:{}", name(what));
    let undelivered = sqs("CreateQueue", json!({"QueueName": name("undelivered")})).await;
    let policy = json!({"deadLetterTargetArn": arn("undelivered"), "maxReceiveCount": 2});
    let attributes = json!({"VisibilityTimeout": "1", "RedrivePolicy": policy.to_string()});
    let queue = json!({"QueueName": name("redrive"), "Attributes": attributes});
    let queue = sqs("CreateQueue", queue).await;
    let entry = |layer: &str| {
        let envelope = json!({
            "source_cloud": "aws", "target_layer": layer, "message_type": "event",
            "timestamp": "2026-01-01T00:00:00Z", "payload": {"device_id": "q"},
        });
        let copy = json!({
            "letter_id": layer, "id": layer, "peer": "writer", "stored_at": 1, "envelope": envelope.to_string(),
        });
        json!({"Id": layer, "MessageBody": copy.to_string()})
    };
    let batch = json!({"QueueUrl": queue["QueueUrl"], "Entries": [entry("L2"), entry("L3")]});
    sqs("SendMessageBatch", batch).await;
    let mapping = json!({
        "EventSourceArn": arn("redrive"), "FunctionName": function(&host), "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"], "Enabled": true,
    });
    let path = "/2015-03-31/event-source-mappings/";
    account.rest("lambda", Method::POST, path, &mapping).await;
    let left = eventually("the message that failed is given up", async || {
        let wanted = json!({"QueueUrl": undelivered["QueueUrl"], "MaxNumberOfMessages": 10});
        let received = sqs("ReceiveMessage", wanted).await;
        let messages = received["Messages"].as_array()?;
        Some(messages.clone())
    })
    .await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0]["Body"].as_str().unwrap().contains("\"L2\""));
    let read = host.items("/read?device_id=q").await;
    assert_eq!(read.len(), 1, "{read:?}");
    assert_eq!(read[0]["id"], "L3");
}

#[tokio::test]
async fn a_device_that_speaks_mqtt_needs_no_http() {
    let Some(host) = packaged(Aws) else {
        return;
    };
    let host = host.start().await;
    let account = Account::find().unwrap();
    let (rule, topic) = (
        format!("twin_{}", host.port),
        format!("twin/sensor-{}/telemetry", host.port),
    );
    // The device is in its topic: a message over HTTP, as here, has no client's id.
    let sql = format!(
        "SELECT encode(*, 'base64') AS body, topic(2) AS device, newuuid() AS id, 'telemetry' AS twin FROM '{topic}'"
    );
    let action = json!({"lambda": {"functionArn": function(&host)}});
    let made = json!({"sql": sql, "awsIotSqlVersion": "2016-03-23", "actions": [action]});
    account
        .rest("iot", Method::POST, &format!("/rules/{rule}"), &made)
        .await;
    let publish = format!("/topics/{}?qos=1", topic.replace('/', "%2F"));
    let message = json!({"temperature": 25.5});
    account
        .rest("iotdata", Method::POST, &publish, &message)
        .await;
    let device = format!("sensor-{}", host.port);
    let read = eventually("the reading is stored", async || {
        let read = host.items(&format!("/read?device_id={device}")).await;
        (!read.is_empty()).then_some(read)
    })
    .await;
    assert_eq!(read.len(), 1, "{read:?}");
    assert_eq!(read[0]["payload"]["temperature"], 25.5);
    assert_eq!(read[0]["payload"]["device_id"], device.as_str());
}
