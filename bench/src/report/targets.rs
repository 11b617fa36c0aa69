//! The targets, and whether they were reached.

use super::Results;
use crate::{
    measure::{Spread, matrix::Cell},
    plan::BODIES,
    serve::{Kind, Route},
};

/// One target.
pub(super) struct Target {
    pub(super) what: String,
    pub(super) wanted: String,
    pub(super) measured: String,
    pub(super) met: bool,
}

pub(super) fn all(results: &Results) -> Vec<Target> {
    let mut targets = Vec::new();
    let main = |route| {
        let mut cells = results.cells.iter();
        cells.find(move |cell| cell.route == route && cell.is_main())
    };
    if let Some(cell) = main(Route::Ingest) {
        targets.push(at_least("ingest, throughput by native", 0.85, cell.ratio()));
        targets.push(at_most(
            "ingest, CPU per request by native",
            1.3,
            cell.cpu_ratio(),
        ));
    }
    if let Some(cell) = main(Route::WriteDurable) {
        targets.push(at_least("durable writes by native", 0.85, cell.ratio()));
        let raw = Spread::of(cell.raw.iter().copied()).median;
        let share = cell.rate(Kind::Twin).median / raw;
        let binds = results.fsync_us.median >= 1000.0;
        targets.push(Target {
            what: "durable writes by the raw appender".to_owned(),
            wanted: "≥ 0.60 where an fsync takes ≥ 1 ms".to_owned(),
            measured: format!(
                "{share:.2} ({:.0} of {raw:.0}/s; an fsync takes {:.2} ms{})",
                cell.rate(Kind::Twin).median,
                results.fsync_us.median / 1000.0,
                if binds { "" } else { ": does not bind" }
            ),
            met: share >= 0.6 || !binds,
        });
    }
    if let Some(starts) = &results.starts {
        for start in &starts.serve {
            let over = start.again.median - starts.bare.median;
            let functions = start.mounted.split(',').count();
            targets.push(limit(
                &format!(
                    "cold start with code cache over the bare process, functions: {functions}"
                ),
                over,
                25.0,
                "ms",
            ));
            if functions == 5 {
                targets.push(limit(
                    "cold start of all functions with nothing cached",
                    start.new.median,
                    600.0,
                    "ms",
                ));
            }
        }
    }
    for waiting in &results.waiting {
        if waiting.kind == Kind::Twin && waiting.deliveries == 10_000 {
            #[allow(clippy::cast_precision_loss, reason = "megabytes")]
            let mb = waiting.growth() as f64 / 1e6;
            targets.push(limit(
                "memory for 10,000 deliveries waiting",
                mb,
                150.0,
                "MB",
            ));
        }
    }
    if let Some(calls) = &results.calls {
        targets.push(limit("hop in the process", calls.hop, 25.0, "µs"));
    }
    targets.extend(slowest(&results.cells));
    targets
}

/// No route may be slower than twice native, for any body size: by throughput, over 64 connections or what was measured.
fn slowest(cells: &[Cell]) -> Option<Target> {
    let worst = cells
        .iter()
        .min_by(|one, other| one.ratio().median.total_cmp(&other.ratio().median))?;
    let body = BODIES.iter().find(|(size, _)| *size == worst.body);
    let ratio = worst.ratio().median;
    Some(Target {
        what: "slowest of all routes, bodies and connections by native".to_owned(),
        wanted: "≥ 0.50".to_owned(),
        measured: format!(
            "{ratio:.2} ({}, {}, {} connections)",
            name(worst.route),
            body.map_or("", |(_, name)| *name),
            worst.connections
        ),
        met: ratio >= 0.5,
    })
}

fn at_least(what: &str, wanted: f64, ratio: Spread) -> Target {
    Target {
        what: what.to_owned(),
        wanted: format!("≥ {wanted:.2}"),
        measured: super::markdown::ratio(ratio),
        met: ratio.median >= wanted,
    }
}

fn at_most(what: &str, wanted: f64, ratio: Spread) -> Target {
    Target {
        what: what.to_owned(),
        wanted: format!("≤ {wanted:.2}"),
        measured: super::markdown::ratio(ratio),
        met: ratio.median <= wanted,
    }
}

fn limit(what: &str, value: f64, limit: f64, unit: &str) -> Target {
    Target {
        what: what.to_owned(),
        wanted: format!("≤ {limit:.0} {unit}"),
        measured: format!("{value:.1} {unit}"),
        met: value <= limit,
    }
}

/// The name of a route.
pub(super) const fn name(route: Route) -> &'static str {
    match route {
        Route::Ingest => "ingest",
        Route::Write => "write, memory",
        Route::WriteDurable => "write, durable",
        Route::Connector => "connector",
    }
}
