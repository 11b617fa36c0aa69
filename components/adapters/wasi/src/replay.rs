//! `dead-letter-replay` in a folder: listing letters, and leasing them.

use twin_adapter::{
    Failure,
    bindings::dead_letter_replay::{Guest, Lease, Page, StoredLetter},
    clock,
};
use twin_contract::Fill;

use crate::{
    Adapter,
    letters::{Hold, Letters},
    names,
};

impl Guest for Adapter {
    async fn list(cursor: Option<String>, limit: u32) -> Result<Page, Failure> {
        let letters = Letters::open().await?;
        // A cursor is the place of the last letter shown; one that is no place stands before all of them.
        let after = cursor.filter(|place| names::read_place(place).is_some());
        let after = after.unwrap_or_default();
        let mut page = Fill::new(limit.max(1));
        for (name, place) in letters.in_order().await? {
            if place <= after {
                continue;
            }
            if page.is_full() {
                page.stop();
                break;
            }
            let Some((letter, ..)) = letters.at(&name, &place).await? else {
                continue;
            };
            let bytes = letter.letter.envelope.len();
            if !page.push((place, letter), bytes) {
                break;
            }
        }
        let (page, more) = page.finish();
        let last = page.last().filter(|_| more);
        Ok(Page {
            next: last.map(|(place, _)| place.clone()),
            letters: page.into_iter().map(|(_, letter)| letter).collect(),
        })
    }

    async fn get(letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        let letters = Letters::open().await?;
        let name = names::plain(&letter_id);
        let Some(letter) = letters.read(&name).await? else {
            return Ok(None);
        };
        let place = names::place(letter.stored_at, &name);
        let found = letters.at(&name, &place).await?;
        Ok(found.map(|(letter, ..)| letter))
    }

    async fn take(
        letter_id: Option<String>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Vec<Lease>, Failure> {
        let letters = Letters::open().await?;
        let wanted = letter_id.map(|letter_id| names::plain(&letter_id));
        let mut taken = Fill::new(limit);
        for (name, place) in letters.in_order().await? {
            if wanted.as_ref().is_some_and(|wanted| *wanted != name) {
                continue;
            }
            if taken.is_full() {
                break;
            }
            let Some((letter, version, _)) = letters.at(&name, &place).await? else {
                continue;
            };
            let bytes = letter.letter.envelope.len();
            if letter.leased_until.is_some() {
                continue;
            }
            if !taken.fits(bytes) {
                break;
            }
            let receipt = clock::unique();
            let hold = Hold {
                receipt: Some(receipt.clone()),
                until_us: clock::later(clock::now(), lease_ms),
                settled: false,
            };
            // If somebody else was faster, it is theirs; if it was settled meanwhile, it is gone.
            if letters.swap(&name, version, &hold).await? && letters.read(&name).await?.is_some() {
                let letter = letter.letter;
                taken.push(Lease { letter, receipt }, bytes);
            }
        }
        Ok(taken.finish().0)
    }

    async fn settle(letter_id: String, receipt: String) -> Result<bool, Failure> {
        let settled = Hold {
            settled: true,
            ..Hold::default()
        };
        give_up(&letter_id, &receipt, &settled).await
    }

    async fn release(letter_id: String, receipt: String) -> Result<bool, Failure> {
        give_up(&letter_id, &receipt, &Hold::default()).await
    }
}

/// Replaces the lease that the receipt is of. The swap decides between this and somebody who takes the letter anew.
async fn give_up(letter_id: &str, receipt: &str, hold: &Hold) -> Result<bool, Failure> {
    let letters = Letters::open().await?;
    let name = names::plain(letter_id);
    let Some(letter) = letters.read(&name).await? else {
        return Ok(false);
    };
    let (version, current) = letters.hold(&name).await?;
    if current.receipt.as_deref() != Some(receipt) || !letters.swap(&name, version, hold).await? {
        return Ok(false);
    }
    if hold.settled {
        letters.remove(&name, letter.stored_at).await?;
    }
    Ok(true)
}
