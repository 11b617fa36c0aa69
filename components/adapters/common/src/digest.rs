//! `digest`: computed in the adapter, because none of the runtimes offers a hash.

use crate::{Variables, bindings::digest::Guest};

impl<T: Variables> Guest for T {
    fn sha256(bytes: Vec<u8>) -> String {
        twin_contract::digest(&bytes)
    }
}
