//! The writer as a component: its logic is `twin_functions::writer`.

twin_guest::export_function!(twin_functions::writer::handle);
