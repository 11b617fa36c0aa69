//! Values that are expensive to look up, cached for a while.

use std::collections::HashMap;

/// How long a value is used before it is looked up again, in milliseconds: a changed key or URL takes effect after this time.
pub const KEEP_MS: u64 = 5_000;

/// Values by name, with the time at which each was requested. Failures are not kept.
#[derive(Debug, Default)]
pub struct Kept {
    values: HashMap<String, (Option<String>, u64)>,
}

impl Kept {
    /// The value, if it was looked up in the last [`KEEP_MS`]; the inner option is `None` if it was unset. `now_ms` is from a
    /// clock that never jumps.
    pub fn get(&self, name: &str, now_ms: u64) -> Option<Option<String>> {
        let (value, asked_ms) = self.values.get(name)?;
        (now_ms.saturating_sub(*asked_ms) < KEEP_MS).then(|| value.clone())
    }

    /// Caches the value found by a look-up that was started at `asked_ms`.
    pub fn put(&mut self, name: &str, value: Option<String>, asked_ms: u64) {
        self.values.insert(name.to_owned(), (value, asked_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_and_its_absence_are_kept_for_five_seconds_from_when_they_were_asked_for() {
        let mut kept = Kept::default();
        assert_eq!(kept.get("A", 0), None);
        kept.put("A", Some("a".to_owned()), 1_000);
        kept.put("B", None, 1_000);
        for now in [1_000, 5_999] {
            assert_eq!(kept.get("A", now), Some(Some("a".to_owned())), "{now}");
            assert_eq!(kept.get("B", now), Some(None), "{now}");
        }
        assert_eq!(kept.get("A", 6_000), None);
        assert_eq!(kept.get("B", 6_000), None);
        kept.put("A", None, 6_000);
        assert_eq!(kept.get("A", 6_001), Some(None));
    }
}
