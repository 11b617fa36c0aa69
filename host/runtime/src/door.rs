//! Disables door 2. The components import the types of `wasi:http` for other runtimes, but this host never calls that door.

use wasmtime::{
    Engine,
    component::{Component, Linker, ResourceType, types::ComponentItem},
};

/// Links the types of door 2 to traps.
/// Done by hand, because the linker's own function for this treats an import as unknown if its version is not exactly the
/// host's.
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
