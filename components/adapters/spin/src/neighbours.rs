//! Functions of the same app, which Spin calls by service chaining. After a request to a component that is not running
//! (`spin up --component-id …`), Spin ends the calling instance.

use std::{cell::RefCell, collections::HashMap};

use twin_adapter::{Neighbours, neighbours::probe};

use crate::Adapter;

/// The domain of service chaining.
const DOMAIN: &str = ".spin.internal";
/// The host under which the app reaches its own routes; permitted by `http://self` in the allowed hosts.
const OWN_ROUTES: &str = "http://self.alt";

thread_local! {
    /// Which neighbours are known to be running or not. This does not change while the app runs.
    static KNOWN: RefCell<HashMap<String, bool>> = RefCell::default();
}

/// Whether a host is called by service chaining.
pub(crate) fn is_neighbour(host: &str) -> bool {
    host.ends_with(DOMAIN)
}

impl Neighbours for Adapter {
    /// A running component answers on its route; for one that is not running, the app answers 404 there. If the app cannot
    /// be called because the manifest does not permit it, the neighbour is assumed to be running.
    async fn is_there(host: &str, path: &str) -> bool {
        if !is_neighbour(host) {
            return true;
        }
        if let Some(known) = KNOWN.with_borrow(|known| known.get(host).copied()) {
            return known;
        }
        match probe(&format!("{OWN_ROUTES}{path}")).await {
            Ok(status) => {
                let there = status != 404;
                KNOWN.with_borrow_mut(|known| known.insert(host.to_owned(), there));
                there
            }
            Err(_) => true,
        }
    }
}
