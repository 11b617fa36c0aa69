//! Dead letters in a folder: one file per letter, with two names. The name made from its id shows that it exists; the name
//! made from the time at which it was stored gives the order. Its lease is a value with versions.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use twin_adapter::{
    Failure, Instant,
    bindings::{
        dead_letter_replay::StoredLetter,
        dead_letters::{Attempt, Guest, Letter},
    },
    clock,
};

use crate::{Adapter, documents, folder::Folder, names, versions::Versions};

const BY_ID: &str = "letters/by-id";
const BY_AGE: &str = "letters/by-age";
/// Contains a folder for each letter that was ever taken.
const LEASES: &str = "letters/leases";

/// The first line of a letter's file; the envelope follows it.
#[derive(Serialize, Deserialize)]
struct Head {
    letter_id: String,
    id: String,
    peer: String,
    trace_id: Option<String>,
    attempts: Vec<WrittenAttempt>,
    first_failure_us: Instant,
    last_failure_us: Instant,
    stored_at_us: Instant,
}

#[derive(Serialize, Deserialize)]
struct WrittenAttempt {
    at_us: Instant,
    status: Option<u16>,
    cause: String,
}

/// The lease of a letter.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// The holder's receipt; `None` if the letter was given back.
    pub(crate) receipt: Option<String>,
    /// When it began; files of an earlier version do not contain this.
    #[serde(default = "always")]
    pub(crate) since_us: Instant,
    /// When it ends.
    pub(crate) until_us: Instant,
    /// The letter was delivered, and only has to be removed.
    pub(crate) settled: bool,
    /// Its place in the queue once it was taken; before that its place follows from the time at which it was stored.
    #[serde(default)]
    pub(crate) turn: Option<u64>,
}

const fn always() -> Instant {
    Instant::MIN
}

impl Guest for Adapter {
    async fn push(letter: Letter) -> Result<(), Failure> {
        Letters::open().await?.push(letter).await
    }
}

/// A letter in the queue.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    pub(crate) number: u64,
    pub(crate) name: String,
    /// Its place in the order in which letters were stored.
    pub(crate) place: String,
}

/// The twin's letters.
pub(crate) struct Letters(Folder);

impl Letters {
    pub(crate) async fn open() -> Result<Self, Failure> {
        Folder::open().await.map(Self)
    }

    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        let name = names::plain(&letter.letter_id);
        let mut stored_at = clock::now();
        let content = compose(letter, stored_at)?;
        if !self.0.create(BY_ID, &name, content).await? {
            // The process that created it may have been stopped before it added the letter's place.
            match self.read(&name).await? {
                Some(before) => stored_at = before.stored_at,
                None => return Ok(()),
            }
        }
        let place = names::place(stored_at, &name);
        self.0
            .link((BY_ID, &name), (BY_AGE, &place))
            .await
            .map(drop)
    }

    /// The names of all letters with their places, oldest first.
    pub(crate) async fn in_order(&self) -> Result<Vec<(String, String)>, Failure> {
        let places = self.0.list(BY_AGE).await?;
        Ok(places
            .into_iter()
            .filter_map(|place| Some((names::read_place(&place)?.1, place)))
            .collect())
    }

    /// All letters in the order of the queue.
    pub(crate) async fn in_turn(&self) -> Result<Vec<Turn>, Failure> {
        let taken: HashSet<_> = self.0.list(LEASES).await?.into_iter().collect();
        let mut turns = Vec::new();
        for (name, place) in self.in_order().await? {
            let mut turn = None;
            if taken.contains(&name) {
                turn = self.hold(&name).await?.1.turn;
            }
            let stored_at = names::read_place(&place).map_or(0, |(stored_at, _)| stored_at);
            turns.push(Turn {
                number: turn.unwrap_or_else(|| names::sortable(stored_at)),
                name,
                place,
            });
        }
        turns.sort_unstable();
        Ok(turns)
    }

    /// The letter at a place, with the version and content of its lease. `None` if it was settled, in which case it is
    /// removed now.
    pub(crate) async fn at(
        &self,
        name: &str,
        place: &str,
    ) -> Result<Option<(StoredLetter, u64, Hold)>, Failure> {
        if let Some(letter) = self.read(name).await?
            && names::place(letter.stored_at, name) == place
        {
            let (version, hold) = self.hold(name).await?;
            if hold.settled {
                self.remove(name, letter.stored_at).await?;
                return Ok(None);
            }
            let leased_until = clock::lease_end(Some(hold.since_us..hold.until_us));
            let letter = StoredLetter {
                leased_until,
                ..letter
            };
            return Ok(Some((letter, version, hold)));
        }
        // A process was stopped after removing the letter but before removing its place.
        self.0.remove(BY_AGE, place).await?;
        Ok(None)
    }

    /// One letter by its id, as stored.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<StoredLetter>, Failure> {
        match self.0.read(BY_ID, name).await? {
            Some(content) => split(&content).map(Some),
            None => Ok(None),
        }
    }

    /// The version of a letter's lease, and the lease.
    pub(crate) async fn hold(&self, name: &str) -> Result<(u64, Hold), Failure> {
        let (version, content) = self.leases(name).latest().await?;
        if version == 0 {
            return Ok((0, Hold::default()));
        }
        documents::split(&content).map(|(hold, _)| (version, hold))
    }

    /// Replaces a lease of this version. False if another process was faster.
    pub(crate) async fn swap(
        &self,
        name: &str,
        version: u64,
        hold: &Hold,
    ) -> Result<bool, Failure> {
        let content = documents::compose(hold, &[])?;
        self.leases(name).swap(version, content).await
    }

    /// Removes a letter, first the name that shows that it exists.
    pub(crate) async fn remove(&self, name: &str, stored_at: Instant) -> Result<(), Failure> {
        self.0.remove(BY_ID, name).await?;
        let place = names::place(stored_at, name);
        self.0.remove(BY_AGE, &place).await?;
        self.0.remove_folder(&self.leases(name).path).await
    }

    fn leases(&self, name: &str) -> Versions<'_> {
        Versions {
            folder: &self.0,
            path: format!("{LEASES}/{name}"),
        }
    }
}

fn compose(letter: Letter, stored_at: Instant) -> Result<Vec<u8>, Failure> {
    let attempts = letter.attempts.into_iter().map(|attempt| WrittenAttempt {
        at_us: attempt.at,
        status: attempt.status,
        cause: attempt.cause,
    });
    let head = Head {
        letter_id: letter.letter_id,
        id: letter.id,
        peer: letter.peer,
        trace_id: letter.trace_id,
        attempts: attempts.collect(),
        first_failure_us: letter.first_failure_at,
        last_failure_us: letter.last_failure_at,
        stored_at_us: stored_at,
    };
    documents::compose(&head, &letter.envelope)
}

fn split(content: &[u8]) -> Result<StoredLetter, Failure> {
    let (head, envelope): (Head, _) = documents::split(content)?;
    let attempts = head.attempts.into_iter().map(|attempt| Attempt {
        at: attempt.at_us,
        status: attempt.status,
        cause: attempt.cause,
    });
    Ok(StoredLetter {
        letter: Letter {
            letter_id: head.letter_id,
            id: head.id,
            peer: head.peer,
            trace_id: head.trace_id,
            envelope: envelope.to_vec(),
            attempts: attempts.collect(),
            first_failure_at: head.first_failure_us,
            last_failure_at: head.last_failure_us,
        },
        stored_at: head.stored_at_us,
        leased_until: None,
    })
}
