//! Calls a function over HTTP, or in this process on a data folder, even while a host uses the folder. In both cases the
//! component answers, so a command shows the same result.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tracing::level_filters::LevelFilter;
use twin_capabilities::{
    Settings,
    credentials::{Caller, Role},
};
use twin_contract::{Cloud, Listing, cloud_of_host, parameter};
use twin_host::{
    config::{Config, ConfigError, LogSettings},
    credentials::{Credentials, HeaderForm},
    function::{FunctionName, Functions, Request, Verdict},
    imports::Capabilities,
    peers::{PeerSender, command_client},
    providers::local::Local,
    runtime::{Runtime, RuntimeSettings, Sandbox, Time},
    secrets::{Configured, Secret, Vault},
    telemetry,
};

use super::UsageError;

/// Where the data is.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The data folder of a host, which may be running.
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "url",
        conflicts_with = "url"
    )]
    data: Option<PathBuf>,
    /// The twin whose data it is, in a folder that contains several.
    #[arg(long, value_name = "NAME", env = "TWIN_NAME", requires = "data")]
    twin: Option<String>,
    /// The base URL of a host. TWIN_HTTP_PROXY and TWIN_EXTRA_CA_FILE apply as for `twin serve`; other proxy variables
    /// are ignored.
    #[arg(long, value_name = "URL")]
    url: Option<reqwest::Url>,
    /// The host's key. Other users of this machine may see it in the list of processes, so it is better to leave it out and set
    /// TWIN_OPERATOR_TOKEN, or INTER_CLOUD_TOKEN if the host has no operators' keys. Of a list, the first key is used.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The cloud that the host runs on (aws, azure or gcp), whose header carries the key. Required with --url if the host
    /// name does not show it, and to discard with --data.
    #[arg(long, value_name = "CLOUD", value_parser = cloud)]
    cloud: Option<Cloud>,
    /// Print JSON, one document per line.
    #[arg(long)]
    pub(super) json: bool,
}

fn cloud(text: &str) -> Result<Cloud, &'static str> {
    text.parse().map_err(|_| "must be aws, azure or gcp")
}

/// A function that can be called.
pub(super) enum Reach {
    /// Over HTTP.
    Remote {
        url: reqwest::Url,
        client: reqwest::Client,
        form: HeaderForm,
        key: Secret,
    },
    /// In this process.
    Here {
        function: FunctionName,
        runtime: Runtime,
    },
}

/// The log of a command, whose output says what it did.
pub(super) fn log_errors_only() {
    telemetry::start_logs(&LogSettings::for_people(LevelFilter::ERROR));
}

/// The name of this process as the caller of its own function. It also serves as the key where a configuration requires
/// one; nothing here accepts requests that could present it.
const OWN_NAME: &str = "command-line";

