//! The error reporter as a component: its logic is `twin_functions::error_reporter`.

twin_guest::export_function!(twin_functions::error_reporter::handle);
