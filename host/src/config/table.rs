//! The table of variables: name, default, how the value is read, and purpose. `--help` and all checks of names are made
//! from it.

use std::sync::LazyLock;

use twin_delivery::{DELIVERY, TWIN_CLOUD, TWIN_NAME};

use super::{
    Authentication, Peer,
    parse::{
        address, authentication, cloud, days, functions, iam_callers, log_filter, log_format,
        millis, name, number, oidc_callers, path, proxy, route_prefix, seconds, secret, secrets,
        store, switch, text, url,
    },
    variable::{
        Group, Reads,
        Unset::{Nothing, Otherwise, Refused, Value},
        Variable, reads,
    },
};
use crate::{
    ingress::platform::Platform::{AzureFunctions, CloudRun, Lambda},
    runtime::MOST_LANES,
    stores, traces,
};

/// All variables, in the order in which they are read: a later one may refine what an earlier one set.
pub fn variables() -> impl Iterator<Item = &'static Variable> {
    groups().iter().flat_map(|group| &group.variables)
}

/// The same in groups, for `--help`.
pub fn groups() -> &'static [Group] {
    &GROUPS
}

static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(|| {
    let group = |title: &str, variables: &[Variable]| Group {
        title: title.to_owned(),
        variables: variables.to_vec(),
    };
    let stores = stores::KINDS.iter().filter_map(|kind| {
        let variables = kind.variables();
        (!variables.is_empty()).then(|| Group {
            title: format!("Store {}: {}", kind.name(), kind.help()),
            variables: variables.to_vec(),
        })
    });
    let mut groups = vec![
        group("Who and what", IDENTITY),
        group("HTTP", HTTP),
        group("Store", STORE),
    ];
    groups.extend(stores);
    groups.extend([
        group("Files", FILES),
        group("Peers", PEERS),
        group("Next hops", NEXT_HOPS.as_flattened()),
        Group {
            title: "Delivery".to_owned(),
            variables: DELIVERY.iter().map(Variable::delivery).collect(),
        },
        group("Limits and logs", LIMITS),
        group("Traces", traces::VARIABLES),
        group("Set by platforms", PLATFORMS),
    ]);
    groups
});

const IDENTITY: &[Variable] = &[
    Variable::of(&TWIN_NAME, reads!(twin = name())),
    Variable::of(&TWIN_CLOUD, reads!(cloud = cloud())),
    Variable::new(
        "TWIN_FUNCTIONS",
        Refused,
        reads!(functions = functions()),
        "the functions that run here",
    ),
    Variable::new(
        "INTER_CLOUD_TOKEN",
        Refused,
        reads!(keys = secrets()),
        "keys accepted from callers; the first is sent where REMOTE_AUTH_TOKEN is not set",
    )
    .secret(),
    Variable::new(
        "TWIN_OPERATOR_TOKEN",
        Otherwise("the keys of INTER_CLOUD_TOKEN, which then open these routes too"),
        reads!(operator_keys = secrets()),
        "keys of operators: where set, they alone open /dead-letters, GET /errors and /metrics, and they open nothing else",
    )
    .secret(),
    Variable::new(
        "TWIN_OIDC_AUDIENCE",
        Otherwise("callers need a key"),
        reads!(oidc.audience = text()),
        "audience that a caller's token must have; where it and TWIN_OIDC_CALLERS are set, a token is accepted instead of a key",
    ),
    Variable::new(
        "TWIN_OIDC_CALLERS",
        Otherwise("callers need a key"),
        reads!(oidc.callers = oidc_callers()),
        "callers that present a token, which opens the routes for messages and records: docs/operations.md",
    ),
    Variable::new(
        "TWIN_IAM_CALLERS",
        Otherwise("callers need a key or a token"),
        reads!(iam_callers = iam_callers()),
        "on Lambda, callers that IAM has authenticated at the function's URL or API: docs/functions.md",
    ),
    Variable::new(
        "SECRET_TTL_SECONDS",
        Value("300"),
        reads!(secret_ttl = seconds(10..=86_400)),
        "how long a key that another variable refers to is used before it is looked up again",
    )
    .unit("s"),
];

