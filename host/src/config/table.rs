//! The table of variables: name, what holds without it, how it is read, what it is for. `--help` and all checks of names
//! are made from it.

use std::sync::LazyLock;

use twin_delivery::{DELIVERY, TWIN_CLOUD, TWIN_NAME};

use super::{
    Peer,
    parse::{
        address, cloud, days, functions, log_filter, log_format, millis, name, number, path, proxy,
        route_prefix, secret, secrets, switch, url,
    },
    variable::{
        Group,
        Unset::{Nothing, Otherwise, Refused, Value},
        Variable,
    },
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
    let group = |title, variables: &[Variable]| Group {
        title,
        variables: variables.to_vec(),
    };
    vec![
        group("Who and what", IDENTITY),
        group("HTTP", HTTP),
        group("Files", FILES),
        group("Peers", PEERS),
        group("Next hops", NEXT_HOPS.as_flattened()),
        Group {
            title: "Delivery",
            variables: DELIVERY.iter().map(Variable::delivery).collect(),
        },
        group("Limits and logs", LIMITS),
        group("Set by platforms", PLATFORMS),
    ]
});

/// `set!(a.b = parse(…))` parses the text and puts the value into that field.
macro_rules! set {
    ($($field:ident).+ = $parse:ident($($argument:expr),*)) => {
        |config, text| {
            config.$($field).+ = $parse(text $(, $argument)*)?.into();
            Ok(())
        }
    };
}

const IDENTITY: &[Variable] = &[
    Variable::of(&TWIN_NAME, set!(twin = name())),
    Variable::of(&TWIN_CLOUD, set!(cloud = cloud())),
    Variable::new(
        "TWIN_FUNCTIONS",
        Refused,
        set!(functions = functions()),
        "what runs here, comma-separated: connector, ingestion, writer, reader, error-reporter",
    ),
    Variable::new(
        "INTER_CLOUD_TOKEN",
        Refused,
        set!(keys = secrets()),
        "keys accepted from callers, comma-separated; the first is sent where REMOTE_AUTH_TOKEN is not set",
    )
    .secret(),
    Variable::new(
        "TWIN_OPERATOR_TOKEN",
        Otherwise("INTER_CLOUD_TOKEN opens these, too"),
        set!(operator_keys = secrets()),
        "keys that alone open /dead-letters, GET /errors and /metrics, and nothing else; comma-separated",
    )
    .secret(),
];

const HTTP: &[Variable] = &[
    Variable::new(
        "PORT",
        Value("8080"),
        set!(listen.port = number(0..=u16::MAX)),
        "TCP port; 0 takes a free one",
    ),
    Variable::new(
        "TWIN_BIND",
        Value("0.0.0.0"),
        set!(listen.address = address()),
        "IP address to listen on; 127.0.0.1 for this machine only",
    ),
    Variable::new(
        "ROUTE_PREFIX",
        Nothing,
        set!(listen.route_prefix = route_prefix()),
        "stripped from the front of paths, as /api",
    ),
    Variable::new(
        "BODY_TIMEOUT_MS",
        Value("10000"),
        set!(listen.body_timeout = millis(10..=600_000)),
        "how long a request's body may take to arrive",
    ),
    Variable::new(
        "WRITE_TIMEOUT_MS",
        Value("10000"),
        set!(listen.write_timeout = millis(10..=600_000)),
        "how long a reply may wait for its client to read",
    ),
    Variable::new(
        "MAX_CONNECTIONS",
        Otherwise("the descriptor limit - 256, at most 16384"),
        set!(listen.max_connections = number(1..=1_000_000_usize)),
        "connections open at once; above nine tenths the longest idle are closed",
    ),
    Variable::new(
        "BODY_MEMORY_BYTES",
        Otherwise("a twelfth of the control group's memory, at most 268435456"),
        set!(listen.body_memory = number(4_194_304..=u32::MAX)),
        "memory for bodies that are being answered, and as much for replies not read yet; beyond it 503",
    ),
    Variable::new(
        "DRAIN_TIMEOUT_MS",
        Value("10000"),
        set!(listen.drain_timeout = millis(0..=600_000)),
        "how long calls may take to finish when the host is told to stop",
    ),
];

const FILES: &[Variable] = &[
    // Sets the cache's place as well, which its own variable then overrides.
    Variable::new(
        "TWIN_DATA_DIR",
        Value("./twin-data"),
        |config, text| {
            config.storage.data_dir = text.into();
            config.code.cache_dir = config.storage.data_dir.join("code-cache");
            Ok(())
        },
        "folder of the local store, on a real local disk",
    ),
    Variable::new(
        "TWIN_DATA_MAX_BYTES",
        Otherwise("no limit"),
        set!(storage.max_bytes = number(33_554_432..=u64::MAX)),
        "bytes of data in the local store, its log of up to 16 MiB included; beyond them writes get 503 STORE_FULL",
    ),
    Variable::new(
        "RECORD_DAYS",
        Otherwise("for ever"),
        set!(storage.record_age = days(1..=36_500)),
        "how many days the local store keeps records; their ids are known for as long",
    ),
    Variable::new(
        "LETTER_DAYS",
        Otherwise("for ever"),
        set!(storage.letter_age = days(1..=36_500)),
        "how many days the local store keeps dead letters; each that is removed is a system error LETTER_EXPIRED",
    ),
    Variable::new(
        "TWIN_CACHE_DIR",
        Otherwise("code-cache in TWIN_DATA_DIR"),
        set!(code.cache_dir = path()),
        "folder of compiled components, private to the host",
    ),
    Variable::new(
        "TWIN_COMPONENTS_DIR",
        Otherwise("components beside the executable or its folder"),
        set!(code.components_dir = path()),
        "folder of the .wasm files",
    ),
    Variable::new(
        "TWIN_EPHEMERAL",
        Value("false"),
        set!(storage.ephemeral = switch()),
        "accepts a local store whose disk does not last",
    ),
];

