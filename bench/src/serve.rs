//! A server under test, as a separate process, so that its CPU time and memory can be measured.
//!
//! It prints its address, and ends when its standard input closes: it never outlives the benchmark.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use tokio::{net::TcpListener, sync::watch};
use twin_capabilities::{Settings, Verifier};
use twin_contract::reply::{Custody, error_body};
use twin_host::{
    config::Config,
    credentials::Credentials,
    dispatch::{Dispatch, DispatchSettings, Readiness},
    function::Functions,
    host::Host,
    ingress::{self, HttpSettings},
    peers::PeerSender,
    providers::{Stores, local::Local, memory::Memory, system_clock, within},
    runtime::Sandbox,
    telemetry,
};
use twin_native::{Capabilities, Native, NativeSettings, Time};

use crate::{peer, places::Places, plain};

/// The key that every caller presents.
pub(crate) const KEY: &str = "the-key-of-the-bench";

/// What serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// The host with its components.
    Twin,
    /// The same functions, native, behind a plain hyper server.
    Native,
    /// The same functions, native, behind the host's own ingress: splits what the sandbox costs from what the ingress does.
    NativeIngress,
    /// The same component in a stock runtime.
    Stock,
    /// What the connector sends to: answers at once.
    Peer,
    /// Answers 503 at once.
    BrokenPeer,
    /// What takes the spans of a host.
    Collector,
}

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Route {
    /// `POST /ingest`, handed on to the writer in the same process.
    Ingest,
    /// `POST /write` into memory.
    Write,
    /// `POST /write` into a data folder.
    WriteDurable,
    /// `POST /telemetry`, sent to another process.
    Connector,
}

/// One server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Serve {
    #[arg(long)]
    pub(crate) kind: Kind,
    #[arg(long, default_value = "write")]
    pub(crate) route: Route,
    /// For durable data.
    #[arg(long, default_value = ".")]
    pub(crate) data: PathBuf,
    /// Where the connector sends.
    #[arg(long, default_value = "http://127.0.0.1:9/")]
    pub(crate) peer: String,
    /// The wait before the first retry, in milliseconds.
    #[arg(long, default_value = "1000")]
    pub(crate) retry_initial_ms: u32,
    /// Where the twin sends its spans; without this, it records none.
    #[arg(long)]
    pub(crate) collector: Option<String>,
}

/// Runs one until the standard input ends.
pub(crate) fn run(serve: &Serve) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let address = runtime.block_on(start(serve))?;
    println!("{address}");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    // Calls in progress are cut off, because everything has been measured.
    runtime.shutdown_background();
    std::process::exit(0)
}

async fn start(serve: &Serve) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let config = config(serve)?;
    telemetry::start_logs(&config.log);
    match serve.kind {
        Kind::Stock => anyhow::bail!("a stock runtime is a program of its own"),
        Kind::Peer => {
            let body = Custody::Received.body("of-the-bench");
            drop(tokio::spawn(peer::serve(listener, 200, body)));
        }
        Kind::BrokenPeer => {
            let body = error_body("BROKEN", "always");
            drop(tokio::spawn(peer::serve(listener, 503, body)));
        }
        Kind::Collector => drop(tokio::spawn(peer::serve(listener, 200, Vec::new()))),
        Kind::Twin => {
            let stores = stores(serve, &config)?;
            let host = Host::start_with(&Sandbox::new()?, config, stores, listener).await?;
            // It runs as long as the process.
            std::mem::forget(host);
        }
        Kind::Native | Kind::NativeIngress => {
            let stores = stores(serve, &config)?;
            telemetry::metrics::recorder();
            let config = Arc::new(config);
            let native = native(&config, stores)?;
            if serve.kind == Kind::Native {
                tokio::spawn(plain::serve(listener, native));
            } else {
                let (never, stop) = watch::channel(false);
                std::mem::forget(never);
                let verifier = Arc::new(Credentials::of(&config));
                let settings = DispatchSettings::new(&config, verifier, Arc::new(Always));
                let dispatch = Arc::new(Dispatch::new(native, settings, stop.clone()));
                let http = HttpSettings::new(&config);
                tokio::spawn(ingress::http::serve(listener, dispatch, None, http, stop));
            }
        }
    }
    Ok(address)
}

/// The functions as native code, with what the host gives its components: the same checks, peers, stores and limits.
pub(crate) fn native(config: &Arc<Config>, stores: Stores) -> anyhow::Result<Arc<dyn Functions>> {
    let peers = Arc::new(PeerSender::new(Arc::clone(config))?);
    let verifier: Arc<dyn Verifier> = Arc::new(Credentials::of(config));
    let settings = NativeSettings {
        concurrent_calls: config.concurrent_calls,
        deadline: config.delivery.function_deadline,
        ..NativeSettings::default()
    };
    let stores = within(stores, settings.deadline);
    let time = Time::real();
    let native = Native::new(&config.functions, &settings, |function| Capabilities {
        settings: Arc::clone(config) as Arc<dyn Settings>,
        verifier: Arc::clone(&verifier),
        peers: peers.of(function),
        stores: stores.clone(),
        time: time.clone(),
    });
    let functions: Arc<dyn Functions> = Arc::new(native);
    peers.mount(Arc::downgrade(&functions));
    Ok(functions)
}

/// The configuration, as read from environment variables.
pub(crate) fn config(serve: &Serve) -> anyhow::Result<Config> {
    let places = Places::find()?;
    let functions = match serve.route {
        Route::Ingest => "ingestion,writer",
        Route::Write | Route::WriteDurable => "writer",
        Route::Connector => "connector",
    };
    let vars = [
        ("TWIN_NAME", "bench"),
        ("TWIN_CLOUD", "aws"),
        ("TWIN_FUNCTIONS", functions),
        ("INTER_CLOUD_TOKEN", KEY),
        ("RETRY_INITIAL_MS", &serve.retry_initial_ms.to_string()),
        // There must be enough time left for a retry.
        (
            "FUNCTION_DEADLINE_MS",
            &(25_000 + 2 * serve.retry_initial_ms).to_string(),
        ),
        ("RUST_LOG", "warn"),
        ("REMOTE_INGESTION_URL", &serve.peer),
        ("TWIN_DATA_DIR", &path(&serve.data)?),
        ("TWIN_COMPONENTS_DIR", &path(&places.components)?),
        ("TWIN_CACHE_DIR", &path(&places.cache)?),
    ];
    let collector = serve.collector.as_deref();
    let traces = collector.map(|url| ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url));
    let vars = vars
        .into_iter()
        .filter(|(name, _)| serve.route == Route::Connector || *name != "REMOTE_INGESTION_URL")
        .chain(traces);
    Config::from_vars(vars).context("the bench's configuration")
}

fn path(path: &std::path::Path) -> anyhow::Result<String> {
    let text = path.to_str().context("a folder's name is no UTF-8")?;
    Ok(text.to_owned())
}

fn stores(serve: &Serve, config: &Config) -> anyhow::Result<Stores> {
    Ok(if serve.route == Route::WriteDurable {
        Local::open(&config.storage.data_dir, &config.twin)?.stores()
    } else {
        Memory::new(system_clock()).stores()
    })
}

struct Always;

#[async_trait::async_trait]
impl Readiness for Always {
    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}
