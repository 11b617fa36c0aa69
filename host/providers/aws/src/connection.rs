//! The clients of AWS's services, which are made at the first call: finding the region may ask the network, and opening a twin's
//! stores must not.

use std::time::{Duration, Instant};

use aws_config::{
    BehaviorVersion, Region, meta::region::RegionProviderChain, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
            },
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use tokio::{sync::OnceCell, time::timeout};
use twin_capabilities::provider::micros;
use twin_documents::{Kind, ServiceClock, ServiceError};

use crate::{
    error::{Action, Answer, NO_REGION, of_sdk},
    settings::AwsSettings,
};

/// The longest that a call of a service takes, with everything that it waits for: the region, a credential, a connection.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(5);

/// The longest that opening a connection takes.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// One account's services in one region.
pub(crate) struct Connection {
    settings: AwsSettings,
    clock: ServiceClock,
    /// Used where no region is configured.
    fallback: Option<Region>,
    clients: OnceCell<Clients>,
}

/// A client for each service. They share one HTTP client.
pub(crate) struct Clients {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) eventbridge: aws_sdk_eventbridge::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) sts: aws_sdk_sts::Client,
}

impl Connection {
    /// Clients to be made by these settings. `clock` is set by the dates of DynamoDB's responses.
    pub(crate) fn new(settings: AwsSettings, clock: ServiceClock) -> Self {
        Self {
            settings,
            clock,
            fallback: None,
            clients: OnceCell::new(),
        }
    }

    /// The same with a region for where none is configured.
    pub(crate) fn with_fallback(mut self, region: Region) -> Self {
        self.fallback = Some(region);
        self
    }

    pub(crate) fn settings(&self) -> &AwsSettings {
        &self.settings
    }

    /// Makes one call of a service, in at most [`CALL_LIMIT`].
    pub(crate) async fn call<T, E, F>(
        &self,
        action: Action,
        send: impl FnOnce(&Clients) -> F,
    ) -> Result<T, ServiceError>
    where
        F: Future<Output = Answer<T, E>>,
        E: std::error::Error + aws_smithy_types::error::metadata::ProvideErrorMetadata + 'static,
    {
        self.call_within(CALL_LIMIT, action, send).await
    }

    /// The same with a limit of the caller's.
    pub(crate) async fn call_within<T, E, F>(
        &self,
        limit: Duration,
        action: Action,
        send: impl FnOnce(&Clients) -> F,
    ) -> Result<T, ServiceError>
    where
        F: Future<Output = Answer<T, E>>,
        E: std::error::Error + aws_smithy_types::error::metadata::ProvideErrorMetadata + 'static,
    {
        let call = async {
            let clients = self.clients(action).await?;
            let answer = send(clients).await;
            answer.map_err(|error| of_sdk(action, &error))
        };
        let timed_out = || action.failed("timed out", Kind::Unavailable);
        timeout(limit, call)
            .await
            .unwrap_or_else(|_| Err(timed_out()))
    }

    async fn clients(&self, action: Action) -> Result<&Clients, ServiceError> {
        self.clients
            .get_or_try_init(|| async {
                let config = self.config().await;
                if config.region().is_none() {
                    return Err(action.failed(NO_REGION, Kind::Missing));
                }
                let observer = DateObserver(self.clock.clone());
                let dynamodb = aws_sdk_dynamodb::config::Builder::from(&config)
                    .interceptor(observer)
                    .build();
                Ok(Clients {
                    dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
                    eventbridge: aws_sdk_eventbridge::Client::new(&config),
                    secrets: aws_sdk_secretsmanager::Client::new(&config),
                    sqs: aws_sdk_sqs::Client::new(&config),
                    sts: aws_sdk_sts::Client::new(&config),
                })
            })
            .await
    }

    pub(crate) async fn config(&self) -> aws_config::SdkConfig {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let limits = TimeoutConfig::builder()
            .connect_timeout(CONNECT_LIMIT)
            .operation_timeout(CALL_LIMIT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .retry_config(RetryConfig::disabled())
            .timeout_config(limits);
        let settings = &self.settings;
        match (&settings.region, &self.fallback) {
            (Some(region), _) => loader = loader.region(Region::new(region.clone())),
            (None, Some(fallback)) => {
                let configured = RegionProviderChain::default_provider();
                loader = loader.region(configured.or_else(fallback.clone()));
            }
            (None, None) => {}
        }
        if let Some(endpoint) = &settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(credentials) = &settings.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        loader.load().await
    }
}

/// Tells the clock the date of every response.
#[derive(Debug)]
struct DateObserver(ServiceClock);

/// When a request was sent.
#[derive(Debug)]
struct Sent(Instant);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

impl Intercept for DateObserver {
    fn name(&self) -> &'static str {
        "DateObserver"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Sent(Instant::now()));
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let since_epoch = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
        if let (Some(date), Some(Sent(sent))) = (since_epoch, config.load::<Sent>()) {
            self.0.observe(micros(date), sent.elapsed());
        }
        Ok(())
    }
}
