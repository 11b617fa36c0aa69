//! The same functions without a sandbox: `contract` and `delivery` called directly, over the same providers and peers.
//!
//! What a component does in wasm is done here in the process itself, in the same order. What the host does for a
//! component (checking keys, sending, storing) is done by the same code of the host. So the difference is the sandbox.

mod connector;
mod gate;
pub(crate) mod http;
mod ingestion;
mod writer;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use twin_contract::reply::{Custody, JSON, error_body};
use twin_delivery::{Breaker, DeliverySettings};
use twin_host::{
    config::Config,
    credentials::Credentials,
    function::{CallError, FunctionName, Functions, Request, Response},
    peers::PeerSender,
    providers::Stores,
};

/// The functions, native.
pub(crate) struct Native {
    config: Arc<Config>,
    credentials: Credentials,
    peers: Arc<PeerSender>,
    stores: Stores,
    delivery: DeliverySettings,
    breaker: Mutex<Breaker>,
}

impl Native {
    pub(crate) fn new(config: Arc<Config>, peers: Arc<PeerSender>, stores: Stores) -> Self {
        let delivery = config.delivery;
        Self {
            credentials: Credentials::of(&config),
            breaker: Mutex::new(Breaker::new(delivery.breaker())),
            config,
            peers,
            stores,
            delivery,
        }
    }
}

#[async_trait]
impl Functions for Native {
    fn is_mounted(&self, function: FunctionName) -> bool {
        self.config.functions.contains(&function)
    }

    async fn call(&self, function: FunctionName, request: Request) -> Result<Response, CallError> {
        let answered = match function {
            FunctionName::Writer => writer::write(self, request).await,
            FunctionName::Ingestion => ingestion::ingest(self, request).await,
            FunctionName::Connector => connector::accept(self, request).await,
            FunctionName::Reader | FunctionName::ErrorReporter => {
                return Err(CallError::NotMounted(function));
            }
        };
        Ok(answered.unwrap_or_else(|response| response))
    }
}

fn json(status: u16, body: Vec<u8>) -> Response {
    Response {
        status,
        headers: vec![("content-type".to_owned(), JSON.to_owned())],
        body,
    }
}

fn custody(custody: Custody, id: &str) -> Response {
    json(custody.status(), custody.body(id))
}

fn error(status: u16, code: &str) -> Response {
    json(status, error_body(code, "see the components for the words"))
}
