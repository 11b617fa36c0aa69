//! The name of a queue, as an operator writes it. Its form says whose it is.

use std::{fmt, str::FromStr};

use twin_capabilities::Secret;
use url::Url;

use super::Form;
use crate::ingress::events::Topic;

/// A dead-letter queue of a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A queue of SQS.
    Queue {
        /// Its URL.
        url: String,
        /// Its region, if the URL shows it.
        region: Option<String>,
    },
    /// A container of Blob Storage: its URL, with a shared access signature or without.
    Container(Secret),
    /// A subscription of Pub/Sub: `projects/PROJECT/subscriptions/SUBSCRIPTION`.
    Subscription(String),
}

/// Why a queue cannot be read as the command says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It has none of the forms. It is not repeated here: it may have a signature.
    #[error(
        "the queue must be the URL of an SQS queue (https://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE), the URL of a container of \
         Blob Storage (https://ACCOUNT.blob.core.windows.net/CONTAINER), or a subscription of Pub/Sub \
         (projects/PROJECT/subscriptions/SUBSCRIPTION)"
    )]
    Unknown,
    /// This program was built without the cloud.
    #[error("{service} needs a build with the cargo feature `{feature}`")]
    NotBuiltIn {
        /// The service.
        service: &'static str,
        /// The cargo feature.
        feature: &'static str,
    },
    /// The messages do not say what they are about.
    #[error(
        "--topic is required for {service} (telemetry, errors or letters): its messages do not say what they are about"
    )]
    TopicNeeded {
        /// The service.
        service: &'static str,
    },
    /// The messages say what they are about.
    #[error("--topic is not for SQS: its messages say what they are about")]
    TopicNotNeeded,
    /// The token of the operator's identity would be sent to a host that is not Azure's.
    #[error(
        "{0} is not a host of Azure's Blob Storage, to which no token of an identity is sent: add a shared access signature to \
         the URL"
    )]
    ForeignHost(String),
    /// A setting of Azure cannot be used.
    #[cfg(feature = "azure")]
    #[error("cannot use the container")]
    Azure(#[from] twin_azure::AzureError),
    /// A setting of Google Cloud cannot be used.
    #[cfg(feature = "gcp")]
    #[error("cannot use the subscription")]
    Gcp(#[from] twin_gcp::GcpError),
}

/// The names by which errors call the services.
#[cfg(not(feature = "aws"))]
pub(super) const SQS: &str = "a queue of SQS";
pub(super) const BLOB_STORAGE: &str = "a container of Blob Storage";
pub(super) const PUBSUB: &str = "a subscription of Pub/Sub";

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let names: Vec<_> = text.split('/').collect();
        if let ["projects", project, "subscriptions", subscription] = names.as_slice() {
            let complete = !project.is_empty() && !subscription.is_empty();
            let subscription = complete.then(|| Self::Subscription(text.to_owned()));
            return subscription.ok_or(SourceError::Unknown);
        }
        let url = Url::parse(text).map_err(|_| SourceError::Unknown)?;
        if !matches!(url.scheme(), "http" | "https") || url.fragment().is_some() {
            return Err(SourceError::Unknown);
        }
        let host = url.host_str().ok_or(SourceError::Unknown)?;
        let path = url.path().trim_matches('/');
        let parts: Vec<_> = path.split('/').collect();
        let of_amazon = is_below(host, &["amazonaws.com", "amazonaws.com.cn", "api.aws"]);
        match parts.as_slice() {
            [account, queue] if is_account(account) && !queue.is_empty() => Ok(Self::Queue {
                url: text.to_owned(),
                region: region(host).filter(|_| of_amazon),
            }),
            [container] if is_storage(host) && !container.is_empty() => {
                Ok(Self::Container(Secret::new(text)))
            }
            // The account is in the path where the host is a private endpoint or an emulator.
            [account, container]
                if !of_amazon
                    && !is_storage(host)
                    && !account.is_empty()
                    && !container.is_empty() =>
            {
                Ok(Self::Container(Secret::new(text)))
            }
            _ => Err(SourceError::Unknown),
        }
    }
}

impl Source {
    /// How the messages are read. `topic` is what they are about, where they do not say it.
    ///
    /// # Errors
    /// If the topic is missing or not wanted, or the cloud is not compiled in.
    pub fn form(&self, topic: Option<Topic>) -> Result<Form, SourceError> {
        let needed = |service| topic.ok_or(SourceError::TopicNeeded { service });
        match self {
            Self::Queue { .. } if topic.is_some() => Err(SourceError::TopicNotNeeded),
            Self::Queue { .. } => Form::lambda(),
            Self::Container(_) => needed(BLOB_STORAGE).map(Form::EventGrid),
            Self::Subscription(_) => needed(PUBSUB).map(Form::PubSub),
        }
    }
}

impl fmt::Display for Source {
    /// Without a signature.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Queue { url, .. } => url,
            Self::Container(url) => url.expose().split('?').next().unwrap_or_default(),
            Self::Subscription(name) => name,
        })
    }
}

fn is_below(host: &str, domains: &[&str]) -> bool {
    let mut domains = domains.iter();
    domains.any(|domain| {
        let above = host.strip_suffix(domain);
        above.is_some_and(|above| above.ends_with('.'))
    })
}

/// Whether a host is one of Azure's Blob Storage.
pub(super) fn is_storage(host: &str) -> bool {
    const DOMAINS: [&str; 4] = [
        "blob.core.windows.net",
        "blob.core.chinacloudapi.cn",
        "blob.core.usgovcloudapi.net",
        "blob.storage.azure.net",
    ];
    is_below(host, &DOMAINS)
}

/// The number of an account of AWS.
fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The region in the host name of SQS, also in that of a VPC endpoint.
fn region(host: &str) -> Option<String> {
    let mut labels = host.split('.');
    labels.find(|label| matches!(*label, "sqs" | "sqs-fips"))?;
    labels.next().map(str::to_owned)
}
