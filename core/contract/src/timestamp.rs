//! Instants: read and written as RFC 3339, stored as microseconds.

use std::{fmt, ops::Range};

// jiff's calendar without the rest of jiff, whose error messages would be a large part of a component.
use jiff_core::civil::{Date, UnixEpochDay};

/// A point in time: microseconds since 1970-01-01T00:00:00Z. Further digits of a text are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_DAY: i64 = SECONDS_PER_DAY * MICROS_PER_SECOND;
/// Years 0000 to 9999 in UTC, the range of RFC 3339, in microseconds since the epoch.
const RANGE: Range<i64> = -62_167_219_200_000_000..253_402_300_800_000_000;
/// From this value on, a device's number is in milliseconds: as seconds it would be the year 5138.
const FIRST_MILLISECONDS: f64 = 1e11;

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Parses an envelope's timestamp: `YYYY-MM-DDThh:mm:ss[.fraction]Z`.
    pub fn parse_utc(text: &str) -> Option<Self> {
        let (instant, rest) = parse_local(text, b"T")?;
        (rest == "Z").then_some(instant)
    }

    /// Parses RFC 3339 with `Z` or a numeric offset, with `T` and `Z` in either case, as devices write it. The instant must
    /// be within the range of an envelope: years 0000 to 9999 in UTC.
    pub fn parse_with_offset(text: &str) -> Option<Self> {
        let (local, rest) = parse_local(text, b"Tt")?;
        let offset_seconds = match rest.as_bytes() {
            b"Z" | b"z" => 0,
            [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] => {
                let hours = digits(hours, 2).filter(|hours| *hours < 24)?;
                let minutes = digits(&[*m1, *m2], 2).filter(|minutes| *minutes < 60)?;
                let seconds = hours * 3600 + minutes * 60;
                if *sign == b'+' { seconds } else { -seconds }
            }
            _ => return None,
        };
        local.shift(-offset_seconds)
    }

    /// From a device's number: milliseconds if it is at least 1e11, otherwise seconds; fractions are kept.
    pub fn from_number(number: f64) -> Option<Self> {
        let seconds = if number >= FIRST_MILLISECONDS {
            number / 1e3
        } else {
            number
        };
        let micros = (seconds * 1e6).round();
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a float cast saturates, and NaN is excluded"
        )]
        let instant = Self(micros as i64);
        (!micros.is_nan() && RANGE.contains(&instant.0)).then_some(instant)
    }

    fn shift(self, seconds: i64) -> Option<Self> {
        let micros = self.0.checked_add(seconds * MICROS_PER_SECOND)?;
        RANGE.contains(&micros).then_some(Self(micros))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with six digits of fraction: all texts have the same length and sort by time. An instant outside the
    /// range of RFC 3339 is written as the nearest one within.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.clamp(RANGE.start, RANGE.end - 1);
        let date = i32::try_from(micros.div_euclid(MICROS_PER_DAY))
            .ok()
            .and_then(|day| UnixEpochDay::new(day).ok())
            .ok_or(fmt::Error)?
            .to_date();
        let micros = micros.rem_euclid(MICROS_PER_DAY);
        let seconds = micros / MICROS_PER_SECOND;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (place, value) in [
            (0..4, i64::from(date.year())),
            (5..7, i64::from(date.month())),
            (8..10, i64::from(date.day())),
            (11..13, seconds / 3600),
            (14..16, seconds / 60 % 60),
            (17..19, seconds % 60),
            (20..26, micros % MICROS_PER_SECOND),
        ] {
            write_digits(text.get_mut(place).unwrap_or_default(), value);
        }
        formatter.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Fills `place` with the last digits of a number that is not negative.
fn write_digits(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        // The remainder is 0 to 9.
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Parses `YYYY-MM-DDThh:mm:ss[.fraction]` as if it were UTC, with any of `separators` instead of the `T`, and returns the
/// text after it.
fn parse_local<'a>(text: &'a str, separators: &[u8]) -> Option<(Timestamp, &'a str)> {
    let (head, rest) = text.split_at_checked(19)?;
    let [date @ .., separator, h1, h2, b':', mi1, mi2, b':', s1, s2] = head.as_bytes() else {
        return None;
    };
    let [y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2] = *date else {
        return None;
    };
    if !separators.contains(separator) {
        return None;
    }
    let date = Date::new(
        i16::try_from(digits(&[y1, y2, y3, y4], 4)?).ok()?,
        i8::try_from(digits(&[mo1, mo2], 2)?).ok()?,
        i8::try_from(digits(&[d1, d2], 2)?).ok()?,
    )
    .ok()?;
    let hours = digits(&[*h1, *h2], 2).filter(|hours| *hours < 24)?;
    let minutes = digits(&[*mi1, *mi2], 2).filter(|minutes| *minutes < 60)?;
    // A leap second becomes the last instant of its minute, because POSIX time does not have it.
    let seconds = digits(&[*s1, *s2], 2).filter(|seconds| *seconds <= 60)?;
    let of_day = hours * 3600 + minutes * 60 + seconds.min(59);
    let since_epoch = i64::from(date.to_unix_epoch_day().day()) * SECONDS_PER_DAY + of_day;
    let (fraction, rest) = parse_fraction(rest)?;
    let micros = since_epoch * MICROS_PER_SECOND + fraction;
    Some((Timestamp(micros), rest))
}

/// Parses `.digits` to microseconds. No fraction is zero; a dot without digits is an error.
fn parse_fraction(text: &str) -> Option<(i64, &str)> {
    let Some(text) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (fraction, rest) = text.split_at_checked(end)?;
    if fraction.is_empty() {
        return None;
    }
    let micros = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(6)
        .fold(0, |value, byte| value * 10 + i64::from(byte - b'0'));
    Some((micros, rest))
}

/// The value of exactly `count` ASCII digits.
fn digits(text: &[u8], count: usize) -> Option<i64> {
    if text.len() != count || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        text.iter()
            .fold(0, |value, byte| value * 10 + i64::from(byte - b'0')),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_rfc_3339_allows_in_utc() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2023-10-27T10:00:00Z", 1_698_400_800_000_000),
            ("2023-10-27T10:00:00.5Z", 1_698_400_800_500_000),
            ("2023-10-27T10:00:00.1234567891234Z", 1_698_400_800_123_456),
            ("1969-12-31T23:59:59.999999Z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000_000),
        ] {
            assert_eq!(
                Timestamp::parse_utc(text),
                Some(Timestamp(micros)),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_timestamp() {
        for text in [
            "",
            "Z",
            "2023-10-27",
            "2023-10-27T10:00:00",
            "2023-10-27 10:00:00Z",
            "2023-10-27T10:00:00z",
            "2023-02-30T10:00:00Z",
            "2023-13-01T10:00:00Z",
            "2023-10-27T24:00:00Z",
            "2023-10-27T10:60:00Z",
            "2023-10-27T10:00:61Z",
            "2023-10-27T10:00:00.Z",
            "2023-10-27T10:00:00+00:00",
            "+023-10-27T10:00:00Z",
            "2023-10-27T10:00:00Z ",
            "é023-10-27T10:00:00Z",
            "2023-1-27T10:00:00ZZ",
        ] {
            assert_eq!(Timestamp::parse_utc(text), None, "{text}");
        }
    }

    #[test]
    fn devices_may_write_offsets_and_numbers() {
        let noon = Timestamp::parse_utc("2023-10-27T12:00:00Z");
        assert_eq!(
            Timestamp::parse_with_offset("2023-10-27T14:00:00+02:00"),
            noon
        );
        assert_eq!(
            Timestamp::parse_with_offset("2023-10-27T06:30:00-05:30"),
            noon
        );
        for text in [
            "2023-10-27t12:00:00z",
            "2023-10-27T12:00:00z",
            "2023-10-27t14:00:00+02:00",
            "2023-10-27T12:00:00-00:00",
        ] {
            assert_eq!(Timestamp::parse_with_offset(text), noon, "{text}");
        }
        assert_eq!(Timestamp::parse_with_offset("2023-10-27 12:00:00Z"), None);
        assert_eq!(
            Timestamp::parse_with_offset("2023-10-27T06:30:00-5:30"),
            None
        );
        assert_eq!(
            Timestamp::parse_with_offset("2023-10-27T06:30:00+24:00"),
            None
        );
        assert_eq!(Timestamp::from_number(1_698_408_000.0), noon);
        assert_eq!(Timestamp::from_number(1_698_408_000_000.0), noon);
        assert_eq!(Timestamp::from_number(0.25), Some(Timestamp(250_000)));
        for number in [f64::NAN, f64::INFINITY, 1e300, -1e300] {
            assert_eq!(Timestamp::from_number(number), None);
        }
    }

    #[test]
    fn the_range_ends_where_no_envelope_could_name_the_instant() {
        for text in [
            "0000-01-01T00:00:00+00:01",
            "0000-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59.999999-00:01",
            "9999-12-31T00:01:00-23:59",
        ] {
            assert_eq!(Timestamp::parse_with_offset(text), None, "{text}");
        }
        for (text, written) in [
            ("0000-01-01T01:00:00+01:00", "0000-01-01T00:00:00.000000Z"),
            (
                "9999-12-31T22:59:59.999999-01:00",
                "9999-12-31T23:59:59.999999Z",
            ),
        ] {
            let instant = Timestamp::parse_with_offset(text).expect(text);
            assert_eq!(instant.to_string(), written, "{text}");
        }
        for number in [
            -62_167_219_200.0,
            253_402_300_799.0,
            253_402_300_799_999.0,
            99_999_999_999.0,
            100_000_000_000.0,
            -0.0,
        ] {
            let instant = Timestamp::from_number(number).expect("in range");
            let text = instant.to_string();
            assert_eq!(Timestamp::parse_utc(&text), Some(instant), "{number}");
        }
        for number in [
            -62_167_219_200.1,
            253_402_300_800_000.0,
            -1e12,
            f64::NEG_INFINITY,
        ] {
            assert_eq!(Timestamp::from_number(number), None, "{number}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(micros in -62_167_219_200_000_000..253_402_300_800_000_000_i64) {
            let text = Timestamp(micros).to_string();
            prop_assert_eq!(Timestamp::parse_utc(&text), Some(Timestamp(micros)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = Timestamp::parse_with_offset(&text);
        }
    }
}
