//! The tables.

use std::fmt::Write as _;

use super::{Results, targets};
use crate::{
    measure::{
        Spread,
        matrix::Cell,
        traces::{Traces, Tracing},
    },
    plan::BODIES,
    serve::{Kind, Route},
};

/// Everything between the marks. Writing to a string cannot fail, so results of writes are ignored.
pub(super) fn page(results: &Results) -> String {
    let mut out = format!(
        "Measured on: {}. Load average before {}, after {} (the bench's own). The run took {:.0} s.\n\n",
        results.machine, results.load.0, results.load.1, results.took_s
    );
    out.push_str("### Targets\n\n");
    out.push_str(&self::targets(results));
    closed(&mut out, results);
    split(&mut out, results);
    stores(&mut out, results);
    arrivals(&mut out, results);
    starts(&mut out, results);
    calls(&mut out, results);
    memory(&mut out, results);
    if let Some(traces) = &results.traces {
        out.push_str("\n### Traces\n\n");
        out.push_str(&self::traces(traces));
    }
    stock(&mut out, results);
    out
}

pub(super) fn targets(results: &Results) -> String {
    let mut out = String::from("| what | wanted | measured | |\n|---|---|---|---|\n");
    for target in targets::all(results) {
        let mark = if target.met { "met" } else { "**missed**" };
        let (what, wanted, measured) = (target.what, target.wanted, target.measured);
        let _ = writeln!(out, "| {what} | {wanted} | {measured} | {mark} |");
    }
    out
}

/// What traces cost.
pub(crate) fn traces(traces: &Traces) -> String {
    let mut out = String::from(
        "CPU time for a request of the connector, 0.3 KiB, 64 connections, in alternation. Spans go to a collector that answers at once.\n\n\
         | traces | CPU µs | by off |\n|---|--:|--:|\n",
    );
    for tracing in Tracing::ALL {
        let name = match tracing {
            Tracing::Off => "off",
            Tracing::PassedOn => {
                "off, and each request has `traceparent` and `tracestate`, which are passed on"
            }
            Tracing::Recorded => "recorded and sent: the request, the call and the attempt",
        };
        let cpu = traces.cpu_us(tracing).median;
        let _ = writeln!(
            out,
            "| {name} | {cpu:.1} | {} |",
            ratio(traces.by_off(tracing))
        );
    }
    out
}

fn closed(out: &mut String, results: &Results) {
    out.push_str(
        "\n### Closed loop: as much as goes through\n\n\
         | route | body | connections | twin /s | native /s | twin by native | CPU twin µs | CPU native µs | p50 / p99 / p99.9 twin ms | native ms |\n\
         |---|---|--:|--:|--:|---|--:|--:|---|---|\n",
    );
    for cell in &results.cells {
        let _ = writeln!(
            out,
            "| {} | {:.0} | {:.0} | {} | {:.1} | {:.1} | {} | {} |",
            place(cell),
            cell.rate(Kind::Twin).median,
            cell.rate(Kind::Native).median,
            ratio(cell.ratio()),
            cell.cpu_us(Kind::Twin).median,
            cell.cpu_us(Kind::Native).median,
            quantiles(&cell.times(Kind::Twin)),
            quantiles(&cell.times(Kind::Native)),
        );
    }
}

/// How the difference divides between the ingress and the sandbox.
fn split(out: &mut String, results: &Results) {
    out.push_str(
        "\n### Where the difference lies\n\n\
         CPU time for a request in µs, 0.3 KiB, 64 connections. The middle column is the native code behind the host's own\n\
         ingress (limits, metrics), so its distance to the left is the ingress, to the right the sandbox.\n\n\
         | route | native, plain hyper | native, our ingress | twin |\n|---|--:|--:|--:|\n",
    );
    for cell in results.cells.iter().filter(|cell| cell.is_main()) {
        let cpu = |kind| cell.cpu_us(kind).median;
        let _ = writeln!(
            out,
            "| {} | {:.1} | {:.1} | {:.1} |",
            targets::name(cell.route),
            cpu(Kind::Native),
            cpu(Kind::NativeIngress),
            cpu(Kind::Twin)
        );
    }
    for cell in &results.cells {
        if cell.route == Route::WriteDurable && cell.is_main() {
            let raw = Spread::of(cell.raw.iter().copied());
            let _ = writeln!(
                out,
                "\nRaw appender, 64 producers, one fsync a batch: {:.0} records/s ({:.0} to {:.0}); one fsync takes {:.0} µs \
                 ({:.0} to {:.0}).",
                raw.median,
                raw.least,
                raw.greatest,
                results.fsync_us.median,
                results.fsync_us.least,
                results.fsync_us.greatest
            );
        }
    }
}

fn stores(out: &mut String, results: &Results) {
    let Some(durable) = &results.durable else {
        return;
    };
    let _ = writeln!(
        out,
        "\n### Durable records, without HTTP and functions\n\n\
         0.3 KiB, 64 producers that each wait for their record to be durable. PostgreSQL runs on the same machine.\n\n{durable}"
    );
}

