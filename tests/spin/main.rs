//! The same components under Spin, as far as this can be tested without Spin: the composition is complete and imports
//! nothing that Spin lacks, and the manifests name only things that exist.

mod composition;
mod manifest;
mod schema;
