//! The connector as a component: its logic is `twin_functions::connector`.

twin_guest::export_function!(twin_functions::connector::handle);
