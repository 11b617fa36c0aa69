//! The query string of `GET /read` and `GET /errors`: `from`, `to`, `order`, `limit`, `cursor`, and `device_id`.

use std::fmt;

use crate::{
    ContractError, MessageId, Timestamp,
    parameters::{parameters, whole_number},
};

/// By (time, id).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// `order=desc`, or no `order`.
    #[default]
    NewestFirst,
    /// `order=asc`.
    OldestFirst,
}

/// A place in the order: right after the record with this time and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The record's time.
    pub time: Timestamp,
    /// The record's id.
    pub id: String,
}

/// A parsed query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The device whose records are wanted, if the route has devices.
    pub device_id: Option<String>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// By (time, id).
    pub order: Order,
    /// 1 to 1000; 100 if absent.
    pub limit: u32,
    /// The end of the previous page.
    pub after: Option<Position>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            device_id: None,
            from: None,
            to: None,
            order: Order::default(),
            limit: Self::DEFAULT_LIMIT,
            after: None,
        }
    }
}

impl Query {
    /// The limit if none is given.
    pub const DEFAULT_LIMIT: u32 = 100;
    /// The largest limit.
    pub const MAX_LIMIT: u32 = 1000;

    /// Parses the query string of `GET /read`, which is for one device.
    ///
    /// # Errors
    /// If `device_id` is missing, or a parameter has a wrong value, or is unknown, malformed or repeated.
    pub fn of_device(query: &str) -> Result<Self, ContractError> {
        let query = Self::parse(query, true)?;
        match &query.device_id {
            Some(_) => Ok(query),
            None => Err(ContractError::ParameterMissing("device_id")),
        }
    }

    /// Parses the query string of a route without devices.
    ///
    /// # Errors
    /// If a parameter has a wrong value, or is unknown, malformed or repeated.
    pub fn of_all(query: &str) -> Result<Self, ContractError> {
        Self::parse(query, false)
    }

    fn parse(query: &str, devices: bool) -> Result<Self, ContractError> {
        let mut parsed = Self::default();
        let mut cursor = None;
        for (name, value) in parameters(query)? {
            match name.as_ref() {
                "device_id" if devices && (1..=crate::MAX_DEVICE_ID).contains(&value.len()) => {
                    parsed.device_id = Some(value.into_owned());
                }
                "device_id" if devices => {
                    return Err(invalid("device_id", "1 to 256 bytes"));
                }
                "from" => parsed.from = Some(instant("from", &value)?),
                "to" => parsed.to = Some(instant("to", &value)?),
                "order" => parsed.order = order(&value)?,
                "limit" => parsed.limit = limit(&value)?,
                "cursor" => cursor = Some(value.into_owned()),
                _ => return Err(ContractError::ParameterUnknown(name.into_owned())),
            }
        }
        // A cursor belongs to an order, which is known only now.
        parsed.after = cursor
            .map(|cursor| Position::from_cursor(&cursor, parsed.order))
            .transpose()?;
        Ok(parsed)
    }
}

impl Position {
    /// The cursor that continues after this place: opaque to callers, and only valid for queries with the same order.
    pub fn to_cursor(&self, order: Order) -> String {
        format!("{}{}~{}", order.mark(), self.time.as_micros(), self.id)
    }

    fn from_cursor(cursor: &str, order: Order) -> Result<Self, ContractError> {
        let parse = || {
            let (time, id) = cursor.strip_prefix(order.mark())?.split_once('~')?;
            Some(Self {
                time: Timestamp::from_micros(time.parse().ok()?),
                id: MessageId::parse(id).ok()?.as_str().to_owned(),
            })
        };
        // A number has exactly one spelling, so text that only resembles a cursor is rejected.
        let position: Option<Self> = parse();
        let ours = position.filter(|position| position.to_cursor(order) == cursor);
        ours.ok_or(invalid(
            "cursor",
            "the `next` of an earlier page of the same query",
        ))
    }
}

impl Order {
    const fn mark(self) -> char {
        match self {
            Self::NewestFirst => 'd',
            Self::OldestFirst => 'a',
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NewestFirst => "desc",
            Self::OldestFirst => "asc",
        })
    }
}

const fn invalid(parameter: &'static str, expected: &'static str) -> ContractError {
    ContractError::ParameterInvalid {
        parameter,
        expected,
    }
}

fn instant(parameter: &'static str, text: &str) -> Result<Timestamp, ContractError> {
    Timestamp::parse_utc(text).ok_or(invalid(
        parameter,
        "an RFC 3339 timestamp in UTC that ends in Z",
    ))
}

fn order(text: &str) -> Result<Order, ContractError> {
    [Order::NewestFirst, Order::OldestFirst]
        .into_iter()
        .find(|order| order.to_string() == text)
        .ok_or(invalid("order", "\"asc\" or \"desc\""))
}

pub(crate) fn limit(text: &str) -> Result<u32, ContractError> {
    whole_number(text)
        .and_then(|limit| u32::try_from(limit).ok())
        .filter(|limit| (1..=Query::MAX_LIMIT).contains(limit))
        .ok_or(invalid("limit", "a number from 1 to 1000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_newest_first_and_a_hundred() {
        let query = Query::of_device("device_id=a%20b").expect("valid");
        assert_eq!(query.device_id.as_deref(), Some("a b"));
        assert_eq!(
            (query.order, query.limit, query.after),
            (Order::NewestFirst, 100, None)
        );
    }

    #[test]
    fn everything_wrong_is_named() {
        for (query, named) in [
            ("", "`device_id` is missing"),
            ("device_id=", "`device_id` must be"),
            ("device_id=a&limit=0", "`limit` must be"),
            ("device_id=a&limit=1001", "`limit` must be"),
            ("device_id=a&limit=x", "`limit` must be"),
            ("device_id=a&limit=", "`limit` must be"),
            ("device_id=a&order=up", "`order` must be"),
            ("device_id=a&from=yesterday", "`from` must be"),
            ("device_id=a&to=2020-01-01", "`to` must be"),
            ("device_id=a&cursor=x", "`cursor` must be"),
            ("device_id=a&cursor=a1~x", "`cursor` must be"),
            ("device_id=a&cursor=d%2B1~x", "`cursor` must be"),
            ("device_id=a&cursor=d01~x", "`cursor` must be"),
            (
                "device_id=a&device_id=b",
                "`device_id` is unknown or given more than once",
            ),
            ("device_id=a&form=b", "`form` is unknown"),
            ("device_id=%zz", "`device_id` is not percent-encoded UTF-8"),
            ("device_id=%ff", "`device_id` is not percent-encoded UTF-8"),
            ("device_id=a&limit=%2B5", "`limit` must be"),
        ] {
            let error = Query::of_device(query).expect_err(query).to_string();
            assert!(error.contains(named), "{query}: {error}");
        }
        assert!(Query::of_all("device_id=a").is_err());
        assert!(Query::of_all("limit=1000").is_ok());
    }

    #[test]
    fn a_cursor_reads_back_in_its_own_order_only() {
        let position = Position {
            time: Timestamp::from_micros(-5),
            id: "a:b.c_d-e".to_owned(),
        };
        let cursor = position.to_cursor(Order::OldestFirst);
        let query = format!("order=asc&cursor={cursor}&device_id=d");
        assert_eq!(
            Query::of_device(&query).expect("valid").after,
            Some(position)
        );
        assert!(Query::of_device(&query.replace("asc", "desc")).is_err());
    }
}
