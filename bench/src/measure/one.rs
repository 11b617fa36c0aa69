//! One cell of the matrix, for any length of time: for use with a profiler.

use std::time::Duration;

use clap::Args;

use crate::{
    load::{Closed, Open, template::Template},
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
    /// Requests in a second, due at fixed times; as many as go through if none is given.
    #[arg(long)]
    rate: Option<u32>,
}

/// Measures it, and prints the process id.
pub(crate) fn run(one: &One) -> anyhow::Result<()> {
    let peer = Server::start(&plain(Kind::Peer, one.route))?;
    let data = tempfile::tempdir()?;
    let mut serve = plain(one.kind, one.route);
    serve.peer = format!("http://{}/", peer.address);
    serve.data = data.path().to_owned();
    let server = Server::start(&serve)?;
    println!("process {}", server.id());
    let template = Template::new(one.route, one.body);
    let (warm_up, time) = (Duration::from_millis(200), Duration::from_secs(one.seconds));
    if let Some(rate) = one.rate {
        let load = Open {
            template,
            connections: u32::try_from(one.connections)?,
            rate,
            warm_up,
            time,
        };
        let times = load.run(server.address, &mut 0)?;
        let [half, p99, p999, p9999] = [0.5, 0.99, 0.999, 0.9999].map(|part| times.quantile(part));
        println!("p50 {half:?}, p99 {p99:?}, p99.9 {p999:?}, p99.99 {p9999:?}");
    } else {
        let load = Closed {
            template,
            connections: one.connections,
            warm_up,
            time,
        };
        let run = load.run(&server, &mut 0)?;
        println!("{:.0}/s, {:.1} µs of CPU each", run.rate, run.cpu_us);
    }
    Ok(())
}
