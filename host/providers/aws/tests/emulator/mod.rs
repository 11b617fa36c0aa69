//! An emulator of AWS that runs somewhere, at the address in `TWIN_TEST_AWS`, such as `http://127.0.0.1:4566`.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use twin_aws::{AwsSettings, Credentials, SharedCredentialsProvider};
use twin_capabilities::testing::Skipped;
use uuid::Uuid;

/// The region that the tests use.
pub(crate) const REGION: &str = "us-east-1";

/// Where an emulator answers.
#[derive(Clone, Debug)]
pub(crate) struct Emulator {
    pub(crate) endpoint: String,
}

impl Emulator {
    pub(crate) fn find() -> Result<Self, Skipped> {
        let no_emulator =
            || Skipped("TWIN_TEST_AWS is not set: the URL of an emulator of AWS".to_owned());
        let endpoint = std::env::var("TWIN_TEST_AWS").map_err(|_| no_emulator())?;
        Ok(Self { endpoint })
    }

    /// Settings with names that no other test uses.
    pub(crate) fn settings(&self) -> AwsSettings {
        let mut settings = AwsSettings::new();
        settings.region = Some(REGION.to_owned());
        settings.endpoint = Some(self.endpoint.clone());
        settings.prefix = Some(format!("t-{}", Uuid::new_v4().simple()));
        // The owner of the emulated account.
        settings.credentials = Some(credentials("test", "test"));
        settings
    }

    /// What clients of the services are made with.
    pub(crate) fn config(&self) -> SdkConfig {
        let http = aws_smithy_http_client::Builder::new().build_http();
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(&self.endpoint)
            .credentials_provider(credentials("test", "test"))
            .http_client(http)
            .build()
    }
}

pub(crate) fn credentials(key: &str, secret: &str) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(key, secret, None, None, "test"))
}
