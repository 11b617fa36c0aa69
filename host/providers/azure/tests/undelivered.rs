//! A container of what Event Grid could not deliver, on the emulator that `TWIN_TEST_AZURE_BLOB` names (Azurite).

#![cfg(test)]

mod support;

use std::time::Duration;

use reqwest::{Client, Method, header::CONTENT_LENGTH};
use support::{BLOB, KEY, fresh, sas::signed, variable};
use twin_azure::UndeliveredBlobs;
use twin_capabilities::{Failure, UndeliveredQueue as _, secrets::Secret, testing::Skipped};
use url::Url;

const HOLD: Duration = Duration::from_secs(60);

/// A new container, filled by its owner.
struct Container {
    url: Url,
    client: Client,
}

impl Container {
    async fn make() -> Result<Self, Skipped> {
        let mut url = Url::parse(&signed(&variable(BLOB)?, KEY)).unwrap();
        url.set_path(&format!("{}/{}", url.path(), fresh()));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        let container = Self { url, client };
        let mut create = container.url.clone();
        create.query_pairs_mut().append_pair("restype", "container");
        container.call(Method::PUT, create, "").await;
        Ok(container)
    }

    async fn call(&self, method: Method, url: Url, body: &str) {
        let request = self
            .client
            .request(method, url)
            .header("x-ms-version", "2021-12-02")
            .header("x-ms-blob-type", "BlockBlob")
            .header(CONTENT_LENGTH, body.len())
            .body(body.to_owned());
        let answer = request.send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{status}: {:?}", answer.text().await);
    }

    fn blob(&self, name: &str) -> Url {
        let mut url = self.url.clone();
        url.path_segments_mut().unwrap().extend(name.split('/'));
        url
    }

    async fn put(&self, name: &str, body: &str) {
        self.call(Method::PUT, self.blob(name), body).await;
    }

    fn open(&self) -> UndeliveredBlobs {
        UndeliveredBlobs::open(&Secret::new(self.url.as_str()), None).unwrap()
    }

    /// The names of the blobs that are there.
    async fn left(&self) -> Vec<String> {
        let taken = self.open().take(1000, HOLD).await.unwrap();
        taken.into_iter().map(|blob| blob.id).collect()
    }
}

macro_rules! or_skip {
    ($possible:expr) => {
        match $possible {
            Ok(possible) => possible,
            Err(Skipped(reason)) => return println!("skipped: {reason}"),
        }
    };
}

#[tokio::test]
async fn each_blob_is_taken_once_over_all_pages_and_removed_as_it_was_read() {
    let container = or_skip!(Container::make().await);
    assert_eq!(container.left().await, [""; 0]);
    // More than a page.
    let name = |n: u32| format!("TELEMETRY/2026/1/1/{}/a b&{n:03}.json", n % 24);
    for n in 0..103 {
        container.put(&name(n), &format!("[{n}]")).await;
    }
    let queue = container.open();
    let mut taken = Vec::new();
    loop {
        let some = queue.take(40, HOLD).await.unwrap();
        if some.is_empty() {
            break;
        }
        assert!(some.len() <= 40);
        taken.extend(some);
    }
    let mut names: Vec<_> = taken.iter().map(|blob| blob.id.clone()).collect();
    names.sort();
    let mut expected: Vec<_> = (0..103).map(name).collect();
    expected.sort();
    assert_eq!(names, expected);
    for blob in &taken {
        assert!(blob.body.starts_with(b"["));
        assert!(
            blob.since
                .is_some_and(|since| since > 1_700_000_000_000_000)
        );
    }

    // Written again since it was read.
    let changed = &taken[7];
    container.put(&changed.id, "[\"another\"]").await;
    for blob in &taken {
        let removed = queue.remove(blob).await;
        match blob.id == changed.id {
            true => assert!(
                matches!(removed, Err(Failure::Unavailable(_))),
                "{removed:?}"
            ),
            false => removed.unwrap(),
        }
    }
    assert_eq!(container.left().await, [changed.id.as_str()]);
    // Another command has removed it.
    queue.remove(&taken[0]).await.unwrap();
}

#[tokio::test]
async fn two_commands_may_take_the_same_blob() {
    let container = or_skip!(Container::make().await);
    for n in 0..3 {
        container.put(&n.to_string(), "[]").await;
    }
    let (one, other) = (container.open(), container.open());
    let first = one.take(1, HOLD).await.unwrap().pop().unwrap();
    let same = other.take(1, HOLD).await.unwrap().pop().unwrap();
    assert_eq!(first, same);
    // One that is listed, and removed before it is read, is passed over.
    let next = one.take(1, HOLD).await.unwrap().pop().unwrap();
    for blob in [first, next] {
        one.remove(&blob).await.unwrap();
    }
    other.remove(&same).await.unwrap();
    let left = other.take(10, HOLD).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, "2");
}

#[tokio::test]
async fn a_container_that_is_not_there_and_a_wrong_signature_are_named() {
    let container = or_skip!(Container::make().await);
    let cause = async |url: &Url| {
        let queue = UndeliveredBlobs::open(&Secret::new(url.as_str()), None).unwrap();
        assert!(!format!("{queue:?}").contains("sig="), "{queue:?}");
        match queue.take(1, HOLD).await {
            Err(Failure::Misconfigured(cause)) => cause,
            other => panic!("{other:?}"),
        }
    };
    let mut missing = container.url.clone();
    missing.set_path(&format!("{}x", missing.path()));
    let missing = cause(&missing).await;
    assert!(missing.contains("blobs/read"), "{missing}");
    assert!(missing.ends_with("(missing)"), "{missing}");
    let mut denied = container.url.clone();
    denied.set_query(Some(&denied.query().unwrap().replace("sig=", "sig=x")));
    let denied = cause(&denied).await;
    assert!(denied.ends_with("(denied)"), "{denied}");
}