const PEERS: &[Variable] = &[
    Variable::new(
        "REMOTE_AUTH_TOKEN",
        Otherwise("the first of INTER_CLOUD_TOKEN"),
        set!(peers.token = secret()),
        "key sent to peers; never accepted from callers",
    )
    .secret(),
    Variable::new(
        "TWIN_HTTP_PROXY",
        Nothing,
        set!(peers.proxy = proxy()),
        "URL of a proxy to peers; HTTP_PROXY and the like are ignored",
    )
    .secret(),
    Variable::new(
        "TWIN_EXTRA_CA_FILE",
        Nothing,
        set!(peers.extra_ca_file = path()),
        "PEM file of certificate authorities trusted beside the system's",
    ),
];

/// The three variables of a peer.
macro_rules! next_hop {
    ($peer:ident, $url:literal, $token:literal, $cloud:literal, $what:literal) => {
        [
            Variable::new(
                $url,
                Nothing,
                |config, text| {
                    config.peers.remote(Peer::$peer).url = Some(url(text)?);
                    Ok(())
                },
                concat!("URL of ", $what, ", used verbatim"),
            )
            .secret(),
            Variable::new(
                $token,
                Otherwise("REMOTE_AUTH_TOKEN"),
                |config, text| {
                    config.peers.remote(Peer::$peer).token = Some(secret(text)?);
                    Ok(())
                },
                concat!("key sent to ", $url),
            )
            .secret(),
            Variable::new(
                $cloud,
                Otherwise("told by the URL's host name"),
                |config, text| {
                    config.peers.remote(Peer::$peer).cloud = Some(cloud(text)?);
                    Ok(())
                },
                concat!("aws, azure or gcp, whose header carries the key to ", $url),
            ),
        ]
    };
}

const NEXT_HOPS: &[[Variable; 3]] = &[
    next_hop!(
        Ingestion,
        "REMOTE_INGESTION_URL",
        "REMOTE_INGESTION_TOKEN",
        "REMOTE_INGESTION_CLOUD",
        "another cloud's ingestion (L1 to L2)"
    ),
    next_hop!(
        Writer,
        "REMOTE_WRITER_URL",
        "REMOTE_WRITER_TOKEN",
        "REMOTE_WRITER_CLOUD",
        "another cloud's writer (L2 to L3)"
    ),
    next_hop!(
        Reader,
        "REMOTE_READER_URL",
        "REMOTE_READER_TOKEN",
        "REMOTE_READER_CLOUD",
        "another cloud's reader, asked in place of the own store"
    ),
    next_hop!(
        Connector,
        "REMOTE_CONNECTOR_URL",
        "REMOTE_CONNECTOR_TOKEN",
        "REMOTE_CONNECTOR_CLOUD",
        "another host's connector, which ingestion hands on to"
    ),
    next_hop!(
        ErrorReporter,
        "REMOTE_ERROR_REPORTER_URL",
        "REMOTE_ERROR_REPORTER_TOKEN",
        "REMOTE_ERROR_REPORTER_CLOUD",
        "another cloud's error reporter"
    ),
    next_hop!(
        Management,
        "MANAGEMENT_URL",
        "REMOTE_MANAGEMENT_TOKEN",
        "REMOTE_MANAGEMENT_CLOUD",
        "the management application, notified of system errors"
    ),
];

const LIMITS: &[Variable] = &[
    Variable::new(
        "MAX_CONCURRENT_CALLS",
        Value("10240"),
        set!(concurrent_calls = number(1..=1_000_000_usize)),
        "calls of one function at once; more get 503",
    ),
    Variable::new(
        "DEBUG_MODE",
        Value("false"),
        set!(log.debug = switch()),
        "logs debug lines, too",
    ),
    Variable::new(
        "LOG_FORMAT",
        Value("json"),
        set!(log.format = log_format()),
        "json or text; logs go to stderr",
    ),
    Variable::new(
        "RUST_LOG",
        Otherwise("info, or debug with DEBUG_MODE"),
        set!(log.filter = log_filter()),
        "which log lines are written, as `twin_host=debug,info`",
    ),
];

/// A platform's own variable: where it is set, the disk is not one to keep data on.
macro_rules! platform {
    ($name:literal) => {
        Variable::new(
            $name,
            Nothing,
            |config, _| {
                config.storage.platform = Some($name);
                Ok(())
            },
            "tells that the disk does not last: local storage then wants TWIN_EPHEMERAL=1",
        )
    };
}

const PLATFORMS: &[Variable] = &[
    platform!("AWS_LAMBDA_FUNCTION_NAME"),
    platform!("FUNCTIONS_WORKER_RUNTIME"),
    platform!("K_SERVICE"),
];
