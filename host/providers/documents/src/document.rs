//! What a document database stores: documents, their addresses, and ranges of them.

use std::{collections::BTreeMap, fmt};

use twin_capabilities::Instant;

/// The tables of a twin. A cloud's service calls them tables, containers or collections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Every collection of records but the system errors.
    Messages,
    /// The system errors that the error reporter stored.
    SystemErrors,
    /// Messages that could not be delivered.
    DeadLetters,
    /// Circuits, and the document that the health check writes.
    State,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 4] = [
        Self::Messages,
        Self::SystemErrors,
        Self::DeadLetters,
        Self::State,
    ];
}

/// Where a document is. An address holds at most one document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The table.
    pub table: Table,
    /// The partition, which follows from the key: documents of one range are in one partition. At most 1 KiB of UTF-8.
    pub partition: String,
    /// Unique within the table: 64 lower-case hex digits.
    pub key: String,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it is.
    pub address: Address,
    /// Its place in the partition, by bytes: [`Index::Order`]. At most 512 bytes of ASCII, not empty.
    pub order: String,
    /// A second order, which only some documents have: [`Index::Queue`].
    pub queue: Option<String>,
    /// When the database may remove it.
    pub expires_at: Option<Instant>,
    /// What is in it.
    pub fields: Fields,
}

/// The fields of a document by name. Names are of `a-z` and `_`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub BTreeMap<String, Value>);

/// The value of a field. It comes back as it was stored.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Any text.
    Text(String),
    /// Any number.
    Number(i64),
    /// Any bytes.
    Bytes(Vec<u8>),
}

/// A document as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The document.
    pub document: Document,
    /// Its state: another one after every change.
    pub tag: Tag,
}

/// Stands for one state of a document. Opaque: an entity tag, a random number, a time. No two states of one address have the same
/// tag, even if the document was removed and created again in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(pub String);

/// What [`Documents::create`](crate::Documents::create) did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The document is durable.
    New,
    /// Nothing: this one was there already.
    Exists(Stored),
}

/// By what a range is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Index {
    /// [`Document::order`].
    Order,
    /// [`Document::queue`]; documents without one are not in it. Only [`Table::DeadLetters`] needs this index.
    Queue,
}

/// The documents of one partition between two places of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The table.
    pub table: Table,
    /// The partition.
    pub partition: String,
    /// The index.
    pub index: Index,
    /// The first place that is included. Not empty.
    pub from: String,
    /// The first place that is not included any more. Not empty, and never before `from`.
    pub to: String,
    /// From the end to the beginning.
    pub descending: bool,
}

/// Some documents of a range, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// At most as many as were asked for. It may be fewer though more follow, since some services count bytes; but then at least one.
    pub documents: Vec<Stored>,
    /// Whether the range may have more documents after these.
    pub more: bool,
}

impl fmt::Debug for Value {
    /// Shows sizes and not the content, which may be a message.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "Text({} bytes)", text.len()),
            Self::Number(number) => write!(formatter, "Number({number})"),
            Self::Bytes(bytes) => write!(formatter, "Bytes({} bytes)", bytes.len()),
        }
    }
}

impl Value {
    /// Bytes as text if they are UTF-8, so that the cloud's own tools can show them.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Bytes(error.into_bytes()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            // As many digits as a number of 64 bits may have.
            Self::Number(_) => 20,
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

impl Fields {
    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, name: &str, text: impl Into<String>) -> Self {
        self.with(name, Value::Text(text.into()))
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, name: &str, number: i64) -> Self {
        self.with(name, Value::Number(number))
    }

    /// A field that must be a text.
    ///
    /// # Errors
    /// The name, if there is no such text.
    pub fn text_of<'a>(&'a self, name: &'static str) -> Result<&'a str, Missing> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(Missing(name)),
        }
    }

    /// A field that must be a number.
    ///
    /// # Errors
    /// The name, if there is no such number.
    pub fn number_of(&self, name: &'static str) -> Result<i64, Missing> {
        match self.0.get(name) {
            Some(Value::Number(number)) => Ok(*number),
            _ => Err(Missing(name)),
        }
    }

    /// A field that must be a text or bytes.
    ///
    /// # Errors
    /// The name, if there is neither.
    pub fn bytes_of<'a>(&'a self, name: &'static str) -> Result<&'a [u8], Missing> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Ok(text.as_bytes()),
            Some(Value::Bytes(bytes)) => Ok(bytes),
            _ => Err(Missing(name)),
        }
    }
}

/// A document without a field that all documents of its kind have: something else than this program wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing(pub &'static str);

impl Document {
    /// How many bytes its names and values have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Address { partition, key, .. } = &self.address;
        let fields = self.fields.0.iter();
        let queue = self.queue.as_ref().map_or(0, String::len);
        partition.len()
            + key.len()
            + self.order.len()
            + queue
            + fields
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>()
    }

    /// Its place in an index; `None` if it is not in it.
    #[must_use]
    pub fn place(&self, index: Index) -> Option<&str> {
        match index {
            Index::Order => Some(&self.order),
            Index::Queue => self.queue.as_deref(),
        }
    }
}
