//! The stage: one function's real `.wasm` in the host's runtime, or the same function as native code, with virtual time and
//! without access to anything outside the test.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::{sync::watch, time::Instant};
use twin_contract::Cloud;
use twin_host::{
    credentials::{Credentials, HeaderForm},
    function::{CallError, FunctionName, Functions, Request, Response, Verdict},
    imports::Capabilities,
    providers::{Clock, Stores, memory::Memory, within},
    runtime::{Runtime, RuntimeError, RuntimeSettings, Sandbox, Time},
    secrets::Secret,
};
use twin_native::{Native, NativeSettings};

use crate::{Peers, Running, Settings};

/// The key that callers present.
pub const KEY: &str = "the-key";
/// Another valid key, as during a rotation.
pub const OTHER_KEY: &str = "the-key-after-it";
/// The operator key, on a stage that has one.
pub const OPERATOR_KEY: &str = "the-operators-key";
/// The time at which a stage's clock starts: 2026-01-01T00:00:00Z, in seconds since 1970.
pub const EPOCH_SECONDS: u64 = 1_767_225_600;

/// A function on a stage.
pub struct Stage {
    /// The running function.
    pub runtime: Arc<Running>,
    /// Its stores.
    pub stores: Memory,
    /// Its peers.
    pub peers: Peers,
    /// Its settings.
    pub settings: Settings,
    /// When it was built.
    pub start: Instant,
    credentials: Arc<Credentials>,
    unchecked: bool,
    function: FunctionName,
}

/// The settings of a stage that is not built yet.
pub struct StageBuilder {
    function: FunctionName,
    beside: Vec<FunctionName>,
    cloud: Cloud,
    settings: Settings,
    runtime: RuntimeSettings,
    shared: Option<(Memory, Peers)>,
    operators: Vec<Secret>,
    native: bool,
    unchecked: bool,
    watch: Box<dyn FnOnce(Stores) -> Stores>,
}

/// A parsed response.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body, which is always JSON.
    pub body: Value,
}

impl Told {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(header, value)| (header == name).then_some(value.as_str()))
    }

    /// The `error_code` of an error.
    pub fn code(&self) -> &str {
        self.body["error_code"].as_str().unwrap_or("none")
    }

    /// The `message` of an error.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or("none")
    }
}

/// The folder with the components, set by `cargo xtask test`.
pub fn components() -> PathBuf {
    folder("TWIN_COMPONENTS_DIR", "components")
}

/// The folder with components that misbehave.
pub fn test_components() -> PathBuf {
    folder("TWIN_TEST_COMPONENTS_DIR", "test-components")
}

fn folder(variable: &str, name: &str) -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target")
        .join(name);
    std::env::var_os(variable).map_or(default, PathBuf::from)
}

/// A post with the valid key in AWS's form.
pub fn post(path: &str, body: impl AsRef<[u8]>) -> Request {
    Request {
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: String::new(),
        headers: vec![("x-api-key".to_owned(), KEY.to_owned())],
        body: body.as_ref().to_vec(),
        time_left_ms: None,
        verdict: Verdict::Unchecked,
    }
}

/// A query with the valid key in AWS's form; `target` is a path with a query string.
pub fn get(target: &str) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        method: "GET".to_owned(),
        query: query.to_owned(),
        ..post(path, "")
    }
}

/// A DELETE request with the valid key in AWS's form.
pub fn delete(target: &str) -> Request {
    Request {
        method: "DELETE".to_owned(),
        ..get(target)
    }
}

impl StageBuilder {
    /// Sets a setting.
    pub fn set(self, name: &str, value: &str) -> Self {
        self.settings.set(name, value);
        self
    }

