//! Requirements between the parts of a configuration, checked when it is complete.

use std::time::Duration;

use twin_contract::Cloud;
use twin_delivery::{Deadline, Mono, millis};

use super::{Binding, Config, ConfigError, Peer, authentication, table};
use crate::{
    credentials::is_token, function::FunctionName, ingress::platform::Platform,
    secrets::Configured, stores,
};

/// Checks the requirements between variables.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    keys_apart(config)?;
    tokens(config)?;
    authentication::check(config)?;
    durable_storage(config)?;
    only_the_functions_host(config)?;
    lambda(config)?;
    config.storage.kind.check(config)?;
    for function in &config.functions {
        next_hop(config, *function)?;
        time_for_attempts(config, *function)?;
    }
    Ok(())
}

/// A key in both lists would give operators and other callers each other's rights.
fn keys_apart(config: &Config) -> Result<(), ConfigError> {
    let peers = config.peers.remotes.values();
    let sent = peers.filter_map(|peer| peer.token.as_ref());
    let mut others = config.keys.iter().chain(&config.peers.token).chain(sent);
    if others.any(|key| config.operator_keys.contains(key)) {
        return Err(operators_need_keys_of_their_own());
    }
    Ok(())
}

pub(crate) fn operators_need_keys_of_their_own() -> ConfigError {
    ConfigError::Invalid {
        variable: "TWIN_OPERATOR_TOKEN",
        value: None,
        expected:
            "keys other than those of INTER_CLOUD_TOKEN, REMOTE_AUTH_TOKEN and REMOTE_<PEER>_TOKEN"
                .into(),
    }
}

/// Tokens are checked by audience and caller. On GCP they have the same header as keys, and must be told apart.
fn tokens(config: &Config) -> Result<(), ConfigError> {
    let (audience, callers) = ("TWIN_OIDC_AUDIENCE", "TWIN_OIDC_CALLERS");
    let (set, missing) = match (&config.oidc.audience, config.oidc.callers.is_empty()) {
        (None, true) => return Ok(()),
        (Some(_), false) => return no_key_is_a_token(config),
        (Some(_), true) => (audience, callers),
        (None, false) => (callers, audience),
    };
    Err(ConfigError::Needed {
        variables: missing,
        reason: format!("{set} is set, and a caller's token is checked by both"),
    })
}

fn no_key_is_a_token(config: &Config) -> Result<(), ConfigError> {
    let is_token = |key: &Configured| {
        let key = match key {
            Configured::Value(key) => key,
            Configured::Reference(_) => return false,
        };
        config.cloud == Cloud::Gcp && is_token(key.expose())
    };
    for (variable, keys) in [
        ("INTER_CLOUD_TOKEN", &config.keys),
        ("TWIN_OPERATOR_TOKEN", &config.operator_keys),
    ] {
        if keys.iter().any(is_token) {
            return Err(ConfigError::Invalid {
                variable,
                value: None,
                expected: "keys that are not JWTs: on GCP, where TWIN_OIDC_CALLERS is set, a JWT is a token".into(),
            });
        }
    }
    Ok(())
}

/// A function platform's disk is lost with its instance. Storing there must be explicitly permitted.
fn durable_storage(config: &Config) -> Result<(), ConfigError> {
    match config.storage.platform {
        Some(marker)
            if !config.storage.ephemeral && !config.storage.kind.outlives_the_machine() =>
        {
            Err(ConfigError::Needed {
                variables: "TWIN_EPHEMERAL=1",
                reason: format!(
                    "{marker} is set, and data on the function's own disk is lost with its instance"
                ),
            })
        }
        _ => Ok(()),
    }
}

/// The host of Azure Functions calls without a credential and from this machine, so nobody else may reach the port.
fn only_the_functions_host(config: &Config) -> Result<(), ConfigError> {
    let address = config.listen.address;
    if config.listen.platform == Some(Platform::AzureFunctions) && !address.is_loopback() {
        return Err(ConfigError::Invalid {
            variable: "TWIN_BIND",
            value: Some(address.to_string()),
            expected:
                "a loopback address on Azure Functions, whose host calls without a credential"
                    .into(),
        });
    }
    Ok(())
}

/// Lambda needs a part of the program that is not always there.
const fn lambda(config: &Config) -> Result<(), ConfigError> {
    match config.listen.platform {
        Some(platform @ Platform::Lambda) if cfg!(not(feature = "aws")) => {
            Err(ConfigError::PlatformNotCompiledIn {
                variable: platform.variable(),
                platform,
                feature: "aws",
            })
        }
        _ => Ok(()),
    }
}

/// Refuses a variable that only another store reads: whoever set it expects the data to be kept there.
pub(super) fn only_this_store(
    config: &Config,
    is_set: impl Fn(&str) -> bool,
) -> Result<(), ConfigError> {
    let used = config.storage.kind.name();
    for kind in stores::KINDS.iter().filter(|kind| kind.name() != used) {
        if let Some(variable) = kind.variables().iter().find(|own| is_set(own.name)) {
            return Err(ConfigError::OtherStore {
                variable: variable.name,
                store: kind.name(),
                used,
            });
        }
    }
    Ok(())
}

/// A function that forwards messages needs a next hop.
fn next_hop(config: &Config, function: FunctionName) -> Result<(), ConfigError> {
    let bound = |caller, peer| config.binding(caller, peer).is_some();
    match function {
        FunctionName::Connector
            if !bound(function, Peer::Ingestion) && !bound(function, Peer::Writer) =>
        {
            Err(ConfigError::Needed {
                variables: "REMOTE_INGESTION_URL or REMOTE_WRITER_URL",
                reason: "the connector is mounted, but neither ingestion nor writer is".into(),
            })
        }
        // A connector in this process leads to the writer only if it has one configured itself.
        FunctionName::Ingestion
            if !bound(function, Peer::Writer)
                && !matches!(
                    config.binding(function, Peer::Connector),
                    Some(Binding::Remote { .. })
                ) =>
        {
            Err(ConfigError::Needed {
                variables: "REMOTE_WRITER_URL",
                reason: "ingestion is mounted, but the writer is not".into(),
            })
        }
        _ => Ok(()),
    }
}

