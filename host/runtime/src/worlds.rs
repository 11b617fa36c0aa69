//! The imports that each function may have: what its world in `wit/worlds.wit` imports, and no more.

use super::RuntimeError;
use twin_capabilities::function::FunctionName;

// `GRANTED`: for each world, the interfaces that it imports, each with the first sentence of its documentation in the WIT.
include!(concat!(env!("OUT_DIR"), "/granted.rs"));

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

/// Sorts a component's imports into these groups.
pub(crate) fn sort(function: FunctionName, imports: Vec<String>) -> Imports {
    let mut worlds = GRANTED.iter();
    let world = worlds.find(|(name, _)| *name == function.as_str());
    let granted = world.map_or(&[][..], |(_, granted)| granted);
    let mut sorted = Imports::default();
    for import in imports {
        let grant = granted.iter().find(|(name, _)| *name == import);
        if let Some((_, words)) = grant {
            sorted.capabilities.push((import, (*words).to_owned()));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(function: FunctionName, import: &str) -> Imports {
        super::sort(function, vec![import.to_owned()])
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
