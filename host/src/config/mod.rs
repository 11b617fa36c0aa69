//! The configuration of a host, read from environment variables (spec §1).
//!
//! `table` lists the variables, `parse` reads their values, `peers` says where each peer is, `authentication` how the host
//! authenticates to it, and `needs` checks that the values agree with each other. A configuration made in code ([`Config::from_vars`]) passes the same checks as the
//! environment. The only variables read elsewhere are those of the command line: `RUST_LOG` for `twin up` and `twin demo`,
//! and the keys that `twin dead-letters` and `twin errors` send.

mod authentication;
mod error;
pub(crate) mod needs;
pub(crate) mod parse;
mod peers;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod variable;

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use tracing::level_filters::LevelFilter;
use twin_capabilities::{Failure, Settings};
use twin_contract::Cloud;
use twin_delivery::{DeliverySettings, TWIN_CLOUD, TWIN_NAME};
pub use twin_telemetry::{Dialect, LogFormat, LogSettings};

pub use self::{
    authentication::Authentication,
    error::ConfigError,
    peers::{Binding, Peer, PeerSettings, RemoteSettings, UnknownPeer},
    settings::{Code, Listen, OidcSettings, Storage},
    table::{groups, variables},
    variable::{Group, Unset, Variable},
};
#[cfg(feature = "postgres")]
use crate::stores::postgres::PostgresStorage;
use crate::{
    credentials::IamCaller, function::FunctionName, ingress::platform::Platform,
    runtime::default_lanes, secrets::Configured, stores, traces::TraceSettings,
};
pub(crate) use variable::{Reads, reads};

/// The configuration of one host: one cloud's functions of one twin.
#[derive(Clone, Debug)]
pub struct Config {
    /// The twin's name; it is part of every key.
    pub twin: String,
    /// The cloud that this host runs on, or represents.
    pub cloud: Cloud,
    /// The functions that are mounted, without duplicates.
    pub functions: Vec<FunctionName>,
    /// The keys accepted from callers, at least one.
    pub keys: Vec<Configured>,
    /// The operator keys. If there are any, `keys` open only the routes for data.
    pub operator_keys: Vec<Configured>,
    /// Which callers may present a token instead of a key.
    pub oidc: OidcSettings,
    /// `TWIN_IAM_CALLERS`.
    pub iam_callers: Vec<IamCaller>,
    /// How long a secret that was looked up is used.
    pub secret_ttl: Duration,
    /// How requests come in.
    pub listen: Listen,
    /// Where data is kept.
    pub storage: Storage,
    /// Where components are.
    pub code: Code,
    /// Where peers are.
    pub peers: PeerSettings,
    /// How functions deliver, and how long a call may take. Functions read it through the interface `settings`.
    pub delivery: DeliverySettings,
    /// Instances of each function, which can compute in parallel.
    pub lanes: usize,
    /// Calls of one function in progress at once.
    pub concurrent_calls: usize,
    /// What is logged.
    pub log: LogSettings,
    /// Which spans are recorded, and where they are sent.
    pub traces: TraceSettings,
}

