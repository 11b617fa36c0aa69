//! Spin's interfaces, generated from `spin.wit`.

#![allow(missing_docs, unreachable_pub, reason = "documented in spin.wit")]

wasmtime::component::bindgen!({
    path: "spin-stand-in/spin.wit",
    imports: { default: trappable },
    with: { "spin:sqlite/sqlite.connection": crate::database::Connection },
    require_store_data_send: true,
});
