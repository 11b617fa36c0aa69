//! One round through a queue: each message has one turn.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use twin_capabilities::{Failure, Instant, Undelivered, UndeliveredQueue};
use twin_contract::Timestamp;

use super::{Form, form::Unreadable};
use crate::ingress::events::{Event, Settle, Settlement, Topic, batch};

/// How many messages are taken, and handed over, at once.
const AT_ONCE: u32 = 10;

/// A round ends when so many answers in a row have had only messages that had their turn.
const NOTHING_NEW: u32 = 3;

/// A round through a queue.
pub struct Round<'a> {
    /// The queue.
    pub queue: &'a dyn UndeliveredQueue,
    /// How its messages are read.
    pub form: Form,
    /// For how long a message is hidden from others while it has its turn: longer than a function may take.
    pub hold: Duration,
    /// When the round begins. What comes into the queue later has no turn: an event that is refused may bring another message into the same
    /// queue, and the round would never end.
    pub begins: Instant,
}

impl std::fmt::Debug for Round<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Round").finish_non_exhaustive()
    }
}

/// What became of the messages of a queue.
#[derive(Debug, Default)]
pub struct Report {
    /// Events that are stored here or with the next hop.
    pub handed_over: u64,
    /// Events that are kept as dead letters of the twin.
    pub kept: u64,
    /// Messages that stay in the queue.
    pub stay: u64,
    /// Why they stay: one entry for each event that was not taken over, or for the message.
    pub failures: Vec<Failed>,
    /// What ended the round before the end of the queue.
    pub ended_by: Option<Failure>,
}

/// Something that stays in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What the platform calls the message.
    pub message: String,
    /// The event's id, if it has one.
    pub event: Option<String>,
    /// Why.
    pub cause: String,
}

/// A message that was only looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What the platform calls it.
    pub message: String,
    /// When the platform put it into the queue: RFC 3339 in UTC.
    pub since: Option<String>,
    /// What the event in it is about, and its id; or why it holds none. A message with several events is listed for each.
    pub event: Result<(Topic, Option<String>), String>,
}

/// Messages that had their turn and are still in the queue. Only their receipts are needed.
#[derive(Default)]
struct Held(BTreeMap<String, Undelivered>);

impl Held {
    fn hold(&mut self, message: Undelivered) {
        let message = Undelivered {
            body: Vec::new(),
            attributes: BTreeMap::new(),
            ..message
        };
        self.0.insert(message.id.clone(), message);
    }

    /// Those of the messages that have not had their turn. The others have come again, with a new receipt.
    fn new_ones(&mut self, taken: Vec<Undelivered>) -> Vec<Undelivered> {
        let (again, new): (Vec<_>, _) = taken
            .into_iter()
            .partition(|message| self.0.contains_key(&message.id));
        again.into_iter().for_each(|message| self.hold(message));
        new
    }

    /// Shows them to others again. If that fails, they show up by themselves, when their time is over.
    async fn release(self, queue: &dyn UndeliveredQueue) {
        let messages: Vec<_> = self.0.into_values().collect();
        if let Err(failure) = queue.release(&messages).await {
            tracing::warn!(cause = %failure, "messages of a queue stay hidden until their time is over");
        }
    }
}

