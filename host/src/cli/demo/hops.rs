//! Times per hop, from the histograms at `/metrics`.

use twin_host::telemetry::metrics;

const SERIES: &str = "twin_request_duration_seconds_bucket{";

/// The hops of a reading: cloud, function, and what happens there.
const HOPS: [(&str, &str, &str); 3] = [
    ("aws", "connector", "L1 aws: connector, and all behind it"),
    (
        "azure",
        "ingestion",
        "L2 azure: ingestion, and all behind it",
    ),
    ("gcp", "writer", "L3 gcp: writer, durable"),
];

/// A line of the table for each hop. The histogram's buckets limit the resolution of quantiles, so each time is an upper
/// bound.
pub(super) fn measured() -> Vec<String> {
    let text = metrics::recorder().render();
    let lines = HOPS.iter().map(|(cloud, function, words)| {
        let labels = [
            format!("cloud=\"{cloud}\""),
            format!("function=\"{function}\""),
        ];
        let buckets = buckets(&text, &labels);
        let count = buckets.last().map_or(0, |(_, count)| *count);
        let at = |percent| match quantile(&buckets, percent) {
            Some(seconds) => format!("<{} ms", seconds * 1e3),
            None => "-".to_owned(),
        };
        format!("{words:<42} {count:>7} {:>9} {:>9}", at(50), at(99))
    });
    lines.collect()
}

/// A histogram's buckets: upper end in seconds, and the count up to there.
fn buckets(text: &str, labels: &[String]) -> Vec<(f64, u64)> {
    let lines = text
        .lines()
        .filter(|line| line.starts_with(SERIES) && labels.iter().all(|label| line.contains(label)));
    lines
        .filter_map(|line| {
            let (_, rest) = line.split_once("le=\"")?;
            let (end, rest) = rest.split_once('"')?;
            let end = match end {
                "+Inf" => f64::INFINITY,
                end => end.parse().ok()?,
            };
            Some((end, rest.split_whitespace().last()?.parse().ok()?))
        })
        .collect()
}

/// The upper end of the bucket that contains a quantile.
fn quantile(buckets: &[(f64, u64)], percent: u64) -> Option<f64> {
    let (_, count) = buckets.last()?;
    let place = (count * percent).div_ceil(100);
    let mut buckets = buckets.iter();
    buckets.find_map(|(end, count)| (*count >= place && place > 0).then_some(*end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_read_from_the_text() {
        let text = "\
twin_request_duration_seconds_bucket{cloud=\"gcp\",function=\"writer\",le=\"0.001\"} 60
twin_request_duration_seconds_bucket{cloud=\"gcp\",function=\"reader\",le=\"0.001\"} 7
twin_request_duration_seconds_bucket{cloud=\"gcp\",function=\"writer\",le=\"0.005\"} 100
twin_request_duration_seconds_bucket{cloud=\"gcp\",function=\"writer\",le=\"+Inf\"} 100
twin_request_duration_seconds_sum{cloud=\"gcp\",function=\"writer\"} 1";
        let buckets = buckets(text, &["function=\"writer\"".to_owned()]);
        assert_eq!(buckets.len(), 3);
        assert_eq!(quantile(&buckets, 50), Some(0.001));
        assert_eq!(quantile(&buckets, 99), Some(0.005));
        assert_eq!(quantile(&[], 99), None);
    }
}
