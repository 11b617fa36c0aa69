//! `dead-letter-replay` in a folder: listing letters, and leasing them.

use twin_adapter::{
    Failure,
    bindings::dead_letter_replay::{
        Guest, Lease, Page, Place, PreviewPage, Selection, StoredLetter, Summary, Taken,
    },
    clock,
};
use twin_contract::Fill;

use crate::{
    Adapter,
    letters::{Hold, Letters},
    names,
};

impl Guest for Adapter {
    async fn list(after: Option<Place>, limit: u32) -> Result<Page, Failure> {
        let letters = Letters::open().await?;
        // A letter's number is the time at which it was stored.
        let after =
            after.map(|place| names::numbered(place.number, &names::plain(&place.letter_id)));
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
            if !page.push(letter, bytes) {
                break;
            }
        }
        let (letters, more) = page.finish();
        let next = letters.last().filter(|_| more).map(|last| Place {
            number: names::sortable(last.stored_at),
            letter_id: last.letter.letter_id.clone(),
        });
        Ok(Page { letters, next })
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

    async fn preview(
        selection: Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        let letters = Letters::open().await?;
        let after = after.map(|place| (place.number, names::plain(&place.letter_id)));
        let mut page = Fill::new(limit.max(1));
        for turn in letters.in_turn().await? {
            if after
                .as_ref()
                .is_some_and(|(number, name)| (turn.number, &turn.name) <= (*number, name))
            {
                continue;
            }
            if page.is_full() {
                page.stop();
                break;
            }
            let Some((stored, ..)) = letters.at(&turn.name, &turn.place).await? else {
                continue;
            };
            if is_free(&stored, &selection) {
                page.push((turn.number, stored), 0);
            }
        }
        let (page, more) = page.finish();
        let next = page.last().filter(|_| more).map(|(number, last)| Place {
            number: *number,
            letter_id: last.letter.letter_id.clone(),
        });
        let letters = page.into_iter().map(|(_, stored)| Summary {
            letter_id: stored.letter.letter_id,
            id: stored.letter.id,
            peer: stored.letter.peer,
            stored_at: stored.stored_at,
        });
        Ok(PreviewPage {
            letters: letters.collect(),
            next,
        })
    }

    async fn take(
        selection: Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        let letters = Letters::open().await?;
        let wanted = selection.letter_id.as_deref().map(names::plain);
        let queue = letters.in_turn().await?;
        let last_turn = queue.last().map_or(0, |last| last.number);
        // A caller's round number is limited to those that the store has issued.
        let round = round.map_or(last_turn, |round| round.min(last_turn));
        let mut last_turn = last_turn;
        let mut taken = Fill::new(limit);
        for turn in queue {
            if turn.number > round {
                break;
            }
            if wanted.as_ref().is_some_and(|wanted| *wanted != turn.name) {
                continue;
            }
            if taken.is_full() {
                taken.stop();
                break;
            }
            let Some((stored, version, _)) = letters.at(&turn.name, &turn.place).await? else {
                continue;
            };
            if !is_free(&stored, &selection) {
                continue;
            }
            let bytes = stored.letter.envelope.len();
            if !taken.fits(bytes) {
                taken.stop();
                break;
            }
            let receipt = clock::unique();
            last_turn = last_turn.saturating_add(1);
            let now = clock::now();
            let hold = Hold {
                receipt: Some(receipt.clone()),
                since_us: now,
                until_us: clock::later(now, lease_ms),
                settled: false,
                turn: Some(last_turn),
            };
            // If another replay was faster, it has the letter; if the letter has been settled meanwhile, it is gone.
            if letters.swap(&turn.name, version, &hold).await?
                && letters.read(&turn.name).await?.is_some()
            {
                let lease = Lease {
                    letter: stored.letter,
                    receipt,
                    turn: turn.number,
                };
                taken.push(lease, bytes);
            }
        }
        let (leases, more) = taken.finish();
        Ok(Taken {
            leases,
            round,
            more,
        })
    }

    async fn take_damaged(_letter_id: String, _lease_ms: u32) -> Result<Option<Lease>, Failure> {
        // Files in this store have no digest.
        Ok(None)
    }

    async fn settle(letter_id: String, receipt: String) -> Result<bool, Failure> {
        let settled = |_| Hold {
            settled: true,
            ..Hold::default()
        };
        give_up(&letter_id, &receipt, settled).await
    }

    async fn release(
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        let released = |held: Hold| Hold {
            turn: held.turn.into_iter().chain(turn).min(),
            ..Hold::default()
        };
        give_up(&letter_id, &receipt, released).await
    }
}

/// Whether a letter is in a selection and not leased.
fn is_free(stored: &StoredLetter, selection: &Selection) -> bool {
    let Selection {
        letter_id,
        peer,
        before,
    } = selection;
    let letter = &stored.letter;
    stored.leased_until.is_none()
        && letter_id.as_ref().is_none_or(|id| *id == letter.letter_id)
        && peer.as_ref().is_none_or(|peer| *peer == letter.peer)
        && before.is_none_or(|before| stored.stored_at < before)
}

/// Replaces the lease to which the receipt belongs. The swap fails if a replay has taken the letter again.
async fn give_up(
    letter_id: &str,
    receipt: &str,
    next: impl FnOnce(Hold) -> Hold,
) -> Result<bool, Failure> {
    let letters = Letters::open().await?;
    let name = names::plain(letter_id);
    let Some(letter) = letters.read(&name).await? else {
        return Ok(false);
    };
    let (version, held) = letters.hold(&name).await?;
    if held.receipt.as_deref() != Some(receipt) {
        return Ok(false);
    }
    let next = next(held);
    if !letters.swap(&name, version, &next).await? {
        return Ok(false);
    }
    if next.settled {
        letters.remove(&name, letter.stored_at).await?;
    }
    Ok(true)
}