impl Config {
    /// Reads the environment of the process.
    ///
    /// # Errors
    /// The first problem that is found.
    pub fn from_env() -> Result<Self, ConfigError> {
        let mut vars = Vec::new();
        for (name, value) in env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => vars.push((name, value)),
                Err(value) => foreign(&name, &value)?,
            }
        }
        Self::from_vars(vars)
    }

    /// One variable of the process, for a command that needs no others; `None` if it is not set.
    ///
    /// # Errors
    /// If a variable of the table is not valid UTF-8, which is not treated as unset.
    pub fn variable_from_env(name: &str) -> Result<Option<String>, ConfigError> {
        match env::var_os(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(value)) => foreign(name, &value).map(|()| None),
        }
    }

    /// The log of a command of a person: text, and the lines that `RUST_LOG` selects, or those of a level and above.
    ///
    /// # Errors
    /// If `RUST_LOG` is not a filter.
    pub fn log_from_env(otherwise: LevelFilter) -> Result<LogSettings, ConfigError> {
        const VARIABLE: &str = "RUST_LOG";
        let mut settings = LogSettings::for_people(otherwise);
        let value = Self::variable_from_env(VARIABLE)?;
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let filter = parse::log_filter(&value);
            settings.filter = Some(filter.map_err(|expected| ConfigError::Invalid {
                variable: VARIABLE,
                value: Some(value),
                expected,
            })?);
        }
        Ok(settings)
    }

    /// Reads variables from any source, such as tests or the three clouds of `twin up`. An empty value counts as not set.
    ///
    /// # Errors
    /// The first problem that is found: see [`ConfigError`].
    pub fn from_vars<N, V>(vars: impl IntoIterator<Item = (N, V)>) -> Result<Self, ConfigError>
    where
        N: Into<String>,
        V: Into<String>,
    {
        let vars: BTreeMap<String, String> = vars
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        vars.iter()
            .try_for_each(|(name, value)| needs::known(name, value))?;
        let mut config = Self::blank();
        let platform = Platform::of(|name| vars.contains_key(name));
        config.listen.platform = platform;
        for variable in variables() {
            match (vars.get(variable.name), variable.default_on(platform)) {
                (Some(text), _) => config.take(variable, text)?,
                (None, Unset::Value(text)) => config.take_default(variable, text, platform)?,
                (None, Unset::Refused) => {
                    let (variable, help) = (variable.name, variable.help);
                    return Err(ConfigError::Missing { variable, help });
                }
                (None, Unset::Otherwise(_) | Unset::Nothing) => {}
            }
        }
        needs::check(&config)?;
        needs::only_this_store(&config, |name| vars.contains_key(name))?;
        config.log.dialect = config.dialect();
        Ok(config)
    }

    /// The names that the cloud's log service recognises.
    fn dialect(&self) -> Dialect {
        #[cfg(feature = "gcp")]
        let project = Some(self.storage.gcp.project.clone()).filter(|name| !name.is_empty());
        #[cfg(not(feature = "gcp"))]
        let project = None;
        match self.cloud {
            Cloud::Gcp => Dialect::GoogleCloud { project },
            Cloud::Aws | Cloud::Azure => Dialect::Plain,
        }
    }

    /// Reads from the environment only how requests leave this machine: `TWIN_HTTP_PROXY` and `TWIN_EXTRA_CA_FILE`.
    /// Commands that send requests to a host use it.
    ///
    /// # Errors
    /// If one of them has an invalid value.
    pub fn outgoing_from_env() -> Result<PeerSettings, ConfigError> {
        let names = ["TWIN_HTTP_PROXY", "TWIN_EXTRA_CA_FILE"];
        Ok(Self::part_from_env(|variable| names.contains(&variable.name))?.peers)
    }

    /// Reads from the environment only which store is used and how it is reached. Commands that prepare a store use it.
    ///
    /// # Errors
    /// If a variable has an invalid value, or one that the store needs is missing.
    pub fn store_from_env() -> Result<Self, ConfigError> {
        let config = Self::part_from_env(|variable| {
            const SHARED: [&str; 5] = [
                "TWIN_NAME",
                "TWIN_STORE",
                "TWIN_DATA_DIR",
                "TWIN_EPHEMERAL",
                "TWIN_EXTRA_CA_FILE",
            ];
            SHARED.contains(&variable.name)
                || stores::KINDS
                    .iter()
                    .flat_map(|kind| kind.variables())
                    .any(|own| own.name == variable.name)
        })?;
        if config.storage.kind.is_named_after_the_twin() && config.twin.is_empty() {
            let (variable, help) = (TWIN_NAME.name, TWIN_NAME.help);
            return Err(ConfigError::Missing { variable, help });
        }
        config.storage.kind.check(&config)?;
        needs::only_this_store(&config, |name| env::var_os(name).is_some())?;
        Ok(config)
    }

    fn part_from_env(wanted: impl Fn(&Variable) -> bool) -> Result<Self, ConfigError> {
        let mut config = Self::blank();
        let platform =
            Platform::of(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
        for variable in variables().filter(|variable| wanted(variable)) {
            match Self::variable_from_env(variable.name)? {
                Some(text) if !text.is_empty() => config.take(variable, &text)?,
                Some(_) | None => {
                    if let Unset::Value(text) = variable.default_on(platform) {
                        config.take_default(variable, text, platform)?;
                    }
                }
            }
        }
        Ok(config)
    }

    fn take(&mut self, variable: &Variable, text: &str) -> Result<(), ConfigError> {
        variable
            .set(self, text)
            .map_err(|expected| ConfigError::Invalid {
                variable: variable.name,
                value: (!variable.secret).then(|| text.to_owned()),
                expected,
            })
    }

    /// Takes a default. That of a platform may need a part that this program was built without.
    fn take_default(
        &mut self,
        variable: &Variable,
        text: &str,
        platform: Option<Platform>,
    ) -> Result<(), ConfigError> {
        variable.set(self, text).map_err(|expected| {
            let on = platform.map_or_else(String::new, |platform| format!(" on {platform}"));
            ConfigError::Needed {
                variables: variable.name,
                reason: format!("its default{on} is {text}, and it must be {expected}"),
            }
        })
    }

    /// The value of a setting that a function may read, by the name of its variable: the twin, the cloud, or a setting of
    /// the table in `twin-delivery`. `None` for secrets, URLs and everything else.
    pub fn setting(&self, name: &str) -> Option<String> {
        match name {
            _ if name == TWIN_NAME.name => Some(self.twin.clone()),
            _ if name == TWIN_CLOUD.name => Some(self.cloud.to_string()),
            _ => self.delivery.get(name),
        }
    }

    /// The address to listen on.
    pub const fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.listen.address, self.listen.port)
    }

    /// The initial values. The table then sets everything that has a default or is required.
    fn blank() -> Self {
        Self {
            twin: String::new(),
            cloud: Cloud::Aws,
            functions: Vec::new(),
            keys: Vec::new(),
            operator_keys: Vec::new(),
            oidc: OidcSettings::default(),
            iam_callers: Vec::new(),
            secret_ttl: Duration::ZERO,
            listen: Listen {
                platform: None,
                address: Ipv4Addr::UNSPECIFIED.into(),
                port: 0,
                route_prefix: String::new(),
                body_timeout: Duration::ZERO,
                write_timeout: Duration::ZERO,
                max_connections: None,
                body_memory: None,
                drain_timeout: Duration::ZERO,
            },
            storage: Storage {
                kind: stores::DEFAULT,
                data_dir: PathBuf::new(),
                max_bytes: None,
                record_age: None,
                letter_age: None,
                #[cfg(feature = "postgres")]
                postgres: PostgresStorage::default(),
                #[cfg(feature = "aws")]
                aws: twin_aws::AwsSettings::default(),
                #[cfg(feature = "azure")]
                azure: stores::azure::AzureStorage::default(),
                #[cfg(feature = "gcp")]
                gcp: twin_gcp::GcpSettings::new(String::new()),
                ephemeral: false,
                platform: None,
            },
            code: Code {
                components_dir: components_of_executable(),
                cache_dir: PathBuf::new(),
            },
            peers: PeerSettings::default(),
            delivery: DeliverySettings::default(),
            lanes: default_lanes(),
            concurrent_calls: 0,
            log: LogSettings {
                debug: false,
                format: LogFormat::Json,
                dialect: Dialect::Plain,
                filter: None,
            },
            traces: TraceSettings::default(),
        }
    }
}

/// Ignores a value that is not valid UTF-8, unless the variable is in the table.
fn foreign(name: &str, value: &OsString) -> Result<(), ConfigError> {
    match variables().find(|variable| variable.name == name) {
        None => Ok(()),
        Some(variable) => Err(ConfigError::Invalid {
            variable: variable.name,
            value: (!variable.secret).then(|| value.to_string_lossy().into_owned()),
            expected: "UTF-8".into(),
        }),
    }
}

/// `components` beside the executable, or beside the folder that holds it (`bin/twin`, `components/`).
pub fn components_of_executable() -> PathBuf {
    const FOLDER: &str = "components";
    let executable = env::current_exe().unwrap_or_default();
    let beside = executable.with_file_name(FOLDER);
    let above = executable
        .parent()
        .and_then(Path::parent)
        .map(|parent| parent.join(FOLDER));
    match above {
        Some(above) if !beside.is_dir() && above.is_dir() => above,
        _ => beside,
    }
}

#[async_trait]
impl Settings for Config {
    async fn get(&self, name: &str) -> Result<Option<String>, Failure> {
        Ok(self.setting(name))
    }
}
