//! Door 2, walled up: the components carry `wasi:http` types for other runtimes; no caller of this host opens that door.

use wasmtime::{
    Engine,
    component::{Component, Linker, ResourceType, types::ComponentItem},
};

/// Links the types of door 2 to traps.
///
/// By hand, since the linker's own way to do so takes every import whose version is not exactly the host's for unknown.
pub(super) fn wall_up<T: 'static>(
    linker: &mut Linker<T>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    for (interface, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            continue;
        };
        if !interface.starts_with("wasi:http/") {
            continue;
        }
        let mut walled = linker.instance(interface)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => walled.func_new(name, |_, _, _, _| {
                    Err(wasmtime::Error::msg("this host does not use wasi:http"))
                })?,
                ComponentItem::Resource(_) => {
                    walled.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}
