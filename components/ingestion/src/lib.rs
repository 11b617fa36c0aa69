//! The ingestion as a component: its logic is `twin_functions::ingestion`.

twin_guest::export_function!(twin_functions::ingestion::handle);
