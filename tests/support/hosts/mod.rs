//! The real binary: hosts in their own processes, requests to them, and their replies.

pub mod collector;
pub mod front;
pub mod house;
pub mod process;
pub mod replies;
pub mod runtime_api;
pub mod site;
