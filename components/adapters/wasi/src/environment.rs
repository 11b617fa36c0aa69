//! The environment, read once: it does not change during the lifetime of an instance.

use std::{cell::OnceCell, collections::HashMap};

use wasip3::cli::environment::get_environment;

thread_local! {
    static ENVIRONMENT: OnceCell<HashMap<String, String>> = const { OnceCell::new() };
}

/// A variable's value; `None` if it is unset or empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    ENVIRONMENT.with(|environment| {
        let all = environment.get_or_init(|| get_environment().into_iter().collect());
        all.get(name).filter(|value| !value.is_empty()).cloned()
    })
}
