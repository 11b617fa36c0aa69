//! Throughput, CPU time and latency of every route, by connections and body. The servers are measured in alternation.

use std::{collections::BTreeMap, net::SocketAddr};

use tempfile::TempDir;

use super::{Spread, raw};
use crate::{
    load::{Closed, Histogram, Open, Run, template::Template},
    places::Places,
    plan::{BODIES, CONNECTIONS, MAIN, Plan},
    process::{Server, plain},
    serve::{Kind, Route},
    stock::{self, Stock},
};

/// One route with one body size over this many connections.
pub(crate) struct Cell {
    pub(crate) route: Route,
    pub(crate) body: usize,
    pub(crate) connections: u64,
    pub(crate) runs: BTreeMap<Kind, Vec<Run>>,
    /// Why the stock runtime did not answer all requests.
    pub(crate) stock_failed: Option<String>,
    /// The raw appender's records per second, on the durable route.
    pub(crate) raw: Vec<f64>,
}

/// One route at one arrival rate.
pub(crate) struct Arrivals {
    pub(crate) route: Route,
    pub(crate) rate: u32,
    pub(crate) times: BTreeMap<Kind, Histogram>,
}

impl Cell {
    pub(crate) fn is_main(&self) -> bool {
        (self.body, self.connections) == MAIN
    }

    pub(crate) fn rate(&self, kind: Kind) -> Spread {
        self.spread(kind, |run| run.rate)
    }

    pub(crate) fn cpu_us(&self, kind: Kind) -> Spread {
        self.spread(kind, |run| run.cpu_us)
    }

    fn spread(&self, kind: Kind, value: impl Fn(&Run) -> f64) -> Spread {
        Spread::of(self.runs.get(&kind).into_iter().flatten().map(value))
    }

    /// The twin's throughput divided by the native server's in the same round, since disturbances affect both.
    pub(crate) fn ratio(&self) -> Spread {
        self.ratios(|run| run.rate)
    }

    pub(crate) fn cpu_ratio(&self) -> Spread {
        self.ratios(|run| run.cpu_us)
    }

    fn ratios(&self, value: impl Fn(&Run) -> f64) -> Spread {
        let of = |kind| self.runs.get(&kind).into_iter().flatten();
        let pairs = of(Kind::Twin).zip(of(Kind::Native));
        Spread::of(pairs.map(|(twin, native)| value(twin) / value(native)))
    }

    pub(crate) fn times(&self, kind: Kind) -> Histogram {
        let mut all = Histogram::new();
        for run in self.runs.get(&kind).into_iter().flatten() {
            all.add(&run.times);
        }
        all
    }
}

/// The servers of one route.
struct Servers {
    by_kind: BTreeMap<Kind, Server>,
    /// The connectors' peer.
    _peer: Server,
    data: TempDir,
    next: u64,
}

impl Servers {
    fn start(route: Route) -> anyhow::Result<Self> {
        let peer = Server::start(&plain(Kind::Peer, route))?;
        // The project is built on a disk; the folder for temporary files may be in memory.
        let data = TempDir::new_in(Places::find()?.target())?;
        let mut by_kind = BTreeMap::new();
        let stock = stock::function(route).is_some() && Stock::find()?.is_ok();
        let own = [Kind::Twin, Kind::Native, Kind::NativeIngress];
        for kind in own.into_iter().chain(stock.then_some(Kind::Stock)) {
            let mut serve = plain(kind, route);
            serve.peer = url(peer.address);
            serve.data = data.path().join(format!("{kind:?}"));
            by_kind.insert(kind, Server::start(&serve)?);
        }
        Ok(Self {
            by_kind,
            _peer: peer,
            data,
            next: 0,
        })
    }
}

/// The closed loops of a route.
pub(crate) fn closed(plan: &Plan, route: Route) -> anyhow::Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for (body, name) in BODIES {
        let mut servers = Servers::start(route)?;
        for connections in CONNECTIONS {
            let mut cell = Cell {
                route,
                body,
                connections,
                runs: BTreeMap::new(),
                stock_failed: None,
                raw: Vec::new(),
            };
            if plan.main_only && !cell.is_main() && connections != 8 {
                continue;
            }
            let (rounds, time) = if cell.is_main() {
                plan.main
            } else {
                plan.other
            };
            for _ in 0..rounds {
                for (kind, server) in &servers.by_kind {
                    if *kind == Kind::NativeIngress && !cell.is_main() {
                        continue;
                    }
                    let load = Closed {
                        template: Template::new(route, body),
                        connections,
                        warm_up: plan.warm_up,
                        time,
                    };
                    match load.run(server, &mut servers.next) {
                        Ok(run) => cell.runs.entry(*kind).or_default().push(run),
                        // The stock runtime has its own limits. A benchmark must not reach those of the other servers.
                        Err(error) if *kind == Kind::Stock => {
                            cell.stock_failed = Some(error.to_string());
                        }
                        Err(error) => return Err(error),
                    }
                }
                if route == Route::WriteDurable && cell.is_main() {
                    cell.raw.push(raw::rate(servers.data.path(), body, time)?);
                }
            }
            println!(
                "{route:?} {name} {connections:>3} connections: twin {:.0}/s, native {:.0}/s, ratio {:.2}, cpu {:.1} / {:.1} µs",
                cell.rate(Kind::Twin).median,
                cell.rate(Kind::Native).median,
                cell.ratio().median,
                cell.cpu_us(Kind::Twin).median,
                cell.cpu_us(Kind::Native).median,
            );
            cells.push(cell);
        }
    }
    Ok(cells)
}

/// The open loops of a route, with the smallest body over 64 connections.
pub(crate) fn open(plan: &Plan, route: Route) -> anyhow::Result<Vec<Arrivals>> {
    let rates = match route {
        Route::WriteDurable => [500, 2_000],
        Route::Connector => [1_000, 4_000],
        Route::Ingest | Route::Write => [2_000, 8_000],
    };
    let mut servers = Servers::start(route)?;
    let mut all = Vec::new();
    for rate in rates {
        let mut times: BTreeMap<Kind, Histogram> = BTreeMap::new();
        for _ in 0..2 {
            for kind in [Kind::Twin, Kind::Native] {
                let Some(server) = servers.by_kind.get(&kind) else {
                    continue;
                };
                let load = Open {
                    template: Template::new(route, MAIN.0),
                    connections: 64,
                    rate,
                    warm_up: plan.warm_up,
                    time: plan.open / 2,
                };
                let took = load.run(server.address, &mut servers.next)?;
                times.entry(kind).or_default().add(&took);
            }
        }
        let p99 = |kind| times.get(&kind).map(|times| times.quantile(0.99));
        println!(
            "{route:?} at {rate}/s: p99 {:?} / {:?}",
            p99(Kind::Twin),
            p99(Kind::Native)
        );
        all.push(Arrivals { route, rate, times });
    }
    Ok(all)
}

pub(super) fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}
