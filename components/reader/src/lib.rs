//! The reader as a component: its logic is `twin_functions::reader`.

twin_guest::export_function!(twin_functions::reader::handle);
