//! The same bytes under Spin, as far as that can be told without a Spin: that what it composes is whole and asks for nothing
//! it does not have, and that the manifests say nothing that does not exist.

mod composition;
mod manifest;
