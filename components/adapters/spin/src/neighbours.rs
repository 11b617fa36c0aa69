//! Functions of the same app, which Spin calls by service chaining. For a request to a component that it does not run
//! (`spin up --component-id …`) it ends the instance that asked.

use std::{cell::RefCell, collections::HashMap};

use twin_adapter::{Neighbours, neighbours::probe};

use crate::Adapter;

/// The domain of service chaining.
const DOMAIN: &str = ".spin.internal";
/// Where the app reaches its own routes; permitted by `http://self` among the allowed hosts.
const OWN_ROUTES: &str = "http://self.alt";

thread_local! {
    /// Which neighbours are known to be there or not: that does not change while the app runs.
    static KNOWN: RefCell<HashMap<String, bool>> = RefCell::default();
}

/// Whether a host is reached by service chaining.
pub(crate) fn is_neighbour(host: &str) -> bool {
    host.ends_with(DOMAIN)
}

impl Neighbours for Adapter {
    /// A component that runs has its route, and one that does not run has none: the app answers 404 there. Where the app
    /// cannot be asked, because the manifest does not permit it, the neighbour is called as if it were there.
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
