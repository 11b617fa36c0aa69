//! Calls without HTTP: the cost of one hop between two functions in a process, and of an instance.

use std::{sync::Arc, time::Instant};

use tokio::sync::watch;
use twin_capabilities::{
    Settings,
    credentials::{Caller, Role},
};
use twin_host::{
    credentials::Credentials,
    function::{FunctionName, Functions, Request, Verdict},
    imports::Capabilities,
    peers::PeerSender,
    providers::{memory::Memory, system_clock, within},
    runtime::{Runtime, RuntimeSettings, Sandbox, Time},
};

use crate::{
    load::{Histogram, template},
    places::Places,
    plan::{MAIN, Plan},
    process::plain,
    serve::{self, Kind, Route, config},
};

/// Times in microseconds.
pub(crate) struct Calls {
    /// A call of the writer: the time that ingestion waits for a writer in the same process.
    pub(crate) hop: f64,
    /// The same for the native function.
    pub(crate) native_hop: f64,
    /// Ingestion, which calls the writer.
    pub(crate) two: f64,
    pub(crate) native_two: f64,
    /// A call of the writer in an instance created for it.
    pub(crate) fresh: f64,
}

pub(crate) fn calls(plan: &Plan) -> anyhow::Result<Calls> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let native = native()?;
        let reused = twin(u64::MAX).await?;
        let fresh = twin(1).await?;
        let calls = plan.calls;
        let (writer, ingestion) = (FunctionName::Writer, FunctionName::Ingestion);
        // A first run that does not count.
        time(&reused, ingestion, calls / 4).await?;
        Ok(Calls {
            hop: time(&reused, writer, calls).await?,
            native_hop: time(&native, writer, calls).await?,
            two: time(&reused, ingestion, calls).await?,
            native_two: time(&native, ingestion, calls).await?,
            fresh: time(&fresh, writer, calls / 10).await?,
        })
    })
}

/// The median of sequential calls from a task of the runtime, as in a server.
async fn time(
    functions: &Arc<dyn Functions>,
    function: FunctionName,
    calls: u32,
) -> anyhow::Result<f64> {
    let functions = Arc::clone(functions);
    let times = tokio::spawn(async move {
        let mut times = Histogram::new();
        for number in 0..calls {
            let request = request(function, number);
            let start = Instant::now();
            let response = functions.call(function, request).await?;
            times.record(start.elapsed());
            anyhow::ensure!(
                response.status == 200,
                "{function} answered {}",
                response.status
            );
        }
        Ok(times)
    });
    Ok(times.await??.quantile(0.5).as_secs_f64() * 1e6)
}

fn request(function: FunctionName, number: u32) -> Request {
    let route = match function {
        FunctionName::Ingestion => Route::Ingest,
        _ => Route::Write,
    };
    let id = format!("bench-{}", number % 1000);
    let headers = [
        ("idempotency-key", id.as_str()),
        ("content-type", "application/json"),
        ("x-twin-timeout-ms", "10000"),
    ];
    let caller = Caller {
        name: "bench".to_owned(),
        role: Role::Hop,
    };
    Request {
        method: "POST".to_owned(),
        path: function.routes().first().copied().unwrap_or("/").to_owned(),
        query: String::new(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body: template::body(route, MAIN.0).into_bytes(),
        time_left_ms: None,
        // As one function calls another in the same process.
        verdict: Verdict::Verified(caller),
    }
}

async fn twin(calls_per_instance: u64) -> anyhow::Result<Arc<dyn Functions>> {
    let config = Arc::new(config(&plain(Kind::Twin, Route::Ingest))?);
    let places = Places::find()?;
    let peers = Arc::new(PeerSender::new(Arc::clone(&config))?);
    let stores = Memory::new(system_clock()).stores();
    let settings = RuntimeSettings {
        cache: Some(places.cache),
        lanes: 1,
        calls_per_instance,
        ..RuntimeSettings::new(places.components)
    };
    let capabilities = |function| Capabilities {
        function,
        settings: Arc::clone(&config) as Arc<dyn Settings>,
        verifier: Arc::new(Credentials::of(&config)),
        peers: peers.of(function),
        stores: within(stores.clone(), settings.deadline),
        draining: watch::channel(false).1,
    };
    let sandbox = Sandbox::new()?;
    let functions = &config.functions;
    let runtime = Runtime::start(&sandbox, &settings, functions, Time::Real, capabilities).await?;
    let functions: Arc<dyn Functions> = Arc::new(runtime);
    peers.mount(Arc::downgrade(&functions));
    Ok(functions)
}

fn native() -> anyhow::Result<Arc<dyn Functions>> {
    let config = Arc::new(config(&plain(Kind::Native, Route::Ingest))?);
    serve::native(&config, Memory::new(system_clock()).stores())
}
