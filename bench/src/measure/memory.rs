//! Memory at rest, and with deliveries that wait for a retry.

use std::time::Duration;

use crate::{
    load::{hold, template::Template},
    plan::MAIN,
    process::{Server, plain},
    serve::{Kind, Route},
};

/// Long enough for all deliveries to wait at the same time, even on a busy machine.
const BACKOFF_MS: u32 = 60_000;
/// From the last request to the measurement of the memory.
const SETTLED: Duration = Duration::from_millis(1500);

/// Bytes used by a connector.
pub(crate) struct Waiting {
    pub(crate) kind: Kind,
    pub(crate) deliveries: u64,
    pub(crate) before: u64,
    pub(crate) with: u64,
}

impl Waiting {
    pub(crate) const fn growth(&self) -> u64 {
        self.with.saturating_sub(self.before)
    }
}

/// A connector whose peer fails: every delivery waits.
pub(crate) fn waiting(deliveries: &[u64]) -> anyhow::Result<Vec<Waiting>> {
    let mut all = Vec::new();
    for &deliveries in deliveries {
        for kind in [Kind::Twin, Kind::Native, Kind::NativeIngress] {
            let peer = Server::start(&plain(Kind::BrokenPeer, Route::Connector))?;
            let mut serve = plain(kind, Route::Connector);
            serve.peer = format!("http://{}/", peer.address);
            serve.retry_initial_ms = BACKOFF_MS;
            let server = Server::start(&serve)?;
            let before = server.memory();
            let template = Template::new(Route::Connector, MAIN.0);
            let with = hold(&server, &template, deliveries, SETTLED, || server.memory())?;
            let waiting = Waiting {
                kind,
                deliveries,
                before,
                with,
            };
            println!(
                "{kind:?}: {deliveries} waiting take {} KiB more than {} KiB",
                waiting.growth() / 1024,
                before / 1024
            );
            all.push(waiting);
        }
    }
    Ok(all)
}
