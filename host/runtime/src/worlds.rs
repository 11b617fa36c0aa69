//! The imports that each function may have, read from the WIT itself, so that `wit/worlds.wit` is enforced.

use std::fmt;

use wit_parser::{Resolve, SourceMap, WorldItem, WorldKey};

use super::RuntimeError;
use twin_capabilities::function::FunctionName;

macro_rules! wit {
    ($($file:literal),+ $(,)?) => {
        [$(($file, include_str!(concat!("../../../wit/", $file)))),+]
    };
}

const DEPENDENCIES: [(&str, &str); 2] = wit!["deps/clocks.wit", "deps/random.wit"];
const PACKAGE: [(&str, &str); 14] = wit![
    "worlds.wit",
    "types.wit",
    "function.wit",
    "settings.wit",
    "credentials.wit",
    "peers.wit",
    "circuits.wit",
    "dead-letters.wit",
    "dead-letter-replay.wit",
    "error-topic.wit",
    "records.wit",
    "log.wit",
    "digest.wit",
    "lifecycle.wit",
];

/// Imports of std and of door 2, which components have whether or not they use them. The host gives them access to nothing:
/// no folders, environment, arguments or network. The types of door 2 trap.
const LINKED_TO_NOTHING: [&str; 6] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/types@",
    "wasi:io/",
    "wasi:random/",
];

/// The worlds of the functions.
pub struct Worlds {
    resolve: Resolve,
}

impl fmt::Debug for Worlds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Worlds").finish_non_exhaustive()
    }
}

/// The imports of a component, in three groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a component with refused imports must not run"]
pub struct Imports {
    /// Interfaces that its world grants, each with the first sentence of its documentation in the WIT.
    pub capabilities: Vec<(String, String)>,
    /// Interfaces that give access to nothing.
    pub linked_to_nothing: Vec<String>,
    /// Interfaces that the component must not import.
    pub refused: Vec<String>,
}

impl Imports {
    /// Succeeds if none is refused.
    pub(crate) fn permitted(self, function: FunctionName) -> Result<(), RuntimeError> {
        if self.refused.is_empty() {
            return Ok(());
        }
        Err(RuntimeError::ImportRefused {
            function,
            imports: self.refused,
        })
    }
}

impl Worlds {
    /// Parses the WIT that this binary was built with.
    ///
    /// # Errors
    /// If it cannot be parsed, which should have failed the build of the bindings.
    pub fn parse() -> Result<Self, RuntimeError> {
        let mut resolve = Resolve::default();
        for (file, text) in DEPENDENCIES {
            resolve
                .push_str(file, text)
                .map_err(|error| RuntimeError::Wit(error.to_string()))?;
        }
        let mut sources = SourceMap::default();
        for (file, text) in PACKAGE {
            sources.push_str(file, text);
        }
        let group = sources
            .parse()
            .map_err(|(_, error)| RuntimeError::Wit(error.to_string()))?;
        resolve
            .push_group(group)
            .map_err(|error| RuntimeError::Wit(error.to_string()))?;
        Ok(Self { resolve })
    }

    /// Sorts a component's imports into these groups.
    pub fn sort(&self, function: FunctionName, imports: Vec<String>) -> Imports {
        let granted = self.granted(function);
        let mut sorted = Imports::default();
        for import in imports {
            let grant = granted.iter().find(|(name, _)| *name == import);
            if let Some((_, words)) = grant {
                sorted.capabilities.push((import, words.clone()));
            } else if LINKED_TO_NOTHING
                .iter()
                .any(|prefix| import.starts_with(prefix))
            {
                sorted.linked_to_nothing.push(import);
            } else {
                sorted.refused.push(import);
            }
        }
        sorted
    }

    /// The interfaces that a function's world imports, each with the first sentence of its documentation.
    fn granted(&self, function: FunctionName) -> Vec<(String, String)> {
        let worlds = self.resolve.worlds.iter();
        let world = worlds
            .map(|(_, world)| world)
            .find(|world| world.name == function.as_str());
        let imports = world.into_iter().flat_map(|world| &world.imports);
        imports
            .filter_map(|(key, item)| match (key, item) {
                (WorldKey::Interface(id), WorldItem::Interface { .. }) => {
                    let docs = self.resolve.interfaces.get(*id)?.docs.contents.as_deref();
                    Some((self.resolve.id_of(*id)?, first_sentence(docs)))
                }
                _ => None,
            })
            .collect()
    }
}

fn first_sentence(docs: Option<&str>) -> String {
    let text = docs.unwrap_or_default().replace('\n', " ");
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(function: FunctionName, import: &str) -> Imports {
        Worlds::parse()
            .unwrap()
            .sort(function, vec![import.to_owned()])
    }

    #[test]
    fn a_world_grants_what_it_imports_and_no_more() {
        let records = "twin:multicloud/records@0.2.0";
        assert_eq!(sort(FunctionName::Writer, records).capabilities.len(), 1);
        assert_eq!(sort(FunctionName::Connector, records).refused, [records]);
        let peers = "twin:multicloud/peers@0.2.0";
        assert_eq!(sort(FunctionName::Writer, peers).refused, [peers]);
    }

    #[test]
    fn every_world_that_identifies_messages_grants_a_hash() {
        let digest = "twin:multicloud/digest@0.2.0";
        for function in FunctionName::ALL {
            let granted = sort(function, digest).capabilities.len();
            let identifies = function != FunctionName::Reader;
            assert_eq!(granted, usize::from(identifies), "{function}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_told_from_what_is_refused() {
        for nothing in [
            "wasi:cli/environment@0.2.6",
            "wasi:http/types@0.3.0",
            "wasi:clocks/wall-clock@0.2.6",
        ] {
            assert_eq!(
                sort(FunctionName::Reader, nothing).linked_to_nothing,
                [nothing]
            );
        }
        for refused in [
            "wasi:http/client@0.3.0",
            "wasi:sockets/tcp@0.2.6",
            "twin:multicloud/peers@0.1.0",
            "env",
        ] {
            assert_eq!(sort(FunctionName::Reader, refused).refused, [refused]);
        }
    }

    #[test]
    fn a_capability_is_told_in_the_words_of_the_wit() {
        let imports = sort(FunctionName::Writer, "twin:multicloud/records@0.2.0");
        assert_eq!(
            imports.capabilities[0].1,
            "The twin's memory: what was received, by device and time."
        );
    }
}
