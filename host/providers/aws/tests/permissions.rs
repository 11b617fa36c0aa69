//! A host needs exactly the permissions that are listed, and without one of them says which it was.

#![cfg(test)]

#[allow(dead_code, reason = "shared by several tests")]
mod emulator;
mod place;

use std::collections::BTreeMap;

use aws_credential_types::provider::ProvideCredentials as _;
use emulator::{Emulator, credentials};
use place::{Place, TWIN};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use twin_aws::{Aws, HOST_ACTIONS, Kind, SigV4, SigningScope, WebIdentity};
use twin_capabilities::{
    Failure, IdentityTokens as _,
    circuits::SwapFailure,
    dead_letters::Lease,
    peer_auth::Departing,
    records::Order,
    testing::samples::{TELEMETRY, any_letter, entry, everything, letter, system_error},
};

/// What each action is needed for.
const NEEDED_FOR: [(&str, &[&str]); 9] = [
    (
        "dynamodb:PutItem",
        &["check", "push", "put", "swap", "take"],
    ),
    ("dynamodb:GetItem", &["settle", "swap"]),
    ("dynamodb:DeleteItem", &["settle"]),
    ("dynamodb:Query", &["check", "query", "take"]),
    ("events:PutEvents", &["publish"]),
    ("secretsmanager:GetSecretValue", &["secret"]),
    // A letter that cannot be copied is stored all the same.
    ("sqs:GetQueueUrl", &[]),
    ("sqs:SendMessage", &[]),
    ("sts:GetWebIdentityToken", &["identity"]),
];

#[tokio::test]
async fn a_host_needs_its_actions_and_names_the_one_that_it_lacks() {
    let test = "a_host_needs_its_actions_and_names_the_one_that_it_lacks";
    let emulator = match Emulator::find() {
        Ok(emulator) => emulator,
        Err(reason) => return println!("skipped: {test}: {reason}"),
    };
    let mut listed = NEEDED_FOR.map(|(action, _)| action);
    let mut actions = HOST_ACTIONS;
    listed.sort_unstable();
    actions.sort_unstable();
    assert_eq!(listed, actions);

    let place = Place::make(&emulator).await;
    let failures = place.use_with(&HOST_ACTIONS, "all").await;
    assert_eq!(failures, BTreeMap::new());
    assert_eq!(place.copies().await, 1);

    for (missing, needed_for) in NEEDED_FOR {
        let others: Vec<_> = HOST_ACTIONS
            .into_iter()
            .filter(|action| *action != missing)
            .collect();
        let failures = place.use_with(&others, missing).await;
        let failed: Vec<_> = failures.keys().copied().collect();
        assert_eq!(failed, needed_for, "without {missing}: {failures:?}");
        for (operation, failure) in failures {
            assert!(failure.contains(missing), "{operation}: {failure}");
            assert!(
                failure.ends_with(&format!("({})", Kind::Denied)),
                "{failure}"
            );
        }
        let is_copied = !missing.starts_with("sqs:") && !needed_for.contains(&"push");
        assert_eq!(
            place.copies().await,
            usize::from(is_copied),
            "without {missing}"
        );
    }
}

#[tokio::test]
async fn a_wrong_key_is_denied() {
    let emulator = match Emulator::find() {
        Ok(emulator) => emulator,
        Err(reason) => return println!("skipped: a_wrong_key_is_denied: {reason}"),
    };
    let place = Place::make(&emulator).await;
    let user = place.user(&HOST_ACTIONS).await;
    let known = user.provide_credentials().await.unwrap();
    let known = known.access_key_id();
    for (key, secret) in [
        (known, "another secret"),
        ("AKIAUNKNOWNUNKNOWN00", "a secret"),
    ] {
        let mut settings = place.settings.clone();
        settings.credentials = Some(credentials(key, secret));
        let aws = twin_aws::open(settings, TWIN);
        let error = aws.secrets().fetch(&place.secret).await.unwrap_err();
        assert_eq!(error.kind, Kind::Denied, "{error}");
        let failure = aws.stores().health.check().await.unwrap_err();
        assert!(failure.to_string().ends_with("(denied)"), "{failure}");
    }
}

