//! The host's side of the WIT, generated once for the union of all function worlds.
//!
//! Only this crate uses these types: [`crate::imports`] converts between them and those of `twin-capabilities`.

#![allow(missing_docs, unreachable_pub, reason = "documented in wit/")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "functions",
    require_store_data_send: true,
    imports: {
        // For the call during which a line is logged.
        "twin:multicloud/log.emit": store,
    },
    with: {
        "wasi:clocks": wasmtime_wasi::p3::bindings::clocks,
        "wasi:random": wasmtime_wasi::p3::bindings::random,
    },
    additional_derives: [PartialEq],
});

pub use exports::twin::multicloud::function as exported;
pub use twin::multicloud::{
    circuits, credentials, dead_letter_replay, dead_letters, digest, error_topic, lifecycle, log,
    peers, records, settings, types,
};
