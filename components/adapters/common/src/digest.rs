//! `digest`: in the adapter itself. None of the runtimes has a hash to offer.

use crate::{Variables, bindings::digest::Guest};

impl<T: Variables> Guest for T {
    fn sha256(bytes: Vec<u8>) -> String {
        twin_contract::digest(&bytes)
    }
}
