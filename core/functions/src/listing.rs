//! Reading a collection page by page: shared by `GET /read` and `GET /errors`.

use twin_capabilities::{
    Failure, Log, Records,
    records::{self, Selection, StoredEntry},
};
use twin_contract::{Item, Page, Position, Query, Timestamp};

use crate::{Call, Response, reply};

/// Answers a query with `{"items":[…],"count":n,"next":"…"}`.
///
/// # Errors
/// The store's failure.
pub(crate) async fn list<C: Records + Log>(
    call: &Call<'_, C>,
    collection: &str,
    device_id: String,
    query: Query,
) -> Result<Response, Failure> {
    let order = query.order;
    let records = call.capabilities();
    let found = Records::query(records, collection.to_owned(), selection(device_id, query)).await?;
    let mut page = Page::default();
    for entry in &found.entries {
        if page.push(&item(entry)).is_err() {
            call.error("record is not a JSON object", &[("id", &entry.id)]);
        }
    }
    let last = found.entries.last().filter(|_| found.more);
    let next = last.map(|last| {
        let position = Position {
            time: Timestamp::from_micros(last.time),
            id: last.id.clone(),
        };
        position.to_cursor(order)
    });
    Ok(reply::json(200, page.finish(next.as_deref())))
}

fn item(entry: &StoredEntry) -> Item<'_> {
    Item {
        document: &entry.body,
        id: &entry.id,
        stored_at: Timestamp::from_micros(entry.stored_at),
    }
}

fn selection(device_id: String, query: Query) -> Selection {
    Selection {
        device_id,
        start: query.from.map(Timestamp::as_micros),
        end: query.to.map(Timestamp::as_micros),
        order: query.order,
        limit: query.limit,
        after: query.after.map(|position| records::Position {
            time: position.time.as_micros(),
            id: position.id,
        }),
    }
}