const HTTP: &[Variable] = &[
    Variable::new(
        "PORT",
        Value("8080"),
        reads!(listen.port = number(0..=u16::MAX)),
        "TCP port; 0 takes a free one; ignored where FUNCTIONS_CUSTOMHANDLER_PORT is set",
    ),
    Variable::new(
        "TWIN_BIND",
        Value("0.0.0.0"),
        reads!(listen.address = address()),
        "address to listen on; 127.0.0.1 for this machine only",
    )
    .on(&[(AzureFunctions, "127.0.0.1")]),
    Variable::new(
        "ROUTE_PREFIX",
        Nothing,
        reads!(listen.route_prefix = route_prefix()),
        "prefix that is removed from paths",
    ),
    Variable::new(
        "BODY_TIMEOUT_MS",
        Value("10000"),
        reads!(listen.body_timeout = millis(10..=600_000)),
        "how long a request's body may take to arrive",
    )
    .unit("ms"),
    Variable::new(
        "WRITE_TIMEOUT_MS",
        Value("10000"),
        reads!(listen.write_timeout = millis(10..=600_000)),
        "how long a reply may wait for its client to read",
    )
    .unit("ms"),
    Variable::new(
        "MAX_CONNECTIONS",
        Otherwise("the limit of file descriptors less 256, at most 16384"),
        reads!(listen.max_connections = number(1..=1_000_000_usize)),
        "connections open at once; above nine tenths of it, those idle for longest are closed",
    ),
    Variable::new(
        "BODY_MEMORY_BYTES",
        Otherwise("a twelfth of the memory of the control group, at most 268435456"),
        reads!(listen.body_memory = number(4_194_304..=u32::MAX)),
        "memory for bodies of requests under way, and as much again for replies not yet read; beyond it callers get 503",
    )
    .unit("bytes"),
    Variable::new(
        "DRAIN_TIMEOUT_MS",
        Value("10000"),
        reads!(listen.drain_timeout = millis(0..=600_000)),
        "how long calls may take to finish when the host is stopped",
    )
    .unit("ms")
    .on(&[(CloudRun, "8000"), (Lambda, "300")]),
];

const STORE: &[Variable] = &[
    Variable::new(
        "TWIN_STORE",
        Value("local"),
        reads!(store(), |config, kind| config.storage.kind = kind),
        "where data is kept; all but local are cargo features of the build",
    )
    .on(&[(AzureFunctions, "azure"), (CloudRun, "gcp"), (Lambda, "aws")]),
    Variable::new(
        "RECORD_DAYS",
        Otherwise("no limit"),
        reads!(storage.record_age = days(1..=36_500)),
        "how long the store keeps records; a repeated message is recognised for as long",
    )
    .unit("days"),
    Variable::new(
        "LETTER_DAYS",
        Otherwise("no limit"),
        reads!(storage.letter_age = days(1..=36_500)),
        "how long the store keeps dead letters; each removal is reported as the system error LETTER_EXPIRED",
    )
    .unit("days"),
    Variable::new(
        "TWIN_EPHEMERAL",
        Value("false"),
        reads!(storage.ephemeral = switch()),
        "permits a store that may lose what it acknowledged: a folder on a disk that does not last, a database with fsync=off",
    ),
];

const FILES: &[Variable] = &[
    // Also sets the cache's folder, which its own variable overrides later.
    Variable::new(
        "TWIN_DATA_DIR",
        Value("./twin-data"),
        reads!(path(), |config, folder| {
            config.code.cache_dir = folder.join("code-cache");
            config.storage.data_dir = folder;
        }),
        "folder of the local store; it must be on a local disk",
    ),
    Variable::new(
        "TWIN_CACHE_DIR",
        Otherwise("`code-cache` in TWIN_DATA_DIR"),
        reads!(code.cache_dir = path()),
        "folder for compiled components, private to the host; not used in a build without the compiler",
    ),
    Variable::new(
        "TWIN_COMPONENTS_DIR",
        Otherwise("`components` beside the executable or beside its folder"),
        reads!(code.components_dir = path()),
        "folder that holds the components: .wasm files, or what `twin compile` made in a build without the compiler",
    ),
];

const PEERS: &[Variable] = &[
    Variable::new(
        "REMOTE_AUTH_TOKEN",
        Otherwise("the first of INTER_CLOUD_TOKEN"),
        reads!(peers.token = secret()),
        "key sent to peers; never accepted from callers",
    )
    .secret(),
    Variable::new(
        "TWIN_HTTP_PROXY",
        Nothing,
        reads!(peers.proxy = proxy()),
        "URL of a proxy for requests to peers; HTTP_PROXY and the like are ignored",
    )
    .secret(),
    Variable::new(
        "TWIN_EXTRA_CA_FILE",
        Nothing,
        reads!(peers.extra_ca_file = path()),
        "PEM file of certificate authorities trusted in addition to the system's",
    ),
];

