//! The time that a peer asks a sender to wait, in the forms that receivers and gateways really use.
//!
//! RFC 9110 defines whole seconds and HTTP dates. Other forms are also in use: decimals, units (`120s`, `2 min`), signs,
//! quotes, lists, dates without a weekday or with an offset, RFC 3339, seconds since 1970, and milliseconds in separate
//! headers. Every form that can be read counts; of several values, the longest wait is used.

use std::time::Duration;

use twin_contract::Timestamp;

/// The headers with a wait, in lower case, and the number of milliseconds in their default unit. The two in milliseconds
/// are Azure's.
const HEADERS: [(&str, f64); 3] = [
    ("retry-after", 1_000.0),
    ("retry-after-ms", 1.0),
    ("x-ms-retry-after-ms", 1.0),
];

/// From this number of seconds (32 years) on, a number is a time: seconds since 1970.
const FIRST_UNIX_SECONDS: f64 = 1e9;
/// From here on, it is milliseconds since 1970.
const FIRST_UNIX_MS: f64 = 1e12;
/// From here on, it is not a time but a very long wait: the limit is the year 5138 in milliseconds.
const LAST_UNIX_MS: f64 = 1e14;

/// The longest wait that any of a reply's headers (names in lower case) asks for; a time in the past gives no wait. `None`
/// if no header asks for a wait, or none can be read.
pub(crate) fn wish(headers: &[(String, String)], now: Timestamp) -> Option<Duration> {
    let unix_seconds = u64::try_from(now.as_micros() / 1_000_000).unwrap_or(0);
    let wishes = headers.iter().filter_map(|(name, value)| {
        let (_, unit_ms) = HEADERS.iter().find(|(header, _)| name == header)?;
        read(value, *unit_ms, unix_seconds)
    });
    wishes.max().map(Duration::from_millis)
}

/// The milliseconds in one header's value: a date, an amount, or a list of amounts (repeated headers that a gateway
/// joined).
fn read(value: &str, unit_ms: f64, unix_seconds: u64) -> Option<u64> {
    let value = trim(value);
    if let Some(date_seconds) = date(value) {
        let now = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
        let wait = date_seconds.saturating_sub(now);
        return Some(u64::try_from(wait).unwrap_or(0).saturating_mul(1_000));
    }
    let amounts = value.split(',');
    amounts
        .filter_map(|amount| wait_ms(trim(amount), unit_ms, unix_seconds))
        .max()
}

fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() || "\"'".contains(character))
}

/// Seconds since 1970, rounded up: the three forms of RFC 9110, otherwise an e-mail date, otherwise RFC 3339.
fn date(text: &str) -> Option<i64> {
    if let Ok(date) = httpdate::parse_http_date(text) {
        let since = date.duration_since(std::time::UNIX_EPOCH);
        return Some(since.map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        }));
    }
    let instant = mail_date(text).or_else(|| Timestamp::parse_with_offset(text))?;
    let micros = instant.as_micros();
    Some(micros.div_euclid(1_000_000) + i64::from(micros.rem_euclid(1_000_000) > 0))
}

