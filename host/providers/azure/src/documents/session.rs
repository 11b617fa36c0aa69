//! The session tokens of an account: how far this process has seen each partition.
//!
//! An account with the consistency level Session answers a read from any replica that is as far as the token of the request says.
//! The tokens of all answers are remembered, also those of refused writes: a refusal is by the newest state, so that a read
//! after it finds what the write met, whichever host had written it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// The longest token that is sent, in bytes: a small part of the headers that the service accepts.
const LONGEST: usize = 4096;

/// The tokens of one container.
#[derive(Debug, Default)]
pub(crate) struct Session(Mutex<BTreeMap<String, Progress>>);

/// How far a physical partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Progress {
    /// The version of the partition's set of replicas, and the number of its last write.
    at: (u64, u64),
    /// All that the service said after the partition's name.
    text: String,
}

impl Progress {
    /// `-1#12`, or with the progress of other regions `3#12#4=7`. In the first form the version is not a number.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('#');
        let version = parts.next()?.parse().unwrap_or(0);
        let write = parts.next()?.parse().ok()?;
        Some(Self {
            at: (version, write),
            text: text.to_owned(),
        })
    }
}

impl Session {
    /// Remembers the token of an answer.
    pub(crate) fn observe(&self, token: &str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (partition, progress) in token.split(',').filter_map(|part| part.split_once(':')) {
            let Some(progress) = Progress::parse(progress) else {
                continue;
            };
            if seen
                .get(partition)
                .is_none_or(|before| before.at < progress.at)
            {
                seen.insert(partition.to_owned(), progress);
            }
        }
    }

    /// The token of the next request; `None` before the first answer, and if the container has so many physical partitions that
    /// the token does not fit into a header.
    pub(crate) fn token(&self) -> Option<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let parts: Vec<_> = seen
            .iter()
            .map(|(partition, Progress { text, .. })| format!("{partition}:{text}"))
            .collect();
        let token = parts.join(",");
        (1..=LONGEST).contains(&token.len()).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farthest_token_of_each_partition_is_sent() {
        let session = Session::default();
        assert_eq!(session.token(), None);
        for token in [
            "0:-1#12",
            "0:-1#9",
            "1:2#5#1=3",
            "1:2#5#1=2",
            "",
            "x",
            "2:y#z",
        ] {
            session.observe(token);
        }
        assert_eq!(session.token().as_deref(), Some("0:-1#12,1:2#5#1=3"));
        // Another set of replicas counts anew.
        session.observe("1:3#1,0:-1#13");
        assert_eq!(session.token().as_deref(), Some("0:-1#13,1:3#1"));
        for partition in 2..1000 {
            session.observe(&format!("{partition}:-1#1"));
        }
        assert_eq!(session.token(), None);
    }
}
