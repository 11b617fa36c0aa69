//! The binary as it is: real processes, real sockets, real kills. What each test shows is listed in `tests/README.md`.

#![cfg(test)]

mod auth;
mod circuit;
mod crossing;
mod dead_letters;
mod draining;
mod errors;
mod house;
mod killed;
mod peer;
mod process;
mod raw;
mod replies;
mod start_up;
mod status;
