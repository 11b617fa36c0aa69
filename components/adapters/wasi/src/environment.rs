//! The environment, read once: it does not change while an instance lives.

use std::{cell::OnceCell, collections::HashMap};

use wasip3::cli::environment::get_environment;

thread_local! {
    static ENVIRONMENT: OnceCell<HashMap<String, String>> = const { OnceCell::new() };
}

/// A variable's value; none if it is not set, or empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    ENVIRONMENT.with(|environment| {
        let all = environment.get_or_init(|| get_environment().into_iter().collect());
        all.get(name).filter(|value| !value.is_empty()).cloned()
    })
}
