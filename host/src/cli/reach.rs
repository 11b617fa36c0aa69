//! Reaching a function: over HTTP, or in this process on a data folder, also while a host runs on it. Either way the
//! component answers, so that a command shows the same however it is given.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use tokio::sync::watch;
use twin_contract::Cloud;
use twin_host::{
    config::{Config, ConfigError, LogFormat, LogSettings},
    credentials::{Credentials, HeaderForm},
    function::{FunctionName, Functions, Request},
    imports::Capabilities,
    peers::PeerSender,
    providers::local::Local,
    runtime::{Runtime, RuntimeSettings, Sandbox, Time},
    secrets::Secret,
    telemetry,
};

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
    /// The twin whose data it is, in a folder that holds several.
    #[arg(long, value_name = "NAME", env = "TWIN_NAME", requires = "data")]
    twin: Option<String>,
    /// The base URL of a host.
    #[arg(long, value_name = "URL", requires = "key")]
    url: Option<reqwest::Url>,
    /// The host's key.
    #[arg(
        long,
        value_name = "KEY",
        env = "INTER_CLOUD_TOKEN",
        hide_env_values = true
    )]
    key: Option<String>,
    /// Print JSON, one document a line.
    #[arg(long)]
    pub(super) json: bool,
}

/// A function within reach.
pub(super) enum Reach {
    /// Over HTTP.
    Remote {
        url: reqwest::Url,
        key: Secret,
        client: reqwest::Client,
    },
    /// In this process.
    Here {
        function: FunctionName,
        key: Secret,
        runtime: Runtime,
    },
}

/// The key by which this process calls its own function.
const OWN_KEY: &str = "command-line";

impl Reach {
    /// To look at what a function keeps.
    pub(super) async fn to(function: FunctionName, options: &Options) -> anyhow::Result<Self> {
        Self::open(function, options, looking).await
    }

    /// To let a function send: on a data folder, the environment says where to, as it does for `twin serve`.
    pub(super) async fn to_send(function: FunctionName, options: &Options) -> anyhow::Result<Self> {
        Self::open(function, options, |_, _| Config::from_env()).await
    }

    async fn open(
        function: FunctionName,
        options: &Options,
        configure: impl FnOnce(&str, &Path) -> Result<Config, ConfigError>,
    ) -> anyhow::Result<Self> {
        telemetry::start_logs(&LogSettings {
            debug: false,
            format: LogFormat::Text,
            filter: Some("error".to_owned()),
        });
        if let (Some(url), Some(key)) = (&options.url, &options.key) {
            return Ok(Self::Remote {
                url: url.clone(),
                key: Secret::new(key.as_str()),
                client: client()?,
            });
        }
        let folder = options
            .data
            .as_deref()
            .context("--data or --url is needed")?;
        anyhow::ensure!(
            folder.is_dir(),
            "there is no data folder {}",
            folder.display()
        );
        let twin = match &options.twin {
            Some(twin) => twin.clone(),
            None => only_twin(folder)?,
        };
        let config = Arc::new(configure(&twin, folder)?);
        let key = Secret::new(OWN_KEY);
        let stores = Local::open(folder, &twin)?.stores();
        let settings = RuntimeSettings {
            instances: 1,
            cache: Some(config.code.cache_dir.clone()),
            ..RuntimeSettings::new(config.code.components_dir.clone())
        };
        let peers = Arc::new(PeerSender::new(Arc::clone(&config))?);
        let capabilities = |function| Capabilities {
            function,
            settings: {
                let (config, twin) = (Arc::clone(&config), twin.clone());
                Arc::new(move |name| match name {
                    "TWIN_NAME" => Some(twin.clone()),
                    name => config.setting(name),
                })
            },
            credentials: Arc::new(Credentials::new(config.cloud, std::slice::from_ref(&key))),
            peers: peers.clone(),
            stores: stores.clone(),
            draining: watch::channel(false).1,
        };
        let (sandbox, functions) = (Sandbox::new()?, [function]);
        let runtime =
            Runtime::start(&sandbox, &settings, &functions, Time::Real, capabilities).await?;
        Ok(Self::Here {
            function,
            key,
            runtime,
        })
    }

    /// Sends a request; any status but 200 is an error with the function's own words.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &str,
    ) -> anyhow::Result<Value> {
        let (status, body) = match self {
            Self::Remote { url, key, client } => {
                let mut url = url.clone();
                url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
                url.set_query((!query.is_empty()).then_some(query));
                let method = reqwest::Method::from_bytes(method.as_bytes())?;
                let mut request = client.request(method, url).body(body.to_owned());
                // The command does not know which cloud it talks to; each looks at its own form only.
                for cloud in Cloud::ALL {
                    let form = HeaderForm::of(Some(*cloud));
                    request = request.header(form.header(), form.value(key.expose()));
                }
                let reply = request.send().await?;
                (reply.status().as_u16(), reply.bytes().await?.to_vec())
            }
            Self::Here {
                function,
                key,
                runtime,
            } => {
                let headers = Cloud::ALL.iter().map(|cloud| {
                    let form = HeaderForm::of(Some(*cloud));
                    (form.header().to_owned(), form.value(key.expose()))
                });
                let request = Request {
                    method: method.to_owned(),
                    path: path.to_owned(),
                    query: query.to_owned(),
                    headers: headers.collect(),
                    body: body.as_bytes().to_vec(),
                    time_left_ms: None,
                };
                let response = runtime.call(*function, request).await?;
                (response.status, response.body)
            }
        };
        let document: Value = serde_json::from_slice(&body).with_context(|| {
            format!("HTTP {status}, and no JSON: is this the URL of a twin's host?")
        })?;
        match status {
            200 => Ok(document),
            _ => anyhow::bail!(
                "HTTP {status}: {}",
                document
                    .get("message")
                    .and_then(Value::as_str)
                    .unwrap_or("no message")
            ),
        }
    }

    /// All items of a list, page by page.
    pub(super) async fn all(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut query = "limit=1000".to_owned();
        loop {
            let page = self.ask("GET", path, &query, "").await?;
            if let Some(Value::Array(more)) = page.get("items") {
                items.extend(more.iter().cloned());
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => query = format!("limit=1000&cursor={next}"),
                None => return Ok(items),
            }
        }
    }
}

fn client() -> anyhow::Result<reqwest::Client> {
    // A second installation says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .redirect(reqwest::redirect::Policy::none());
    Ok(client.build()?)
}

/// The one twin whose data is in a folder.
fn only_twin(folder: &Path) -> anyhow::Result<String> {
    let mut twins = Local::twins(folder)?.into_iter();
    match (twins.next(), twins.next()) {
        (Some(twin), None) => Ok(twin),
        (None, _) => Ok("twin".to_owned()),
        (Some(_), Some(_)) => {
            anyhow::bail!("this folder holds several twins: name one with --twin")
        }
    }
}

/// What it takes to look: no peers, and of the environment only where components are.
fn looking(twin: &str, folder: &Path) -> Result<Config, ConfigError> {
    let mut vars = vec![
        ("TWIN_NAME", twin.to_owned()),
        ("TWIN_CLOUD", Cloud::Aws.to_string()),
        // The one function that needs nobody else, whichever is looked at.
        ("TWIN_FUNCTIONS", FunctionName::ErrorReporter.to_string()),
        ("TWIN_DATA_DIR", folder.display().to_string()),
        ("INTER_CLOUD_TOKEN", OWN_KEY.to_owned()),
    ];
    vars.extend(super::up::code_variables());
    Config::from_vars(vars)
}
