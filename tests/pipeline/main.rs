//! Tests of the real binary, with real processes, sockets and kills. `tests/README.md` lists what each test shows.

#![cfg(test)]

mod auth;
mod bad_http;
mod bad_input;
mod circuit;
mod commands;
mod connections;
mod crossing;
mod data;
mod dead_letters;
mod draining;
mod errors;
mod keys;
mod killed;
mod lanes;
mod letter_commands;
mod logs;
mod memories;
mod next_hop;
mod peer;
mod postgres;
mod raw;
mod request_ids;
mod start_up;
mod status;
mod tls;
mod traces;
mod up;

use twin_tests::hosts::{house, process, replies, site};