    /// Sets the cloud that the function runs on.
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self.set("TWIN_CLOUD", cloud.as_str())
    }

    /// Gives operators their own key.
    pub fn operated(mut self) -> Self {
        self.operators = vec![Secret::new(OPERATOR_KEY)];
        self
    }

    /// Sets the number of instances that share the work; the default is one.
    pub fn instances(mut self, instances: usize) -> Self {
        self.runtime.lanes = instances;
        self
    }

    /// Sets the number of calls at once.
    pub fn calls(mut self, calls: usize) -> Self {
        self.runtime.concurrent_calls = calls;
        self
    }

    /// Mounts another function in the same runtime; `Stage::call_of` calls it.
    pub fn with(mut self, function: FunctionName) -> Self {
        self.beside.push(function);
        self
    }

    /// Changes any other setting of the runtime.
    pub fn runtime(mut self, change: impl FnOnce(&mut RuntimeSettings)) -> Self {
        change(&mut self.runtime);
        self
    }

    /// Shares stores and peers with a function on an existing stage.
    pub fn beside(mut self, other: &Stage) -> Self {
        self.shared = Some((other.stores.clone(), other.peers.clone()));
        self
    }

    /// Puts a layer between the function and its stores.
    pub fn watch(mut self, watch: impl FnOnce(Stores) -> Stores + 'static) -> Self {
        self.watch = Box::new(watch);
        self
    }

    /// Leaves the check of credentials to the function, as at door 2 on other runtimes. Otherwise they are checked before
    /// the call, as the host does.
    pub fn unchecked(mut self) -> Self {
        self.unchecked = true;
        self
    }

    /// Builds the stage.
    pub async fn build(self) -> Stage {
        let stage = self.try_build().await;
        stage.expect("the component runs: `cargo xtask build` made it")
    }

    /// Runs the functions as native code, whatever `TWIN_STAGE` is.
    pub fn native(mut self) -> Self {
        self.native = true;
        self
    }

    /// The functions, as native code with the same capabilities.
    fn natively(&self, functions: &[FunctionName], capabilities: &Capabilities) -> Native {
        let RuntimeSettings {
            components: folder,
            lanes,
            concurrent_calls,
            deadline,
            ..
        } = self.runtime.clone();
        assert_eq!(
            folder,
            components(),
            "a case about components is not for native code"
        );
        let settings = NativeSettings {
            instances: lanes,
            concurrent_calls,
            deadline,
        };
        let time = twin_native::Time::simulated(Duration::from_secs(EPOCH_SECONDS), 1);
        Native::new(functions, &settings, |_| twin_native::Capabilities {
            settings: capabilities.settings.clone(),
            verifier: capabilities.verifier.clone(),
            peers: capabilities.peers.clone(),
            stores: capabilities.stores.clone(),
            time: time.clone(),
        })
    }

    /// Builds the stage, if the runtime accepts the component.
    pub async fn try_build(mut self) -> Result<Stage, RuntimeError> {
        // The components' log lines are shown with a failing test. Only the first call in a process has an effect.
        let _ = tracing_subscriber::fmt().with_test_writer().try_init();
        let time = Time::virtual_from(Duration::from_secs(EPOCH_SECONDS));
        let clock: Clock = {
            let time = time.clone();
            Arc::new(move || i64::try_from(time.now().as_micros()).unwrap())
        };
        let shared = self.shared.take();
        let watch = std::mem::replace(&mut self.watch, Box::new(|stores| stores));
        let (stores, peers) = shared.unwrap_or_else(|| (Memory::new(clock), Peers::new()));
        let keys = [Secret::new(KEY), Secret::new(OTHER_KEY)];
        let credentials = Credentials::new(self.cloud, &keys).with_operators(&self.operators);
        let credentials = Arc::new(credentials);
        let capabilities = Capabilities {
            function: self.function,
            settings: Arc::new(self.settings.clone()),
            verifier: credentials.clone(),
            peers: Arc::new(peers.clone()),
            stores: within(watch(stores.stores()), self.runtime.deadline),
            draining: watch::channel(false).1,
        };
        let functions = [vec![self.function], self.beside.clone()].concat();
        let runtime = if self.native {
            Running::Native(self.natively(&functions, &capabilities))
        } else {
            let sandbox = Sandbox::new().expect("this machine can run components");
            let capabilities = |function| Capabilities {
                function,
                ..capabilities.clone()
            };
            let runtime = &self.runtime;
            let started = Runtime::start(&sandbox, runtime, &functions, time, capabilities);
            Running::Components(started.await?)
        };
        Ok(Stage {
            runtime: Arc::new(runtime),
            stores,
            peers,
            settings: self.settings,
            start: Instant::now(),
            credentials,
            unchecked: self.unchecked,
            function: self.function,
        })
    }
}

impl Stage {
    /// A stage for a function on AWS, with the specification's settings but no jitter.
    pub fn of(function: FunctionName) -> StageBuilder {
        let mut runtime = RuntimeSettings::new(components());
        runtime.cache = Some(folder("TWIN_CACHE_DIR", "code-cache"));
        runtime.lanes = 1;
        StageBuilder {
            function,
            beside: Vec::new(),
            cloud: Cloud::Aws,
            settings: Settings::default(),
            runtime,
            shared: None,
            operators: Vec::new(),
            native: Running::natively(),
            unchecked: false,
            watch: Box::new(|stores| stores),
        }
        .set("TWIN_NAME", "test-twin")
        .set("RETRY_JITTER_PERCENT", "0")
        .cloud(Cloud::Aws)
    }

    /// Calls the function.
    pub async fn call(&self, request: Request) -> Told {
        let Response {
            status,
            headers,
            body,
        } = self.try_call(request).await.expect("a response");
        Told {
            status,
            headers,
            body: serde_json::from_slice(&body).expect("every body is JSON"),
        }
    }

    /// Calls a function beside it, which may fail to respond.
    pub async fn call_of(
        &self,
        function: FunctionName,
        request: Request,
    ) -> Result<Response, CallError> {
        let request = self.at_the_door(request);
        self.runtime.call(function, request).await
    }

    /// Calls the function, which may fail to respond.
    pub async fn try_call(&self, request: Request) -> Result<Response, CallError> {
        self.call_of(self.function, request).await
    }

    /// The request as a host passes it to a function: with a verdict, and without the headers that the verdict is based on.
    fn at_the_door(&self, mut request: Request) -> Request {
        if !self.unchecked && request.verdict == Verdict::Unchecked {
            request.verdict = self.credentials.judge(&request.headers);
            let headers = &mut request.headers;
            headers.retain(|(name, _)| !HeaderForm::is_credential(name));
        }
        request
    }

    /// Milliseconds of virtual time since the stage was built.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    /// The dead letters, oldest first.
    pub async fn letters(&self) -> Vec<twin_capabilities::dead_letters::StoredLetter> {
        let page = self.stores.stores().dead_letters.list(None, 1000).await;
        page.expect("memory works").letters
    }

    /// The system errors published so far, oldest first.
    pub async fn events(&self) -> Vec<twin_capabilities::error_topic::SystemError> {
        let outbox = self.stores.stores().outbox.expect("memory has one");
        let pending = outbox.pending(1000, Duration::ZERO).await;
        let events = pending.expect("memory works").into_iter();
        events.map(|event| event.error).collect()
    }

    /// The codes of the system errors published so far.
    pub async fn event_codes(&self) -> Vec<String> {
        let events = self.events().await.into_iter();
        events.map(|event| event.error_code).collect()
    }
}
