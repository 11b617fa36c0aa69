//! File names: texts that callers choose, made safe for every file system, and times that sort as text.

use twin_contract::{Place, Timestamp, digest};

/// A text as the name of a file or folder: the text itself if it is short and plain, otherwise its digest.
pub(crate) fn plain(text: &str) -> String {
    let fits = (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    // A digest has 64 characters, so the two cannot collide.
    if fits {
        text.to_owned()
    } else {
        digest(text.as_bytes())
    }
}

/// A number with fixed width, so that names sort as numbers do.
pub(crate) fn number(number: u64) -> String {
    format!("{number:020}")
}

/// A place as a name that sorts like it; not every file system allows `:`, and no id contains `=`.
pub(crate) fn place(time: i64, id: &str) -> String {
    numbered(sortable(time), id)
}

/// The same with a time that is already in sortable form.
pub(crate) fn numbered(sortable: u64, id: &str) -> String {
    format!("{}~{}", number(sortable), id.replace(':', "="))
}

/// The place that a name represents.
pub(crate) fn read_place(name: &str) -> Option<Place> {
    let (time, id) = name.split_once('~')?;
    let time: u64 = time.parse().ok()?;
    Some(((time ^ SIGN).cast_signed(), id.replace('=', ":")))
}

/// The day of a time, as `2026-01-31`. One folder per day keeps folders small.
pub(crate) fn day(time: i64) -> String {
    let text = Timestamp::from_micros(time).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

const SIGN: u64 = 1 << 63;

/// A time as a number that sorts like it.
pub(crate) const fn sortable(time: i64) -> u64 {
    time.cast_unsigned() ^ SIGN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_like_places_and_read_back() {
        let places = [
            (i64::MIN, "z"),
            (-1, "a"),
            (0, "A"),
            (0, "a"),
            (1, "a.b:c_d-e"),
            (i64::MAX, "a"),
        ];
        let names: Vec<_> = places.iter().map(|(time, id)| place(*time, id)).collect();
        assert!(names.is_sorted());
        for ((time, id), name) in places.iter().zip(&names) {
            assert_eq!(read_place(name), Some((*time, (*id).to_owned())));
        }
        assert_eq!(read_place("x"), None);
    }

    #[test]
    fn days_sort_and_end_where_time_does() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(-1), "1969-12-31");
        assert!(day(i64::MIN) < day(0) && day(0) < day(i64::MAX));
    }

    #[test]
    fn only_plain_texts_are_names() {
        assert_eq!(plain("system-errors"), "system-errors");
        for text in ["", "..", "a/b", "A", &"a".repeat(41)] {
            assert_eq!(plain(text).len(), 64, "{text}");
        }
    }
}
