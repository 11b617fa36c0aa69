//! Settles the events of one delivery, which the platform delivers again as a whole or not at all.

use futures_util::{StreamExt, stream};

use super::{Event, Settle, Settlement};

/// How many events of a delivery are handed over at once.
const AT_ONCE: usize = 16;

/// Hands over every event, even if others fail: one that always fails must not prevent those behind it from being stored. The settlements are in the order of the events.
pub(crate) async fn each(events: Vec<Event>, to: &dyn Settle) -> Vec<Settlement> {
    let settlements = stream::iter(events).map(|event| to.settle(event, None));
    settlements.buffered(AT_ONCE).collect().await
}

/// Hands over every event, and asks for the whole delivery again if one of them was not taken over. What was taken over is
/// recognised by its id when it comes again.
pub(crate) async fn settle(events: Vec<Event>, to: &dyn Settle) -> Settlement {
    let settlements = each(events, to).await;
    let failures = settlements
        .iter()
        .filter_map(|settlement| match settlement {
            Settlement::Again(why) => Some(why),
            Settlement::Acknowledged | Settlement::Kept => None,
        });
    match failures.collect::<Vec<_>>().as_slice() {
        [] => Settlement::Acknowledged,
        [why] if settlements.len() == 1 => Settlement::Again((*why).clone()),
        [first, others @ ..] => Settlement::Again(format!(
            "{} of {} events were not taken over; the first because {first}",
            others.len() + 1,
            settlements.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::Duration};

    use async_trait::async_trait;

    use super::*;
    use crate::ingress::events::Subject;

    /// Takes over every event but those whose id is in the list.
    struct Failing(&'static [&'static str], Mutex<Vec<String>>);

    #[async_trait]
    impl Settle for Failing {
        async fn settle(&self, event: Event, _: Option<Duration>) -> Settlement {
            let id = event.id.unwrap();
            self.1.lock().unwrap().push(id.clone());
            match self.0.contains(&id.as_str()) {
                true => Settlement::Again(format!("{id} failed")),
                false => Settlement::Acknowledged,
            }
        }
    }

    fn event(id: &str) -> Event {
        Event {
            subject: Subject::SystemError,
            id: Some(id.to_owned()),
            body: Vec::new(),
            raw: Vec::new(),
        }
    }

    #[tokio::test]
    async fn one_event_that_fails_brings_all_of_them_again_and_stops_none() {
        for (ids, failing, expected) in [
            (&[][..], &[][..], Settlement::Acknowledged),
            (&["a", "b", "c"], &[], Settlement::Acknowledged),
            (&["a"], &["a"], Settlement::Again("a failed".to_owned())),
            (
                &["a", "b", "c"],
                &["a", "c"],
                Settlement::Again(
                    "2 of 3 events were not taken over; the first because a failed".to_owned(),
                ),
            ),
        ] {
            let failing = Failing(failing, Mutex::default());
            let events = ids.iter().map(|id| event(id)).collect();
            assert_eq!(settle(events, &failing).await, expected);
            assert_eq!(*failing.1.lock().unwrap(), ids);
        }
    }
}