/// A sending function must have enough time for an attempt, even if a message passes through several functions of this
/// process: each reserves a part of the time that the previous one waits.
fn time_for_attempts(config: &Config, first: FunctionName) -> Result<(), ConfigError> {
    let settings = &config.delivery;
    let now = Mono::default();
    let mut way = Vec::new();
    let mut patience: Option<Duration> = None;
    let mut next = Some(first);
    while let Some(function) = next {
        // A function that only answers needs no time for attempts.
        let Some(peer) = receiver(config, function, way.last().copied()) else {
            break;
        };
        way.push(function);
        let header = patience.map(|span| millis(span).to_string());
        let deadline = Deadline::new(now, settings.function_deadline, patience, header.as_deref());
        if let Some(shortage) = deadline.shortage() {
            let names: Vec<_> = way.iter().map(|function| function.as_str()).collect();
            return Err(ConfigError::TooShort {
                variables: if way.len() == 1 {
                    "FUNCTION_DEADLINE_MS"
                } else {
                    "FUNCTION_DEADLINE_MS or ATTEMPT_TIMEOUT_MS"
                },
                reason: format!("a message that passes {}: {shortage}", names.join(", ")),
            });
        }
        let limit = match function {
            // Ingestion makes one attempt, which gets all of its time.
            FunctionName::Ingestion => Duration::MAX,
            _ => settings.attempt_timeout,
        };
        patience = Some(deadline.attempt_timeout(now, limit));
        next = match config.binding(function, peer) {
            Some(Binding::Local(function)) => Some(function),
            _ => None,
        };
    }
    Ok(())
}

/// The peer to which a function sends a message that came from `from`; `None` if it sends nothing.
fn receiver(config: &Config, function: FunctionName, from: Option<FunctionName>) -> Option<Peer> {
    let bound = |peer: &Peer| config.binding(function, *peer).is_some();
    match function {
        // Messages from ingestion go to L3; others may go to either layer.
        FunctionName::Connector if from == Some(FunctionName::Ingestion) => Some(Peer::Writer),
        FunctionName::Connector => Some(Peer::Ingestion).filter(bound).or(Some(Peer::Writer)),
        FunctionName::Ingestion => Some(Peer::Connector).filter(bound).or(Some(Peer::Writer)),
        FunctionName::Reader => Some(Peer::Reader).filter(bound),
        FunctionName::Writer | FunctionName::ErrorReporter => None,
    }
}

/// Rejects an unknown name that can only be meant for this program. Other variables are ignored: `REMOTE_HOST` and
/// `REMOTE_CONTAINERS`, for example, belong to other programs, and so do the service links of Kubernetes.
pub(super) fn known(name: &str, value: &str) -> Result<(), ConfigError> {
    let ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || (name.starts_with("REMOTE_")
            && ["_URL", "_TOKEN", "_CLOUD", "_AUTH", "_AUDIENCE"]
                .iter()
                .any(|suffix| name.ends_with(suffix)));
    if !ours
        || table::variables().any(|variable| variable.name == name)
        || is_service_link(name, value)
    {
        return Ok(());
    }
    if let Some(absent) = stores::absent(name) {
        return Err(ConfigError::NotCompiledIn {
            variable: name.to_owned(),
            store: absent.name,
        });
    }
    Err(ConfigError::Unknown {
        variable: name.to_owned(),
        nearest: nearest(name),
    })
}

/// Prefixes of names that are meant for this program.
const PREFIXES: [&str; 3] = ["TWIN_", "RETRY_", "CIRCUIT_"];

/// The variable that was probably meant: the same name without the prefix, or otherwise the one with the smallest edit
/// distance.
fn nearest(name: &str) -> Option<&'static str> {
    let names = || table::variables().map(|variable| variable.name);
    let bare = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
    if let Some(known) = names().find(|known| Some(*known) == bare) {
        return Some(known);
    }
    let distance = |known: &&str| strsim::damerau_levenshtein(name, known);
    names()
        .min_by_key(distance)
        .filter(|known| distance(known) <= 4)
}

/// Whether Kubernetes sets a variable of this name and value in every pod beside a Service: one called `twin` gives
/// `TWIN_SERVICE_HOST`, `TWIN_SERVICE_PORT`, `TWIN_SERVICE_PORT_HTTP`, `TWIN_PORT=tcp://…`, `TWIN_PORT_80_TCP` and
/// `TWIN_PORT_80_TCP_ADDR`.
pub(super) fn is_service_link(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
    {
        return true;
    }
    let Some((_, port)) = name.rsplit_once("_PORT_") else {
        return name.ends_with("_PORT")
            && value
                .split_once("://")
                .is_some_and(|(protocol, _)| PROTOCOLS.contains(&protocol));
    };
    let mut parts = port.split('_');
    let number = parts
        .next()
        .is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let protocol = parts
        .next()
        .is_some_and(|part| PROTOCOLS.contains(&part.to_ascii_lowercase().as_str()));
    let last = parts
        .next()
        .is_none_or(|part| matches!(part, "PROTO" | "PORT" | "ADDR"));
    number && protocol && last && parts.next().is_none()
}

/// Protocols of a Service's port.
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];
