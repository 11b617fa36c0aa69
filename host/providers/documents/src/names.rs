//! Where a twin's documents are: their partitions, keys and places.

use std::num::NonZeroU32;

use sha2::{Digest, Sha256};
use twin_capabilities::Instant;

use crate::document::{Address, Table};

/// Sorts before every character of an id: `A-Z a-z 0-9 . _ : -`.
const BEFORE_ALL: char = '!';

/// Sorts after every place, which begins with a hexadecimal digit.
pub(crate) const END: &str = "g";

/// Sorts before every place.
pub(crate) const START: &str = "0";

/// The address of a document by its partition and by what identifies it.
pub(crate) fn address(table: Table, partition: String, identity: &[&str]) -> Address {
    Address {
        table,
        partition,
        key: hash(identity),
    }
}

/// The partition of a device's records. The shard follows from the record's id, so that an id always meets itself.
pub(crate) fn device(twin: &str, collection: &str, device_id: &str, shard: u32) -> String {
    format!("{twin}/{collection}/{device_id}#{shard}")
}

/// The shard of a record.
pub(crate) fn shard(id: &str, shards: NonZeroU32) -> u32 {
    let digest = Sha256::digest(id);
    let first = digest.first_chunk::<4>().copied().unwrap_or_default();
    u32::from_be_bytes(first) % shards
}

/// The place of a record: by time, then by the bytes of its id.
pub(crate) fn moment(time: Instant, id: &str) -> String {
    // Flipping the sign makes the order of the digits that of the numbers.
    format!("{:016x}{id}", time.cast_unsigned() ^ (1 << 63))
}

/// The place of a letter: by its number, then by the bytes of its id.
pub(crate) fn numbered(number: u64, letter_id: &str) -> String {
    format!("{number:016x}{letter_id}")
}

/// The number of a place that [`numbered`] made.
pub(crate) fn number_of(place: &str) -> Option<u64> {
    u64::from_str_radix(place.get(..16)?, 16).ok()
}

/// The place of a document that is found by its name: the name's digest, since a name may have any characters.
pub(crate) fn place_of_name(name: &str) -> String {
    hash(&[name])
}

/// The first place after this one.
pub(crate) fn after(mut place: String) -> String {
    place.push(BEFORE_ALL);
    place
}

/// The digest of several texts, each with its length before it.
fn hash(parts: &[&str]) -> String {
    let seal = twin_capabilities::provider::seal(parts.iter().map(|part| part.as_bytes()));
    seal.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_sort_by_time_and_then_by_id() {
        let sorted = [
            moment(i64::MIN, "a"),
            moment(-1, "z"),
            moment(0, "-"),
            moment(0, "a"),
            after(moment(0, "a")),
            moment(0, "a-"),
            moment(1, ""),
            moment(i64::MAX, "z"),
            END.to_owned(),
        ];
        assert!(sorted.is_sorted(), "{sorted:?}");
        assert!(START <= sorted[0].as_str());
        assert_eq!(number_of(&numbered(7, "a")), Some(7));
        assert_eq!(number_of("x"), None);
    }

    #[test]
    fn an_id_has_one_shard_and_ids_spread_over_all() {
        let three = NonZeroU32::new(3).unwrap();
        let of = |id: u32| shard(&id.to_string(), three);
        assert_eq!(of(1), of(1));
        for shard in 0..3 {
            assert!((0..100).any(|id| of(id) == shard));
        }
        assert_eq!(shard("a", NonZeroU32::MIN), 0);
    }
}