impl Round<'_> {
    /// Hands the events of all messages over. A message is removed once all of its events are settled.
    pub async fn hand_over(&self, to: &dyn Settle) -> Report {
        let mut report = Report::default();
        let mut held = Held::default();
        let mut fruitless = 0;
        while fruitless < NOTHING_NEW {
            let new = match self.take(&mut held).await {
                Ok(Some(new)) => new,
                Ok(None) => break,
                Err(failure) => {
                    report.ended_by = Some(failure);
                    break;
                }
            };
            let (late, new): (Vec<_>, Vec<_>) =
                new.into_iter().partition(|message| self.is_late(message));
            fruitless = if new.is_empty() { fruitless + 1 } else { 0 };
            for message in late {
                report.stay += 1;
                report.failures.push(Failed {
                    message: message.id.clone(),
                    event: None,
                    cause: "it came into the queue after this command had begun".to_owned(),
                });
                held.hold(message);
            }
            let turns = stream::iter(new).map(|message| self.turn(message, to));
            let mut turns = turns.buffer_unordered(AT_ONCE as usize);
            while let Some(turn) = turns.next().await {
                report.handed_over += turn.handed_over;
                report.kept += turn.kept;
                if !turn.failures.is_empty() {
                    report.stay += 1;
                    held.hold(turn.message);
                }
                report.failures.extend(turn.failures);
            }
        }
        held.release(self.queue).await;
        report
    }

    /// Shows what would be handed over, and changes nothing. `show` is called for each event.
    ///
    /// # Errors
    /// The failure of the queue, or that of `show`.
    pub async fn preview<E: From<Failure>>(
        &self,
        mut show: impl FnMut(Listed) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut held = Held::default();
        let shown = self.preview_all(&mut held, &mut show).await;
        held.release(self.queue).await;
        shown
    }

    async fn preview_all<E: From<Failure>>(
        &self,
        held: &mut Held,
        show: &mut impl FnMut(Listed) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut fruitless = 0;
        while fruitless < NOTHING_NEW {
            let Some(new) = self.take(held).await? else {
                break;
            };
            fruitless = if new.is_empty() { fruitless + 1 } else { 0 };
            for message in new {
                let listed = listed(&message, self.form.read(&message));
                held.hold(message);
                listed.into_iter().try_for_each(&mut *show)?;
            }
        }
        Ok(())
    }

    /// The messages that have not had their turn, of the next ones in the queue; `None` at its end.
    async fn take(&self, held: &mut Held) -> Result<Option<Vec<Undelivered>>, Failure> {
        let taken = self.queue.take(AT_ONCE, self.hold).await?;
        Ok((!taken.is_empty()).then(|| held.new_ones(taken)))
    }

    fn is_late(&self, message: &Undelivered) -> bool {
        message.since.is_some_and(|since| since > self.begins)
    }

    async fn turn(&self, message: Undelivered, to: &dyn Settle) -> Turn {
        let mut turn = Turn::of(message);
        let events = match self.form.read(&turn.message) {
            Ok(events) => events,
            Err(unreadable) => {
                turn.failed(None, unreadable.to_string());
                return turn;
            }
        };
        if events.is_empty() {
            turn.failed(None, "it holds no event".to_owned());
            return turn;
        }
        let ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
        let settlements = batch::each(events, to).await;
        for (id, settlement) in ids.into_iter().zip(settlements) {
            match settlement {
                Settlement::Acknowledged => turn.handed_over += 1,
                Settlement::Kept => turn.kept += 1,
                Settlement::Again(cause) => turn.failed(id, cause),
            }
        }
        if turn.failures.is_empty()
            && let Err(failure) = self.queue.remove(&turn.message).await
        {
            turn.failed(
                None,
                format!("it was handed over, but not removed: {failure}"),
            );
        }
        turn
    }
}

/// What became of one message.
struct Turn {
    message: Undelivered,
    handed_over: u64,
    kept: u64,
    failures: Vec<Failed>,
}

impl Turn {
    fn of(message: Undelivered) -> Self {
        Self {
            message,
            handed_over: 0,
            kept: 0,
            failures: Vec::new(),
        }
    }

    fn failed(&mut self, event: Option<String>, cause: String) {
        self.failures.push(Failed {
            message: self.message.id.clone(),
            event,
            cause,
        });
    }
}

fn listed(message: &Undelivered, read: Result<Vec<Event>, Unreadable>) -> Vec<Listed> {
    let one = |event| Listed {
        message: message.id.clone(),
        since: message
            .since
            .map(|since| Timestamp::from_micros(since).to_string()),
        event,
    };
    match read {
        Ok(events) => {
            let events = events.into_iter();
            let events = events.map(|event| Ok((Topic::of(&event.subject), event.id)));
            events.map(one).collect()
        }
        Err(unreadable) => vec![one(Err(unreadable.to_string()))],
    }
}
