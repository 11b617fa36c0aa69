//! The environment of a component, and the instances in which its calls run.

use std::{
    future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use twin_contract::digest;
use twin_host::runtime::Cache;
use twin_tests::components;
use wasmtime::{
    Engine, Result, Store, StoreContextMut,
    component::{Component, GuestTaskId, HasData, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2, p3};
use wasmtime_wasi_http::{
    WasiHttpCtx, WasiHttpCtxView, WasiHttpView,
    handler::{
        HandlerState, Instance, Proxy, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
    },
    p3::{add_to_linker as add_http_to_linker, bindings::ServicePre},
};

use crate::{bindings::Platform, manifest::App, network::Network};

/// The state of one instance.
pub(crate) struct State {
    pub(crate) app: Arc<App>,
    /// The number of the instance in this process.
    pub(crate) number: usize,
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    network: Network,
}

/// The type by which the linker finds the state for Spin's own interfaces.
pub(crate) struct Imports;

impl HasData for Imports {
    type Data<'a> = &'a mut State;
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.network,
        }
    }
}

/// Creates the instances. Each accepts any number of calls at once, until one of them traps.
pub(crate) struct Instances {
    app: Arc<App>,
    made: AtomicUsize,
    service: ServicePre<State>,
}

impl Instances {
    /// Compiles the component and links what it imports.
    pub(crate) fn new(app: Arc<App>) -> Result<Self> {
        let engine = Engine::default();
        let component = compile(&engine, &app.composition)?;
        let mut linker = Linker::new(&engine);
        p2::add_to_linker_async(&mut linker)?;
        p3::clocks::add_to_linker(&mut linker)?;
        p3::random::add_to_linker(&mut linker)?;
        add_http_to_linker(&mut linker)?;
        Platform::add_to_linker::<_, Imports>(&mut linker, |state| state)?;
        Ok(Self {
            app,
            made: AtomicUsize::new(0),
            service: ServicePre::new(linker.instantiate_pre(&component)?)?,
        })
    }
}

/// Compiled once and cached where the host keeps its compiled code, because each case restarts its functions.
fn compile(engine: &Engine, composition: &[u8]) -> Result<Component> {
    match Cache::open(&components().with_file_name("code-cache")) {
        Some(cache) => cache.compile(engine, &digest(composition), composition),
        None => Component::new(engine, composition),
    }
}

impl HandlerState for Instances {
    type StoreData = State;
    type WorkerExpiration = Worker;
    type WorkerState = Worker;

    async fn instantiate(&self) -> Result<Instance<State, Worker, Worker>> {
        let state = State {
            app: Arc::clone(&self.app),
            number: self.made.fetch_add(1, Ordering::Relaxed),
            table: ResourceTable::new(),
            // No environment and no folders; log lines are shown with a failing test.
            wasi: WasiCtx::builder().inherit_stderr().build(),
            http: WasiHttpCtx::new(),
            network: Network(Arc::clone(&self.app)),
        };
        let mut store = Store::new(self.service.engine(), state);
        let service = self.service.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy: Proxy::P3(service),
            view: State::http,
            expiration: Worker,
            state: Worker,
        })
    }
}

/// The lifetime of an instance, and the calls that it accepts: all, until it traps.
pub(crate) struct Worker;

impl WorkerState for Worker {
    type StoreData = State;
    type RequestData = ();

    fn should_accept_request(&self, _at_once: usize, _in_all: usize) -> ShouldAccept {
        ShouldAccept::Yes
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, State>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(future::pending())
    }

    fn drop(&self, _: Store<State>, outcome: Result<()>) {
        if let Err(trap) = outcome {
            eprintln!("an instance has ended: {trap:?}");
        }
    }
}

impl WorkerExpiration for Worker {
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>, _: WorkerStatus, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}
