//! The collections and fields in Firestore, and the indexes that the queries need. `prepare` makes them, `query` uses them.

use twin_documents::{Index, Range, Table};

/// The partition of a document.
pub(crate) const PARTITION: &str = "partition";
/// The place in [`Index::Order`].
pub(crate) const ORDER: &str = "order";
/// The place in [`Index::Queue`].
pub(crate) const QUEUE: &str = "queue";
/// When the document may be removed.
pub(crate) const EXPIRES: &str = "expires";
/// The document's own fields, a map.
pub(crate) const FIELDS: &str = "fields";

/// All fields.
pub(crate) const FIELD_NAMES: [&str; 5] = [PARTITION, ORDER, QUEUE, EXPIRES, FIELDS];

/// The fields of a table's documents. None needs an index of its own: those cost writes, and one over places that only increase
/// would limit a collection to 500 writes a second.
pub(crate) fn fields(table: Table) -> impl Iterator<Item = &'static str> {
    FIELD_NAMES.into_iter().filter(move |field| match *field {
        QUEUE => table == Table::DeadLetters,
        EXPIRES => table != Table::State,
        _ => true,
    })
}

/// The collection of a table.
pub(crate) const fn collection(table: Table) -> &'static str {
    match table {
        Table::Messages => "messages",
        Table::SystemErrors => "system_errors",
        Table::DeadLetters => "dead_letters",
        Table::State => "state",
    }
}

/// The field by which an index is ordered.
pub(crate) const fn field(index: Index) -> &'static str {
    match index {
        Index::Order => ORDER,
        Index::Queue => QUEUE,
    }
}

/// The direction of a query, and of the index that it needs: Firestore reads an index in one direction only.
pub(crate) const fn direction(descending: bool) -> &'static str {
    if descending {
        "DESCENDING"
    } else {
        "ASCENDING"
    }
}

/// A composite index, by partition and then by a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Composite {
    pub(crate) table: Table,
    pub(crate) index: Index,
    pub(crate) descending: bool,
}

/// The composite indexes: those that the twin's queries need.
pub(crate) const COMPOSITES: [Composite; 8] = [
    Composite::of(Table::Messages, Index::Order, false),
    Composite::of(Table::Messages, Index::Order, true),
    Composite::of(Table::SystemErrors, Index::Order, false),
    Composite::of(Table::SystemErrors, Index::Order, true),
    Composite::of(Table::DeadLetters, Index::Order, false),
    Composite::of(Table::DeadLetters, Index::Queue, false),
    Composite::of(Table::DeadLetters, Index::Queue, true),
    Composite::of(Table::State, Index::Order, false),
];

impl Composite {
    const fn of(table: Table, index: Index, descending: bool) -> Self {
        Self {
            table,
            index,
            descending,
        }
    }

    /// Whether one of the indexes answers this query.
    pub(crate) fn answers(range: &Range) -> bool {
        COMPOSITES.contains(&Self::of(range.table, range.index, range.descending))
    }
}
