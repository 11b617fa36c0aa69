//! Opens a queue with what the environment says of its cloud.

use twin_capabilities::UndeliveredQueue;

use super::{Source, SourceError};
use crate::config::Config;

/// An open queue.
type Opened = Box<dyn UndeliveredQueue>;

impl Source {
    /// Opens the queue. Nothing is asked of it yet. Identity, region and endpoints are those of the environment, as for a host with
    /// its store in the same cloud. A signature in `TWIN_AZURE_STORAGE_ENDPOINT` is used for the containers of that account.
    ///
    /// # Errors
    /// If the cloud is not compiled in, or the configuration does not fit the queue.
    pub fn open(&self, config: &Config) -> Result<Opened, SourceError> {
        match self {
            Self::Queue { url, region } => queue(config, url, region.as_deref()),
            Self::Container(url) => container(config, url.expose()),
            Self::Subscription(name) => subscription(config, name),
        }
    }
}

#[cfg(feature = "aws")]
fn queue(config: &Config, url: &str, region: Option<&str>) -> Result<Opened, SourceError> {
    let mut settings = config.storage.aws.clone();
    if let Some(region) = region {
        settings.region = Some(region.to_owned());
    }
    let queue = twin_aws::UndeliveredMessages::open(settings, url.to_owned());
    Ok(Box::new(queue))
}

#[cfg(not(feature = "aws"))]
fn queue(_: &Config, _: &str, _: Option<&str>) -> Result<Opened, SourceError> {
    Err(SourceError::NotBuiltIn {
        service: super::source::SQS,
        feature: "aws",
    })
}

#[cfg(feature = "azure")]
fn container(config: &Config, url: &str) -> Result<Opened, SourceError> {
    use super::source::is_storage;
    use crate::secrets::Secret;

    let settings = &config.storage.azure.settings;
    let mut url = url::Url::parse(url).map_err(|_| SourceError::Unknown)?;
    if url.query().is_none() {
        let account = settings.storage_endpoint.as_ref();
        let account = account.and_then(|account| url::Url::parse(account.expose()).ok());
        let account = account.filter(|account| is_in(&url, account));
        match account.as_ref().map(url::Url::query) {
            Some(Some(signature)) => url.set_query(Some(signature)),
            Some(None) => {}
            None => match url.host_str() {
                Some(host) if url.scheme() == "https" && is_storage(host) => {}
                host => {
                    return Err(SourceError::ForeignHost(
                        host.unwrap_or_default().to_owned(),
                    ));
                }
            },
        }
    }
    let credential = settings.credential.clone();
    let blobs = twin_azure::UndeliveredBlobs::open(&Secret::new(url.as_str()), credential)?;
    Ok(Box::new(blobs))
}

/// Whether a container is in an account.
#[cfg(feature = "azure")]
fn is_in(container: &url::Url, account: &url::Url) -> bool {
    let folder = format!("{}/", account.path().trim_end_matches('/'));
    container.origin() == account.origin() && container.path().starts_with(&folder)
}

#[cfg(not(feature = "azure"))]
fn container(_: &Config, _: &str) -> Result<Opened, SourceError> {
    Err(SourceError::NotBuiltIn {
        service: super::source::BLOB_STORAGE,
        feature: "azure",
    })
}

#[cfg(feature = "gcp")]
fn subscription(config: &Config, name: &str) -> Result<Opened, SourceError> {
    let settings = &config.storage.gcp;
    let queue = twin_gcp::UndeliveredMessages::open(
        settings.identity,
        &settings.endpoints,
        name.to_owned(),
    )?;
    Ok(Box::new(queue))
}

#[cfg(not(feature = "gcp"))]
fn subscription(_: &Config, _: &str) -> Result<Opened, SourceError> {
    Err(SourceError::NotBuiltIn {
        service: super::source::PUBSUB,
        feature: "gcp",
    })
}