/// An e-mail date (RFC 5322, 3.3): `[weekday,] day month year hh:mm[:ss] zone`. The weekday is not compared with the date.
/// It is parsed by hand, because jiff's parser would add all of its error messages to a component.
fn mail_date(text: &str) -> Option<Timestamp> {
    let text = text.split_once(',').map_or(text, |(_, date)| date);
    let mut words = text.split_ascii_whitespace();
    let [day, month, year, time, zone] = std::array::from_fn(|_| words.next().unwrap_or_default());
    // The zone's name may follow in parentheses.
    if words.next().is_some_and(|word| !word.starts_with('(')) {
        return None;
    }
    let mut months = MONTHS.iter().zip(1..);
    let (_, month) = months.find(|(name, _)| name.eq_ignore_ascii_case(month))?;
    let century = match year.len() {
        2 if year < "50" => "20",
        2 => "19",
        _ => "",
    };
    let seconds = if time.len() == "hh:mm".len() {
        ":00"
    } else {
        ""
    };
    let zone = match zone.split_at_checked(3) {
        Some((hours, minutes)) if hours.starts_with(['+', '-']) => format!("{hours}:{minutes}"),
        _ => {
            let mut zones = ZONES.iter();
            let (_, offset) = zones.find(|(name, _)| name.eq_ignore_ascii_case(zone))?;
            (*offset).to_owned()
        }
    };
    let text = format!("{century}{year}-{month:02}-{day:0>2}T{time}{seconds}{zone}");
    Timestamp::parse_with_offset(&text)
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The zones that have names in e-mail, and `UTC`, which is not defined there but is used.
const ZONES: [(&str, &str); 12] = [
    ("GMT", "Z"),
    ("UTC", "Z"),
    ("UT", "Z"),
    ("Z", "Z"),
    ("EST", "-05:00"),
    ("EDT", "-04:00"),
    ("CST", "-06:00"),
    ("CDT", "-05:00"),
    ("MST", "-07:00"),
    ("MDT", "-06:00"),
    ("PST", "-08:00"),
    ("PDT", "-07:00"),
];

/// A number with or without a unit, in milliseconds: rounded up to whole seconds, unless it is given in milliseconds.
fn wait_ms(text: &str, unit_ms: f64, unix_seconds: u64) -> Option<u64> {
    // Anything after a semicolon would be a parameter.
    let text = text.split(';').next().unwrap_or(text).trim();
    let (number, unit) = amount(text)?;
    let unit_ms = match unit.to_ascii_lowercase().as_str() {
        "" => unit_ms,
        "ms" | "msec" | "millis" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
        "h" | "hr" | "hour" | "hours" => 3_600_000.0,
        _ => return None,
    };
    #[allow(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 fit into 53 bits"
    )]
    let now_ms = unix_seconds as f64 * 1_000.0;
    let ms = if unit_ms < 1_000.0 {
        number.ceil()
    } else if !unit.is_empty() || !(FIRST_UNIX_SECONDS..LAST_UNIX_MS).contains(&number) {
        (number * unit_ms / 1_000.0).ceil() * 1_000.0
    } else if number < FIRST_UNIX_MS {
        number.ceil() * 1_000.0 - now_ms
    } else {
        number - now_ms
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, and a time in the past is no wait"
    )]
    Some(ms as u64)
}

