//! One cell of the matrix, for as long as one likes: to be looked at with a profiler.

use std::time::Duration;

use clap::Args;

use crate::{
    load::{Closed, template::Template},
    process::{Server, plain},
    serve::{Kind, Route},
};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct One {
    #[arg(long)]
    kind: Kind,
    #[arg(long)]
    route: Route,
    /// Bytes.
    #[arg(long, default_value_t = 307)]
    body: usize,
    #[arg(long, default_value_t = 64)]
    connections: u64,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// Measures it, and says which process it was.
pub(crate) fn run(one: &One) -> anyhow::Result<()> {
    let peer = Server::start(&plain(Kind::Peer, one.route))?;
    let data = tempfile::tempdir()?;
    let mut serve = plain(one.kind, one.route);
    serve.peer = format!("http://{}/", peer.address);
    serve.data = data.path().to_owned();
    let server = Server::start(&serve)?;
    println!("process {}", server.id());
    let load = Closed {
        template: Template::new(one.route, one.body),
        connections: one.connections,
        warm_up: Duration::from_millis(200),
        time: Duration::from_secs(one.seconds),
    };
    let run = load.run(&server, &mut 0)?;
    println!("{:.0}/s, {:.1} µs of CPU each", run.rate, run.cpu_us);
    Ok(())
}
