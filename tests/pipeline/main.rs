//! The binary as it is: real processes, real sockets, real kills. What each test shows is listed in `tests/README.md`.

#![cfg(test)]

mod crossing;
mod dead_letters;
mod draining;
mod house;
mod killed;
mod peer;
mod process;
mod raw;
mod replies;
