//! The adapters' side of the WIT: generated once, exports only.

#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    reason = "generated; documented in wit/"
)]

wit_bindgen::generate!({
    path: ["../../../wit", "../wit"],
    world: "twin:adapters/adapter",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_capabilities",
    default_bindings_module: "twin_adapter::bindings",
});

pub use exports::twin::multicloud::{
    circuits, credentials, dead_letter_replay, dead_letters, digest, error_topic, lifecycle, log,
    peers, records, settings, types,
};
