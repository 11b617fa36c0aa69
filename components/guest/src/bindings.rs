//! The guest's side of the WIT: generated once, for the union of all function worlds.

#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    reason = "generated; documented in wit/"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "functions",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_functions",
    default_bindings_module: "twin_guest::bindings",
    with: {
        "wasi:clocks/types@0.3.0": wasip3::clocks::types,
        "wasi:clocks/monotonic-clock@0.3.0": wasip3::clocks::monotonic_clock,
        "wasi:clocks/system-clock@0.3.0": wasip3::clocks::system_clock,
        "wasi:random/random@0.3.0": wasip3::random::random,
    },
});

pub use exports::twin::multicloud::function as exported;
pub use twin::multicloud::{
    circuits, credentials, dead_letter_replay, dead_letters, digest, error_topic, lifecycle, log,
    peers, records, settings, types,
};
