//! The plot: the twin's throughput divided by the native server's, with a panel for each route.

use std::fmt::Write as _;

use super::targets;
use crate::{
    measure::matrix::Cell,
    plan::{BODIES, CONNECTIONS, ROUTES},
};

const WIDTH: f64 = 210.0;
const HEIGHT: f64 = 180.0;
const MARGIN: f64 = 42.0;
/// The highest ratio shown.
const TOP: f64 = 1.25;
const COLOURS: [&str; 3] = ["#1f6f8b", "#d9822b", "#7a4fa3"];

pub(super) fn svg(cells: &[Cell]) -> String {
    let mut panels = String::new();
    let mut left = MARGIN;
    for route in ROUTES {
        let own: Vec<_> = cells.iter().filter(|cell| cell.route == route).collect();
        let _ = writeln!(
            panels,
            "<g transform=\"translate({left},40)\"><text y=\"-10\" font-weight=\"bold\">{}</text>{}{}</g>",
            targets::name(route),
            grid(),
            lines(&own)
        );
        left += WIDTH + MARGIN;
    }
    let height = HEIGHT + 110.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {left} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"16\">Throughput of twin by that of native code; dashed: 0.85, the target for ingest and durable writes, and 0.5</text>\n\
         {panels}{}</svg>\n",
        legend(HEIGHT + 90.0)
    )
}

fn y(ratio: f64) -> f64 {
    HEIGHT - ratio.min(TOP) / TOP * HEIGHT
}

fn x(place: usize) -> f64 {
    let place = u32::try_from(place).map_or(0.0, f64::from);
    WIDTH * (0.08 + 0.28 * place)
}

fn grid() -> String {
    let mut out = String::new();
    for (ratio, dashed) in [(0.0, false), (0.5, true), (0.85, true), (1.0, false)] {
        let dash = if dashed {
            " stroke-dasharray=\"4 3\""
        } else {
            ""
        };
        let _ = write!(
            out,
            "<line x2=\"{WIDTH}\" y1=\"{0}\" y2=\"{0}\" stroke=\"#bbb\"{dash}/><text x=\"-26\" y=\"{1}\" fill=\"#555\">{ratio}</text>",
            y(ratio),
            y(ratio) + 4.0
        );
    }
    for (place, connections) in CONNECTIONS.iter().enumerate() {
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{connections}</text>",
            x(place),
            HEIGHT + 16.0
        );
    }
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">connections</text>",
        WIDTH / 2.0,
        HEIGHT + 32.0
    );
    out
}

fn lines(cells: &[&Cell]) -> String {
    let mut out = String::new();
    for ((body, _), colour) in BODIES.iter().zip(COLOURS) {
        let points: Vec<_> = cells
            .iter()
            .filter(|cell| cell.body == *body)
            .filter_map(|cell| {
                let place = CONNECTIONS
                    .iter()
                    .position(|count| *count == cell.connections)?;
                Some((x(place), cell.ratio()))
            })
            .collect();
        let path: Vec<_> = points
            .iter()
            .map(|(x, ratio)| format!("{x:.0},{:.0}", y(ratio.median)))
            .collect();
        let _ = write!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (x, ratio) in points {
            let _ = write!(
                out,
                "<line x1=\"{x:.0}\" x2=\"{x:.0}\" y1=\"{:.0}\" y2=\"{:.0}\" stroke=\"{colour}\"/>\
                 <circle cx=\"{x:.0}\" cy=\"{:.0}\" r=\"3\" fill=\"{colour}\"/>",
                y(ratio.least),
                y(ratio.greatest),
                y(ratio.median)
            );
        }
    }
    out
}

fn legend(top: f64) -> String {
    let mut out = String::new();
    let mut left = MARGIN;
    for ((_, name), colour) in BODIES.iter().zip(COLOURS) {
        let _ = write!(
            out,
            "<circle cx=\"{left}\" cy=\"{}\" r=\"4\" fill=\"{colour}\"/><text x=\"{}\" y=\"{top}\">{name}</text>",
            top - 4.0,
            left + 8.0
        );
        left += 90.0;
    }
    let _ = writeln!(
        out,
        "<text x=\"{left}\" y=\"{top}\">medians; upright: least to greatest</text>"
    );
    out
}
