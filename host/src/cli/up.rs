//! `twin up`: three clouds on one machine.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use tokio::net::TcpListener;
use tracing::level_filters::LevelFilter;
use twin_contract::Cloud;
use twin_host::{
    config::{Config, ConfigError},
    function::FunctionName,
    host::Host,
    resources,
    runtime::Sandbox,
    telemetry,
};
use uuid::Uuid;

use super::{placement::Placement, signals};

/// The default name of the twin.
const TWIN: &str = "local-twin";

/// The options of `twin up`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Which layer runs on which cloud: `L1=aws,L2=azure,L3=gcp` (the default), L4 and L5 optional; or a deployer's
    /// `config_providers.json`.
    #[arg(long, value_name = "FILE|PAIRS")]
    placement: Option<String>,
    /// The folder for the clouds' data, a subfolder for each; a temporary folder by default.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The port of aws; azure and gcp use the next two.
    #[arg(long, value_name = "PORT", default_value_t = 8101)]
    base_port: u16,
}

/// Runs the clouds until the process is stopped.
pub(super) async fn run(options: Options) -> anyhow::Result<()> {
    telemetry::start_logs(&Config::log_from_env(LevelFilter::WARN)?);
    telemetry::log_panics();
    signals::ignore_hangup()?;
    resources::raise_descriptor_limit();
    let placement = match &options.placement {
        Some(text) => Placement::read(text)?,
        None => Placement::default(),
    };
    let temporary = match options.data {
        Some(_) => None,
        None => Some(tempfile::tempdir()?),
    };
    let data = match (&options.data, &temporary) {
        (Some(data), _) => data.clone(),
        (None, Some(folder)) => folder.path().to_owned(),
        (None, None) => PathBuf::new(),
    };
    let clouds = Clouds::bind(placement, &data, options.base_port).await?;
    let mut hosts = Vec::new();
    let sandbox = Sandbox::new()?;
    for cloud in clouds.used() {
        hosts.push(clouds.start(&sandbox, cloud, &[]).await?);
    }
    for host in &hosts {
        telemetry::print(&ready_line(host, clouds.key(host.config().cloud))?);
    }
    signals::told_to_stop().await?;
    for host in hosts {
        host.stop().await;
    }
    Ok(())
}

/// The line of JSON that says that a cloud is ready.
#[derive(Serialize)]
struct Ready<'a> {
    cloud: &'a str,
    url: String,
    functions: Vec<&'a str>,
    key: &'a str,
}

fn ready_line(host: &Host, key: &str) -> anyhow::Result<String> {
    let config = host.config();
    let functions = config.functions.iter();
    Ok(serde_json::to_string(&Ready {
        cloud: config.cloud.as_str(),
        url: format!("http://{}", host.address()),
        functions: functions.map(|function| function.as_str()).collect(),
        key,
    })?)
}

/// The variables with the paths of code, which are the same for every host of this process.
///
/// # Errors
/// If one of them cannot be read.
pub(super) fn code_variables() -> Result<Vec<(&'static str, String)>, ConfigError> {
    let mut set = Vec::new();
    for name in ["TWIN_COMPONENTS_DIR", "TWIN_CACHE_DIR"] {
        let value = Config::variable_from_env(name)?;
        set.extend(value.map(|value| (name, value)));
    }
    Ok(set)
}

/// Three clouds before they run: addresses are reserved and keys are generated, because each cloud is configured with the
/// others'.
pub(super) struct Clouds {
    placement: Placement,
    data: PathBuf,
    sites: BTreeMap<Cloud, Site>,
}

struct Site {
    address: SocketAddr,
    key: String,
    /// The listener that holds the address until the cloud starts for the first time.
    listener: std::sync::Mutex<Option<TcpListener>>,
}

impl Clouds {
    /// Reserves the addresses: `base_port` and the two that follow it, or any free ones if it is 0.
    pub(super) async fn bind(
        placement: Placement,
        data: &Path,
        base_port: u16,
    ) -> anyhow::Result<Self> {
        let mut sites = BTreeMap::new();
        for (place, cloud) in (0..).zip(Cloud::ALL.iter().copied()) {
            let port = match base_port {
                0 => 0,
                base => base.saturating_add(place),
            };
            let listener = Host::listen((Ipv4Addr::LOCALHOST, port).into()).await?;
            let site = Site {
                address: listener.local_addr()?,
                key: Uuid::new_v4().simple().to_string(),
                listener: std::sync::Mutex::new(Some(listener)),
            };
            sites.insert(cloud, site);
        }
        Ok(Self {
            placement,
            data: data.to_owned(),
            sites,
        })
    }

