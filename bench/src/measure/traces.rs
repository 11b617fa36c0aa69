//! What traces cost: the connector with traces off and on, in alternation.

use super::{Spread, matrix::url};
use crate::{
    load::{Closed, Run, template::Template},
    plan::{MAIN, Plan},
    process::{Server, plain},
    serve::{Kind, Route},
};

/// A way in which requests are traced, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracing {
    /// The host records nothing, and the requests are in no trace.
    Off,
    /// The host records nothing, and passes on the trace of each request.
    PassedOn,
    /// The host records each request that its caller records, and sends the spans.
    Recorded,
}

impl Tracing {
    pub(crate) const ALL: [Self; 3] = [Self::Off, Self::PassedOn, Self::Recorded];

    fn template(self) -> Template {
        match self {
            Self::Off => Template::new(Route::Connector, MAIN.0),
            Self::PassedOn | Self::Recorded => Template::traced(Route::Connector, MAIN.0),
        }
    }
}

/// The rounds of each, in the order of [`Tracing::ALL`].
#[derive(Clone, Debug)]
pub(crate) struct Traces(Vec<[Run; 3]>);

impl Traces {
    /// The server's CPU time for a request, in microseconds.
    pub(crate) fn cpu_us(&self, tracing: Tracing) -> Spread {
        let place = tracing as usize;
        let runs = self.0.iter().filter_map(|round| round.get(place));
        Spread::of(runs.map(|run| run.cpu_us))
    }

    /// The CPU time by that of [`Tracing::Off`] in the same round.
    pub(crate) fn by_off(&self, tracing: Tracing) -> Spread {
        let place = tracing as usize;
        let rounds = self.0.iter().filter_map(|round| {
            let [off, ..] = round;
            Some(round.get(place)?.cpu_us / off.cpu_us)
        });
        Spread::of(rounds)
    }
}

/// Measures them in the cell of the targets.
pub(crate) fn traces(plan: &Plan) -> anyhow::Result<Traces> {
    let peer = Server::start(&plain(Kind::Peer, Route::Connector))?;
    let collector = Server::start(&plain(Kind::Collector, Route::Connector))?;
    let mut serve = plain(Kind::Twin, Route::Connector);
    serve.peer = url(peer.address);
    let silent = Server::start(&serve)?;
    serve.collector = Some(url(collector.address));
    let recording = Server::start(&serve)?;
    let mut next = 0;
    let (rounds, time) = plan.main;
    let mut run = |tracing: Tracing| {
        let load = Closed {
            template: tracing.template(),
            connections: MAIN.1,
            warm_up: plan.warm_up,
            time,
        };
        let server = match tracing {
            Tracing::Off | Tracing::PassedOn => &silent,
            Tracing::Recorded => &recording,
        };
        load.run(server, &mut next)
    };
    let mut all = Vec::new();
    for _ in 0..rounds {
        let [off, passed_on, recorded] = Tracing::ALL;
        all.push([run(off)?, run(passed_on)?, run(recorded)?]);
    }
    Ok(Traces(all))
}