/// How long a host may take to answer. A replay takes as long as its function's deadline.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Reach {
    /// Reaches a function to read what it stores.
    pub(super) async fn to(function: FunctionName, options: &Options) -> anyhow::Result<Self> {
        let cloud = options.cloud.unwrap_or(Cloud::Aws);
        Self::open(function, options, |twin, folder| {
            looking(cloud, twin, folder)
        })
        .await
    }

    /// Reaches a function to change what it stores. The change is reported, so on a data folder the cloud must be known.
    pub(super) async fn to_change(
        function: FunctionName,
        options: &Options,
    ) -> anyhow::Result<Self> {
        if options.url.is_none() && options.cloud.is_none() {
            let words =
                "--cloud is required with --data: the report of a discard names the host's cloud";
            return Err(UsageError(words).into());
        }
        Self::to(function, options).await
    }

    /// Reaches a function that will send: on a data folder, the environment says where to, as for `twin serve`.
    pub(super) async fn to_send(function: FunctionName, options: &Options) -> anyhow::Result<Self> {
        Self::open(function, options, |_, _| Config::from_env()).await
    }

    async fn open(
        function: FunctionName,
        options: &Options,
        configure: impl FnOnce(&str, &Path) -> Result<Config, ConfigError>,
    ) -> anyhow::Result<Self> {
        log_errors_only();
        match &options.url {
            Some(url) => Self::remote(url, options).await,
            None => Self::here(function, options, configure).await,
        }
    }

    async fn remote(url: &reqwest::Url, options: &Options) -> anyhow::Result<Self> {
        let told = || cloud_of_host(url.host_str()?);
        let cloud = options.cloud.or_else(told).ok_or(UsageError(
            "--cloud is required (aws, azure or gcp): the host name of --url does not show in whose header the key goes",
        ))?;
        let key = match &options.key {
            Some(key) => Some(key.clone()),
            None => key_of_environment()?,
        };
        let key = key.ok_or(UsageError(
            "a key is required: set TWIN_OPERATOR_TOKEN or INTER_CLOUD_TOKEN, or use --key",
        ))?;
        let client = command_client(&Config::outgoing_from_env()?, url, TIMEOUT)?;
        Ok(Self::Remote {
            url: url.clone(),
            client,
            form: HeaderForm::of(Some(cloud)),
            key: first_of(key).await?,
        })
    }

    async fn here(
        function: FunctionName,
        options: &Options,
        configure: impl FnOnce(&str, &Path) -> Result<Config, ConfigError>,
    ) -> anyhow::Result<Self> {
        let folder = options
            .data
            .as_deref()
            .context("--data or --url is required")?;
        anyhow::ensure!(folder.is_dir(), "no data folder at {}", folder.display());
        let twin = match &options.twin {
            Some(twin) => twin.clone(),
            None => only_twin(folder)?,
        };
        let mut config = configure(&twin, folder)?;
        config.twin.clone_from(&twin);
        let config = Arc::new(config);
        let stores = Local::open(folder, &twin)?.stores();
        let settings = RuntimeSettings {
            lanes: 1,
            cache: Some(config.code.cache_dir.clone()),
            ..RuntimeSettings::new(config.code.components_dir.clone())
        };
        let peers = Arc::new(PeerSender::new(Arc::clone(&config))?);
        let capabilities = |function| Capabilities {
            function,
            settings: Arc::clone(&config) as Arc<dyn Settings>,
            verifier: Arc::new(Credentials::of(&config)),
            peers: peers.of(function),
            stores: stores.clone(),
            draining: watch::channel(false).1,
        };
        let (sandbox, functions) = (Sandbox::new()?, [function]);
        let runtime =
            Runtime::start(&sandbox, &settings, &functions, Time::Real, capabilities).await?;
        Ok(Self::Here { function, runtime })
    }

    /// Sends a request, and reads the reply as a document of the contract. A status other than 200 is an error with the
    /// function's own message.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &str,
    ) -> anyhow::Result<T> {
        let (status, body) = self.send(method, path, query, body).await?;
        let foreign = || format!("HTTP {status} without JSON: is this the URL of a twin's host?");
        if status == 200 {
            return serde_json::from_slice(&body).with_context(foreign);
        }
        let refusal: Refusal = serde_json::from_slice(&body).with_context(foreign)?;
        let words = refusal.message.unwrap_or_else(|| "no message".to_owned());
        anyhow::bail!("HTTP {status}: {words}")
    }

    /// Shows all items of a list, page by page, and returns their number.
    pub(super) async fn each(
        &self,
        path: &str,
        mut show: impl FnMut(&RawValue) -> anyhow::Result<()>,
    ) -> anyhow::Result<usize> {
        let mut count = 0;
        let mut query = "limit=1000".to_owned();
        loop {
            let page: Listing = self.ask("GET", path, &query, "").await?;
            count += page.items.len();
            page.items.iter().try_for_each(|item| show(item))?;
            match page.next {
                Some(next) => query = format!("limit=1000&{}", parameter("cursor", &next)),
                None => return Ok(count),
            }
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &str,
    ) -> anyhow::Result<(u16, Vec<u8>)> {
        match self {
            Self::Remote {
                url,
                client,
                form,
                key,
            } => {
                let mut url = url.clone();
                url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
                url.set_query((!query.is_empty()).then_some(query));
                let mut value = reqwest::header::HeaderValue::from_str(&form.value(key.expose()))
                    .context("the key cannot be sent in a header")?;
                value.set_sensitive(true);
                let request = client
                    .request(reqwest::Method::from_bytes(method.as_bytes())?, url)
                    .header(form.header(), value)
                    .body(body.to_owned());
                let reply = request.send().await?;
                Ok((reply.status().as_u16(), reply.bytes().await?.to_vec()))
            }
            Self::Here { function, runtime } => {
                let caller = Caller {
                    name: OWN_NAME.to_owned(),
                    role: Role::Any,
                };
                let request = Request {
                    method: method.to_owned(),
                    path: path.to_owned(),
                    query: query.to_owned(),
                    headers: Vec::new(),
                    body: body.as_bytes().to_vec(),
                    time_left_ms: None,
                    verdict: Verdict::Verified(caller),
                };
                let response = runtime.call(*function, request).await?;
                Ok((response.status, response.body))
            }
        }
    }
}

/// The parts of an error that are read.
#[derive(Deserialize)]
struct Refusal {
    message: Option<String>,
}

/// The first key of a list: the operator keys if set, otherwise the keys for messages. `None` if neither is set.
fn key_of_environment() -> Result<Option<String>, ConfigError> {
    let set = |name| {
        let list = Config::variable_from_env(name)?;
        Ok(list.filter(|list| !list.is_empty()))
    };
    let list = match set("TWIN_OPERATOR_TOKEN")? {
        Some(list) => Some(list),
        None => set("INTER_CLOUD_TOKEN")?,
    };
    let first = |list: String| twin_contract::keys(&list).next().map(str::to_owned);
    Ok(list.and_then(first))
}

/// The key, or the first of those that it refers to.
async fn first_of(key: String) -> anyhow::Result<Secret> {
    let configured = Configured::parse(&key).context("the key cannot be used")?;
    let keys = Vault::default().keys(&configured).await?;
    let first = keys.into_iter().next();
    Ok(first.ok_or(UsageError("the secret that is referred to has no key"))?)
}

/// The one twin whose data is in a folder.
fn only_twin(folder: &Path) -> anyhow::Result<String> {
    let mut twins = Local::twins(folder)?.into_iter();
    match (twins.next(), twins.next()) {
        (Some(twin), None) => Ok(twin),
        (None, _) => Ok("twin".to_owned()),
        (Some(_), Some(_)) => {
            anyhow::bail!("this folder contains several twins: choose one with --twin")
        }
    }
}

/// A configuration for reading: without peers, and with only the paths of components from the environment.
fn looking(cloud: Cloud, twin: &str, folder: &Path) -> Result<Config, ConfigError> {
    let mut vars = vec![
        ("TWIN_NAME", twin.to_owned()),
        ("TWIN_CLOUD", cloud.to_string()),
        // The only function that needs no other function. Any function can be read this way.
        ("TWIN_FUNCTIONS", FunctionName::ErrorReporter.to_string()),
        ("TWIN_DATA_DIR", folder.display().to_string()),
        ("INTER_CLOUD_TOKEN", OWN_NAME.to_owned()),
    ];
    vars.extend(super::up::code_variables()?);
    Config::from_vars(vars)
}
