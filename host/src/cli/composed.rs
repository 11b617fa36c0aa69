//! The content of a composed file: which function it contains, byte for byte, and where each of its imports comes from.

use std::ops::Range;

use sha2::{Digest, Sha256};
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentTypeRef, Parser, Payload,
};

/// The export that identifies the function in a composed file.
const DOOR: &str = "twin:multicloud/function@";

/// Interfaces that would give a function more than its world grants if they came from the runtime itself.
const GUARDED: [&str; 4] = [
    "wasi:cli/environment@",
    "wasi:filesystem/",
    "wasi:http/client@",
    "wasi:sockets/",
];

/// The function inside a composed file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Composed {
    /// Its SHA-256, equal to that of the function's own file.
    pub(super) digest: String,
    /// Its imports, and where they come from.
    pub(super) imports: Vec<(String, Source)>,
}

/// Where an import comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The runtime itself.
    Runtime,
    /// Another component of the file, by its SHA-256.
    Component(String),
    /// A component without imports, which therefore gives access to nothing.
    Nothing,
}

impl Composed {
    /// Reads a composed file; `None` if it is a single component.
    pub(super) fn read(bytes: &[u8]) -> wasmparser::Result<Option<Self>> {
        let outer = Outer::read(bytes)?;
        // A single component also has small components inside, which are instantiated with functions and types but no
        // instances.
        let Some((component, arguments)) = outer.function().filter(|(_, taken)| !taken.is_empty())
        else {
            return Ok(None);
        };
        let imports = arguments.iter();
        Ok(Some(Self {
            digest: component.digest.clone(),
            imports: imports
                .map(|(import, instance)| (import.clone(), outer.source(*instance)))
                .collect(),
        }))
    }

    /// The imports that come from the runtime but should not.
    pub(super) fn unguarded(&self) -> Vec<&str> {
        let from_runtime = self
            .imports
            .iter()
            .filter(|(_, source)| *source == Source::Runtime);
        from_runtime
            .map(|(import, _)| import.as_str())
            .filter(|import| GUARDED.iter().any(|prefix| import.starts_with(prefix)))
            .collect()
    }
}

/// The outermost level of a file: its components and instances, by their indices.
#[derive(Default)]
struct Outer {
    components: Vec<Nested>,
    instances: Vec<Instance>,
    door: Option<u32>,
}

struct Nested {
    digest: String,
    imports: usize,
}

enum Instance {
    Imported,
    /// An export of another instance.
    Of(u32),
    Made {
        component: u32,
        arguments: Vec<(String, u32)>,
    },
    Other,
}

impl Outer {
    fn read(bytes: &[u8]) -> wasmparser::Result<Self> {
        let mut outer = Self::default();
        // The depth, and the component of the outermost level.
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ComponentSection {
                    unchecked_range, ..
                } => {
                    if depth == 0 {
                        outer.components.push(Nested {
                            digest: digest(bytes, unchecked_range),
                            imports: 0,
                        });
                    }
                    depth += 1;
                }
                Payload::ModuleSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(imports) if depth == 1 => {
                    if let Some(nested) = outer.components.last_mut() {
                        nested.imports += imports.into_iter().count();
                    }
                }
                payload if depth == 0 => outer.take(payload)?,
                _ => {}
            }
        }
        Ok(outer)
    }

    /// Reads one section of the outermost level. Each entry that is an instance gets the next index.
    fn take(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    if matches!(import?.ty, ComponentTypeRef::Instance(_)) {
                        self.instances.push(Instance::Imported);
                    }
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances {
                    self.instances.push(made(instance?));
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    if let ComponentAlias::InstanceExport {
                        kind: ComponentExternalKind::Instance,
                        instance_index,
                        ..
                    } = alias?
                    {
                        self.instances.push(Instance::Of(instance_index));
                    }
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Instance {
                        if export.name.name.starts_with(DOOR) {
                            self.door = Some(export.index);
                        }
                        self.instances.push(Instance::Of(export.index));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The component whose export the file exports, and its instantiation arguments.
    fn function(&self) -> Option<(&Nested, &[(String, u32)])> {
        match self.origin(self.door?)? {
            Instance::Made {
                component,
                arguments,
            } => Some((self.component(*component)?, arguments)),
            _ => None,
        }
    }

    fn source(&self, instance: u32) -> Source {
        match self.origin(instance) {
            Some(Instance::Made { component, .. }) => match self.component(*component) {
                Some(Nested { imports: 0, .. }) => Source::Nothing,
                Some(nested) => Source::Component(nested.digest.clone()),
                None => Source::Runtime,
            },
            // If the source is unknown, the worst case is assumed.
            _ => Source::Runtime,
        }
    }

    /// Follows aliases to the instance's creation or import.
    fn origin(&self, mut index: u32) -> Option<&Instance> {
        // Aliases point backwards, so this loop ends.
        loop {
            match self.instances.get(usize::try_from(index).ok()?)? {
                Instance::Of(other) if *other < index => index = *other,
                instance => return Some(instance),
            }
        }
    }

    fn component(&self, index: u32) -> Option<&Nested> {
        self.components.get(usize::try_from(index).ok()?)
    }
}

fn made(instance: ComponentInstance<'_>) -> Instance {
    match instance {
        ComponentInstance::Instantiate {
            component_index,
            args,
        } => Instance::Made {
            component: component_index,
            arguments: args
                .iter()
                .filter(|argument| argument.kind == ComponentExternalKind::Instance)
                .map(|argument| (argument.name.to_owned(), argument.index))
                .collect(),
        },
        ComponentInstance::FromExports(_) => Instance::Other,
    }
}

fn digest(bytes: &[u8], range: Range<usize>) -> String {
    format!("{:x}", Sha256::digest(bytes.get(range).unwrap_or_default()))
}