fn arrivals(out: &mut String, results: &Results) {
    out.push_str(
        "\n### Open loop: requests due at fixed times\n\n\
         0.3 KiB, 64 connections; the time counts from when a request was due.\n\n\
         | route | due /s | p50 / p99 / p99.9 twin ms | native ms |\n|---|--:|---|---|\n",
    );
    for arrivals in &results.arrivals {
        let times = |kind| arrivals.times.get(&kind).map(quantiles).unwrap_or_default();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            targets::name(arrivals.route),
            arrivals.rate,
            times(Kind::Twin),
            times(Kind::Native)
        );
    }
}

fn starts(out: &mut String, results: &Results) {
    let Some(starts) = &results.starts else {
        return;
    };
    let _ = writeln!(
        out,
        "\n### Cold start\n\nFrom the start of the process to the first answer of a component, in ms. `twin --version` takes {}.\n\n\
         | functions | code cache and data are there | code cache is there, the store is made | nothing is there |\n|---|---|---|---|",
        spread(starts.bare)
    );
    for start in &starts.serve {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            start.mounted.replace(',', ", "),
            spread(start.again),
            spread(start.new_data),
            spread(start.new)
        );
    }
}

fn calls(out: &mut String, results: &Results) {
    let Some(calls) = &results.calls else {
        return;
    };
    let _ = writeln!(
        out,
        "\n### Calls in the process\n\nOne after the other, 0.3 KiB, memory store, median in µs.\n\n\
         | | twin | native |\n|---|--:|--:|\n\
         | a hop: a call of the writer | {:.1} | {:.1} |\n\
         | ingestion, which hands on to the writer | {:.1} | {:.1} |\n\
         | a call of the writer in an instance made for it | {:.1} | |",
        calls.hop, calls.native_hop, calls.two, calls.native_two, calls.fresh
    );
}

fn memory(out: &mut String, results: &Results) {
    out.push_str(
        "\n### Memory\n\nResident, of a connector whose peer answers 503, so that every delivery waits; MB. Each delivery\n\
         holds its connection, too.\n\n| | at rest | deliveries waiting | more |\n|---|--:|--:|--:|\n",
    );
    for waiting in &results.waiting {
        let kind = match waiting.kind {
            Kind::Twin => "twin",
            Kind::NativeIngress => "native, our ingress",
            _ => "native, plain hyper",
        };
        let _ = writeln!(
            out,
            "| {kind} | {:.1} | {} | {:.1} |",
            mb(waiting.before),
            waiting.deliveries,
            mb(waiting.growth())
        );
    }
}

fn stock(out: &mut String, results: &Results) {
    let _ = writeln!(
        out,
        "\n### A stock runtime\n\n{}, `serve`, with the same component bytes composed with the WASI adapter. It answers `wasi:http`, makes a new\n\
         instance after 128 calls, has no other function in its process (ingestion sends over HTTP to a peer that answers at once), and\n\
         syncs each record by itself (a file and two folders). 512 connections are more than its instances: it answers some with 500.\n\n\
         | route | body | connections | stock /s | twin by stock | CPU stock µs | CPU twin µs | p50 / p99 / p99.9 stock ms |\n\
         |---|---|--:|--:|--:|--:|--:|---|",
        results.stock
    );
    for cell in &results.cells {
        if let Some(failed) = &cell.stock_failed {
            let _ = writeln!(out, "| {} | {failed} | | | | |", place(cell));
            continue;
        }
        if !cell.runs.contains_key(&Kind::Stock) {
            continue;
        }
        let rate = |kind| cell.rate(kind).median;
        let _ = writeln!(
            out,
            "| {} | {:.0} | {:.1} | {:.1} | {:.1} | {} |",
            place(cell),
            rate(Kind::Stock),
            rate(Kind::Twin) / rate(Kind::Stock),
            cell.cpu_us(Kind::Stock).median,
            cell.cpu_us(Kind::Twin).median,
            quantiles(&cell.times(Kind::Stock)),
        );
    }
}

/// The columns that identify a cell: route, body, connections.
fn place(cell: &Cell) -> String {
    let known = BODIES.iter().find(|(size, _)| *size == cell.body);
    let body = known.map_or("", |(_, name)| name);
    format!(
        "{} | {body} | {}",
        targets::name(cell.route),
        cell.connections
    )
}

#[allow(clippy::cast_precision_loss, reason = "megabytes")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn quantiles(times: &crate::load::Histogram) -> String {
    let at = |share| {
        let ms = times.quantile(share).as_secs_f64() * 1e3;
        if ms < 10.0 {
            format!("{ms:.2}")
        } else {
            format!("{ms:.0}")
        }
    };
    format!("{} / {} / {}", at(0.5), at(0.99), at(0.999))
}

/// A ratio with its spread.
pub(super) fn ratio(spread: Spread) -> String {
    format!(
        "{:.2} ({:.2} to {:.2})",
        spread.median, spread.least, spread.greatest
    )
}

fn spread(spread: Spread) -> String {
    format!(
        "{:.1} ({:.1} to {:.1})",
        spread.median, spread.least, spread.greatest
    )
}