#[tokio::test]
async fn a_signed_request_is_accepted_and_a_changed_one_is_not() {
    let test = "a_signed_request_is_accepted_and_a_changed_one_is_not";
    let emulator = match Emulator::find() {
        Ok(emulator) => emulator,
        Err(reason) => return println!("skipped: {test}: {reason}"),
    };
    let place = Place::make(&emulator).await;
    let mut settings = place.settings.clone();
    settings.credentials = Some(place.user(&["lambda:InvokeFunction"]).await);
    let scope = SigningScope::of_host("abc.lambda-url.us-east-1.on.aws").unwrap();
    let auth = SigV4::open(settings, scope).for_request();
    let path = "/2015-03-31/functions/nowhere/invocations";
    let url = format!("{}{path}", emulator.endpoint);
    let departing = Departing {
        method: "POST",
        url: &url,
        body: br#"{"a":1}"#,
    };
    let signed = auth.headers(departing).await.unwrap();
    let send = async |path: &str, digest: Option<&str>| {
        let host = emulator.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).await.unwrap();
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n",
            departing.body.len()
        );
        for (name, value) in &signed {
            let changed = digest.filter(|_| *name == "x-amz-content-sha256");
            let value = changed.unwrap_or(value.expose());
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(departing.body).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    };
    // The signature is checked before the function is looked for.
    let accepted = send(path, None).await;
    assert!(accepted.contains("ResourceNotFoundException"), "{accepted}");
    let other = send("/2015-03-31/functions/elsewhere/invocations", None).await;
    assert!(other.contains("InvalidSignatureException"), "{other}");
    // The emulator compares no body with its digest, but the digest is part of what is signed.
    let digest = "0".repeat(64);
    let changed = send(path, Some(&digest)).await;
    assert!(changed.contains("InvalidSignatureException"), "{changed}");
}

impl Place {
    /// Does all that a host does, as a user who may do this only, and returns what failed.
    async fn use_with(&self, actions: &[&str], run: &str) -> BTreeMap<&'static str, String> {
        let mut settings = self.settings.clone();
        settings.credentials = Some(self.user(actions).await);
        let identity = settings.clone();
        let aws = twin_aws::open(settings, TWIN);
        let run = run.replace(':', "-");
        let mut failures = BTreeMap::new();
        let mut note = |operation, result: Result<(), Failure>| {
            if let Err(failure) = result {
                failures.insert(operation, failure.to_string());
            }
        };
        let stores = aws.stores();
        note("check", stores.health.check().await);
        let put = stores
            .records
            .put(TELEMETRY.to_owned(), vec![entry(1, &run, "{}")])
            .await;
        note("put", put.into_iter().next().unwrap().map(drop));
        let page = stores
            .records
            .query(TELEMETRY.to_owned(), everything(Order::OldestFirst))
            .await;
        note("query", page.map(drop));
        note("push", stores.dead_letters.push(letter(&run)).await);
        note(
            "publish",
            stores.error_topic.publish(system_error("A")).await,
        );
        note("swap", swap(&aws, &run).await);
        let fetched = aws.secrets().fetch(&self.secret).await;
        note("secret", fetched.map(drop).map_err(Failure::from));
        let tokens = WebIdentity::open(identity, "https://writer.example.com");
        note("identity", tokens.fetch().await.map(drop));
        let taken = stores
            .dead_letters
            .take(any_letter(), None, 1, 60_000)
            .await;
        let lease = taken
            .as_ref()
            .ok()
            .and_then(|taken| taken.leases.first().cloned());
        note("take", taken.map(drop));
        if let Some(Lease {
            letter, receipt, ..
        }) = lease
        {
            let settled = stores.dead_letters.settle(letter.letter_id, receipt).await;
            note("settle", settled.map(|settled| assert!(settled)));
        }
        failures
    }

    /// How many copies of letters there are; takes them away.
    async fn copies(&self) -> usize {
        let name = format!("{}-dead-letters", self.settings.prefix.as_deref().unwrap());
        let url = self
            .sqs
            .get_queue_url()
            .queue_name(name)
            .send()
            .await
            .unwrap();
        let url = url.queue_url.unwrap();
        let receive = self.sqs.receive_message().queue_url(&url);
        let received = receive.max_number_of_messages(10).send().await.unwrap();
        for message in received.messages() {
            let delete = self.sqs.delete_message().queue_url(&url);
            let receipt = message.receipt_handle.clone();
            delete.set_receipt_handle(receipt).send().await.unwrap();
        }
        received.messages().len()
    }
}

async fn swap(aws: &Aws, run: &str) -> Result<(), Failure> {
    let circuits = aws.stores().circuits;
    let swapped = circuits
        .compare_and_swap(run.to_owned(), 0, "open".to_owned())
        .await;
    swapped.map(drop).map_err(|error| match error {
        SwapFailure::Conflict(_) => panic!("nobody else swaps"),
        SwapFailure::Store(failure) => failure,
    })
}