    /// The clouds that run anything.
    pub(super) fn used(&self) -> impl Iterator<Item = Cloud> {
        let clouds = Cloud::ALL.iter().copied();
        clouds.filter(|cloud| !self.functions(*cloud).is_empty())
    }

    /// A cloud's key.
    pub(super) fn key(&self, cloud: Cloud) -> &str {
        self.sites.get(&cloud).map_or("", |site| &site.key)
    }

    /// A cloud's base URL.
    pub(super) fn url(&self, cloud: Cloud) -> String {
        let address = self.sites.get(&cloud).map(|site| site.address);
        address.map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// Starts a cloud, or starts it again at the same address. `extra` are further variables.
    pub(super) async fn start(
        &self,
        sandbox: &Sandbox,
        cloud: Cloud,
        extra: &[(&str, &str)],
    ) -> anyhow::Result<Host> {
        let mut vars = self.vars(cloud)?;
        vars.extend(
            extra
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let config = Config::from_vars(vars)?;
        let held = self.sites.get(&cloud).and_then(|site| {
            let mut listener = site.listener.lock().ok()?;
            listener.take()
        });
        let listener = match held {
            Some(listener) => listener,
            None => Host::listen(config.socket()).await?,
        };
        Ok(Host::start(sandbox, config, listener).await?)
    }

    /// The functions of each cloud: those of its layers, and an error reporter on every cloud that runs anything.
    fn functions(&self, cloud: Cloud) -> Vec<FunctionName> {
        let Placement { l1, l2, l3, l4, l5 } = self.placement;
        let mut functions = Vec::new();
        if cloud == l1 || cloud == l2 {
            functions.push(FunctionName::Connector);
        }
        if cloud == l2 {
            functions.push(FunctionName::Ingestion);
        }
        if cloud == l3 {
            functions.push(FunctionName::Writer);
        }
        if cloud == l3 || Some(cloud) == l4 || Some(cloud) == l5 {
            functions.push(FunctionName::Reader);
        }
        if !functions.is_empty() {
            functions.push(FunctionName::ErrorReporter);
        }
        functions
    }

    /// The variables that a deployer would set for a cloud.
    fn vars(&self, cloud: Cloud) -> Result<Vec<(String, String)>, ConfigError> {
        let functions = self.functions(cloud);
        let names: Vec<_> = functions.iter().map(|function| function.as_str()).collect();
        let address = self.sites.get(&cloud).map(|site| site.address);
        let mut vars = vec![
            ("TWIN_NAME", TWIN.to_owned()),
            ("TWIN_CLOUD", cloud.to_string()),
            ("TWIN_FUNCTIONS", names.join(",")),
            ("TWIN_BIND", Ipv4Addr::LOCALHOST.to_string()),
            (
                "PORT",
                address.map_or(0, |address| address.port()).to_string(),
            ),
            (
                "TWIN_DATA_DIR",
                self.data.join(cloud.as_str()).display().to_string(),
            ),
            // One value for all three, because their components are the same bytes.
            (
                "TWIN_CACHE_DIR",
                self.data.join("code-cache").display().to_string(),
            ),
            ("INTER_CLOUD_TOKEN", self.key(cloud).to_owned()),
        ];
        vars.extend(code_variables()?);
        let mut vars: Vec<_> = vars
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let Placement { l1, l2, l3, .. } = self.placement;
        // A connector gets the URL of the next layer only if that is in another cloud; a function in the same process needs
        // no URL.
        let mut remote = |peer: &str, path: &str, there: Cloud| {
            vars.push((
                format!("REMOTE_{peer}_URL"),
                format!("{}{path}", self.url(there)),
            ));
            vars.push((format!("REMOTE_{peer}_CLOUD"), there.to_string()));
            vars.push((format!("REMOTE_{peer}_TOKEN"), self.key(there).to_owned()));
        };
        if cloud == l1 && cloud != l2 {
            remote("INGESTION", "/ingest", l2);
        }
        if cloud == l2 && cloud != l3 {
            remote("WRITER", "/write", l3);
        }
        if functions.contains(&FunctionName::Reader) && cloud != l3 {
            remote("READER", "/read", l3);
        }
        Ok(vars)
    }
}