/// The variables of a peer. `contract` names them.
macro_rules! next_hop {
    ($peer:ident, $what:literal) => {
        [
            Variable::new(
                Peer::$peer.variables().url,
                Nothing,
                reads!(url(), |config, value| {
                    config.peers.remote(Peer::$peer).url = Some(value);
                }),
                concat!("URL of ", $what, ", used verbatim"),
            )
            .secret(),
            Variable::new(
                Peer::$peer.variables().token,
                Otherwise("REMOTE_AUTH_TOKEN"),
                reads!(secret(), |config, value| {
                    config.peers.remote(Peer::$peer).token = Some(value);
                }),
                concat!("key sent to ", $what),
            )
            .secret(),
            Variable::new(
                Peer::$peer.variables().cloud,
                Otherwise("derived from the host name in the URL"),
                reads!(cloud(), |config, value| {
                    config.peers.remote(Peer::$peer).cloud = Some(value);
                }),
                concat!("cloud whose header carries the key to ", $what),
            ),
            Variable::new(
                Peer::$peer.variables().auth,
                Value("key"),
                reads!(authentication(), |config, value| {
                    if value != Authentication::Key {
                        config.peers.remote(Peer::$peer).auth = value;
                    }
                }),
                concat!(
                    "how this host authenticates to ",
                    $what,
                    ": with a key, with a signature by its AWS credentials, or with a token of TWIN_CLOUD's identity service"
                ),
            ),
            Variable::new(
                Peer::$peer.variables().audience,
                Nothing,
                reads!(text(), |config, value| {
                    config.peers.remote(Peer::$peer).audience = Some(value);
                }),
                concat!("the audience of the token that is sent to ", $what),
            ),
        ]
    };
}

const NEXT_HOPS: &[[Variable; 5]] = &[
    next_hop!(Ingestion, "another cloud's ingestion (L1 to L2)"),
    next_hop!(Writer, "another cloud's writer (L2 to L3)"),
    next_hop!(
        Reader,
        "another cloud's reader, asked instead of this host's own store"
    ),
    next_hop!(
        Connector,
        "another host's connector, to which ingestion hands on"
    ),
    next_hop!(ErrorReporter, "another cloud's error reporter"),
    next_hop!(
        Management,
        "the management application, which is notified of system errors"
    ),
];

const LIMITS: &[Variable] = &[
    Variable::new(
        "TWIN_LANES",
        Otherwise("the number of cores, at most 256"),
        reads!(lanes = number(1..=MOST_LANES)),
        "instances of each function, and so how many calls of it can compute at once",
    ),
    Variable::new(
        "MAX_CONCURRENT_CALLS",
        Value("10240"),
        reads!(concurrent_calls = number(1..=1_000_000_usize)),
        "calls of one function at once; further ones get 503",
    ),
    Variable::new(
        "DEBUG_MODE",
        Value("false"),
        reads!(log.debug = switch()),
        "writes debug lines as well; ignored where RUST_LOG is set",
    ),
    Variable::new(
        "LOG_FORMAT",
        Value("json"),
        reads!(log.format = log_format()),
        "format of log lines, which go to stderr",
    ),
    Variable::new(
        "RUST_LOG",
        Otherwise("info, or debug with DEBUG_MODE"),
        reads!(log.filter = log_filter()),
        "which log lines are written",
    ),
];

const DISK: &str =
    "set by the platform; its disk does not last, so local storage needs TWIN_EPHEMERAL=1";

/// A variable that a platform sets. If it is set, the disk is not suitable for keeping data.
macro_rules! platform {
    ($name:literal) => {
        Variable::new(
            $name,
            Nothing,
            Reads::Field {
                set: |config, value| {
                    config.storage.platform = Some($name);
                    // The value of Azure's is the language of the function, and no name.
                    if $name != "FUNCTIONS_WORKER_RUNTIME" {
                        config.traces.function_name = Some(value.to_owned());
                    }
                    Ok(())
                },
                values: || "whatever the platform sets".to_owned(),
            },
            DISK,
        )
    };
}

const PLATFORMS: &[Variable] = &[
    platform!("AWS_LAMBDA_FUNCTION_NAME"),
    Variable::new(
        "AWS_LAMBDA_RUNTIME_API",
        Nothing,
        Reads::Field {
            set: |config, _| {
                config.storage.platform = Some("AWS_LAMBDA_RUNTIME_API");
                Ok(())
            },
            values: || "whatever the platform sets".to_owned(),
        },
        "set by Lambda: the host asks it for invocations and listens at no port; see docs/functions.md",
    ),
    platform!("FUNCTIONS_WORKER_RUNTIME"),
    Variable::new(
        "FUNCTIONS_CUSTOMHANDLER_PORT",
        Nothing,
        reads!(number(1..=u16::MAX), |config, port| {
            config.listen.port = port;
            config.storage.platform = Some("FUNCTIONS_CUSTOMHANDLER_PORT");
        }),
        "set by Azure Functions: the port, and that the host takes part in it as a custom handler; see docs/functions.md",
    ),
    platform!("K_SERVICE"),
];