/// A number that is not negative, and the text after it.
fn amount(text: &str) -> Option<(f64, &str)> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let parse = |number: &str| {
        let number = number.parse::<f64>().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number)
    };
    if let Some(number) = parse(text) {
        return Some((number, ""));
    }
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.')?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((parse(number)?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fri, 27 Oct 2023 10:00:00 GMT.
    const NOW: i64 = 1_698_400_800;

    fn now(unix_seconds: i64) -> Timestamp {
        Timestamp::from_micros(unix_seconds * 1_000_000)
    }

    fn wish(headers: &[(&str, &str)]) -> Option<u64> {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        super::wish(&headers, now(NOW)).map(crate::millis)
    }

    #[test]
    fn seconds_are_read_however_they_are_written() {
        for (text, expected) in [
            ("3", 3_000),
            (" 0 ", 0),
            ("120.5", 121_000),
            ("120.0", 120_000),
            (".5", 1_000),
            ("1.", 1_000),
            ("+120", 120_000),
            ("0120", 120_000),
            ("1e2", 100_000),
            ("\"120\"", 120_000),
            ("'120'", 120_000),
            ("120s", 120_000),
            ("120 seconds", 120_000),
            ("120 S", 120_000),
            ("2 min", 120_000),
            ("1.5m", 90_000),
            ("1h", 3_600_000),
            ("1500ms", 1_500),
            ("120; reason=load", 120_000),
            ("5, 120", 120_000),
            ("soon, 120", 120_000),
            ("99999999999999999999999999", u64::MAX),
            // A time instead of an amount: in 31 seconds.
            ("1698400831", 31_000),
            ("1698400831.2", 32_000),
            ("1698400831000", 31_000),
            ("1698400000", 0),
        ] {
            assert_eq!(wish(&[("retry-after", text)]), Some(expected), "{text}");
        }
    }

    #[test]
    fn dates_are_read_in_every_form_of_http_and_some_others() {
        for (text, expected) in [
            ("Fri, 27 Oct 2023 10:00:10 GMT", 10_000),
            ("Friday, 27-Oct-23 10:00:10 GMT", 10_000),
            ("Fri Oct 27 10:00:10 2023", 10_000),
            ("Fri, 27 Oct 2023 10:00:10 +0000", 10_000),
            ("Fri, 27 Oct 2023 10:00:10 UTC", 10_000),
            ("Fri, 27 Oct 2023 12:00:10 +0200", 10_000),
            ("27 Oct 2023 10:00:10 GMT", 10_000),
            ("Fri,  27 oct 2023  06:00:10 EDT", 10_000),
            ("Fri, 27 Oct 23 10:00:10 +0000 (UTC)", 10_000),
            ("Fri, 27 Oct 2023 10:01 GMT", 60_000),
            ("Mon, 27 Oct 2023 10:00:10 GMT", 10_000),
            ("\"Fri, 27 Oct 2023 10:00:10 GMT\"", 10_000),
            ("2023-10-27T10:00:10Z", 10_000),
            ("2023-10-27t12:00:09.5+02:00", 10_000),
            ("Fri, 27 Oct 2023 09:00:00 GMT", 0),
            ("2023-10-27T09:00:00Z", 0),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ] {
            assert_eq!(wish(&[("retry-after", text)]), Some(expected), "{text}");
        }
    }

    #[test]
    fn of_several_wishes_the_longest_counts() {
        for (headers, expected) in [
            (&[("x-ms-retry-after-ms", "1500.2")][..], Some(1_501)),
            (&[("retry-after-ms", "1500")], Some(1_500)),
            (&[("retry-after-ms", "2s")], Some(2_000)),
            (
                &[("retry-after", "1"), ("retry-after-ms", "1500")],
                Some(1_500),
            ),
            (
                &[("retry-after", "7"), ("retry-after", "120")],
                Some(120_000),
            ),
            (
                &[("retry-after", "soon"), ("retry-after", "120")],
                Some(120_000),
            ),
            (&[("x-retry", "120"), ("date", "120")], None),
            (&[], None),
        ] {
            assert_eq!(wish(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_says_nothing_is_no_wish() {
        for text in [
            "",
            "soon",
            "-1",
            "-0.5",
            "NaN",
            "inf",
            ".",
            "120 parsecs",
            "Fri, 27 Oct 2023",
            "Fri, 27 Okt 2023 10:00:10 +0000",
            "Fri, 32 Oct 2023 10:00:10 +0000",
            "Fri, 27 Oct 2023 10:00:10 +00",
            "Fri, 27 Oct 2023 10:00:10 Z+00",
            "Fri, 27 Oct 2023 10:00:10 GMT 7",
            "s",
            ",",
        ] {
            assert_eq!(wish(&[("retry-after", text)]), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic(text in "\\PC{0,40}", now in any::<i64>()) {
            let _ = super::wish(&[("retry-after".to_owned(), text)], Timestamp::from_micros(now));
        }

        #[test]
        fn e_mails_dates_are_read_as_jiff_reads_them(seconds in 0_i64..253_402_000_000, offset in -23..24_i8) {
            let instant = jiff::Timestamp::from_second(seconds).expect("in range");
            let zoned = instant.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(offset)));
            let text = jiff::fmt::rfc2822::to_string(&zoned).expect("a year of four digits");
            let read = mail_date(&text).map(|read| read.as_micros());
            prop_assert_eq!(read, Some(seconds * 1_000_000), "{}", text);
        }

        #[test]
        fn a_wish_in_seconds_is_never_shortened(seconds in 0.0_f64..1e8) {
            let ms = wish(&[("retry-after", &seconds.to_string())]);
            let ms = ms.expect("a number");
            prop_assert!(ms as f64 >= seconds * 1_000.0 && (ms as f64) < (seconds + 1.0) * 1_000.0 + 1.0);
        }
    }
}
