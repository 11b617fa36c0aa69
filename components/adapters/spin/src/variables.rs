//! Configuration from Spin's variables: from the manifest, the environment or a vault, as configured for `spin up`.
//!
//! A vault is called over the network for each variable, so a value is cached for [`KEEP_MS`].

use std::cell::{Cell, RefCell};

use spin_sdk::variables::{self, Error};
use twin_adapter::{
    Unreadable, Variables, clock,
    kept::{KEEP_MS, Kept},
    log,
};
use twin_contract::{Cloud, cloud_of_host};

use crate::{Adapter, neighbours};

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
    /// Whether debug lines are logged, as far as that is known.
    static DEBUG: Cell<bool> = const { Cell::new(false) };
    /// When that was last looked up, by the monotonic clock; `None` if never.
    static DEBUG_ASKED_MS: Cell<Option<u64>> = const { Cell::new(None) };
}

impl Variables for Adapter {
    async fn variable(name: &str) -> Result<Option<String>, Unreadable> {
        learn_debug_mode().await;
        read(name).await
    }

    async fn cloud_of_host(host: &str) -> Result<Option<Cloud>, Unreadable> {
        // A function of the same app runs in the same cloud.
        if neighbours::is_neighbour(host) {
            let own = read("TWIN_CLOUD").await?;
            return Ok(own.and_then(|name| name.parse().ok()));
        }
        Ok(cloud_of_host(host))
    }

    fn debug_mode() -> bool {
        DEBUG.get()
    }
}

/// A log line cannot wait for a variable, so this one is looked up with the others. It affects only what is logged: while
/// it cannot be read, the last known value is used.
async fn learn_debug_mode() {
    const NAME: &str = "DEBUG_MODE";
    let now = clock::mono_ms();
    if DEBUG_ASKED_MS
        .get()
        .is_some_and(|asked| now.saturating_sub(asked) < KEEP_MS)
    {
        return;
    }
    DEBUG_ASKED_MS.set(Some(now));
    match read(NAME).await {
        Ok(mode) => DEBUG.set(matches!(mode.as_deref(), Some("true" | "1"))),
        Err(Unreadable { cause, .. }) => {
            let fields = [("variable", NAME), ("cause", &cause)];
            log::warn::<Adapter>("variable not read", &fields);
        }
    }
}

async fn read(name: &str) -> Result<Option<String>, Unreadable> {
    let now = clock::mono_ms();
    if let Some(value) = KEPT.with_borrow(|kept| kept.get(name, now)) {
        return Ok(value);
    }
    let value = match variables::get(name.to_ascii_lowercase()).await {
        Ok(value) => Some(value).filter(|value| !value.is_empty()),
        // The manifest does not pass this variable to the function.
        Err(Error::Undefined(_)) => None,
        Err(error) => {
            return Err(Unreadable {
                variable: name.to_owned(),
                cause: match error {
                    Error::Provider(words) => format!("the variable provider failed: {words}"),
                    Error::InvalidName(words) | Error::Undefined(words) | Error::Other(words) => {
                        words
                    }
                },
            });
        }
    };
    KEPT.with_borrow_mut(|kept| kept.put(name, value.clone(), now));
    Ok(value)
}
