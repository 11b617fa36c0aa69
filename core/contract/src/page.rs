//! Pages of results: `{"items":[…],"count":n,"next":"…"}`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    ContractError, Timestamp,
    json::{Object, find, push_name, push_text},
    scan::{Value, scan_list},
};

/// One stored document, shown with its identity and the time it was stored.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// A JSON object.
    pub document: &'a [u8],
    /// Its identity.
    pub id: &'a str,
    /// When it was stored, by the store's clock.
    pub stored_at: Timestamp,
}

/// A page as its reader parses it: every item as the bytes that were sent.
#[derive(Debug, Deserialize)]
pub struct Listing {
    /// The items, in order.
    pub items: Vec<Box<RawValue>>,
    /// The cursor of the next page; `None` on the last page.
    #[serde(default)]
    pub next: Option<String>,
}

/// A page under construction.
#[derive(Clone, Debug)]
pub struct Page {
    json: String,
    count: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            json: String::from("{\"items\":["),
            count: 0,
        }
    }
}

impl Page {
    /// Appends a document's own fields, followed by `id` and `stored_at`. Fields with these names in the document itself
    /// are left out, because an item has one identity.
    ///
    /// # Errors
    /// If the document is not a JSON object, which a writer never stores.
    pub fn push(&mut self, item: &Item<'_>) -> Result<(), ContractError> {
        let object = Object::from_document(item.document)?;
        self.begin_item();
        let mut out = String::from("{");
        for (name, value) in &object.fields {
            if name != "id" && name != "stored_at" {
                push_name(&mut out, name);
                out.push_str(value.get());
            }
        }
        for (name, text) in [("id", item.id), ("stored_at", &item.stored_at.to_string())] {
            push_name(&mut out, name);
            push_text(&mut out, text);
        }
        out.push('}');
        self.json.push_str(&out);
        Ok(())
    }

    /// Appends a JSON document unchanged.
    pub fn push_raw(&mut self, json: &str) {
        self.begin_item();
        self.json.push_str(json);
    }

    /// The page as JSON; `next` is left out on the last one.
    #[must_use]
    pub fn finish(mut self, next: Option<&str>) -> Vec<u8> {
        self.json.push_str("],\"count\":");
        self.json.push_str(&self.count.to_string());
        if let Some(next) = next {
            push_name(&mut self.json, "next");
            push_text(&mut self.json, next);
        }
        self.json.push('}');
        self.json.into_bytes()
    }

    fn begin_item(&mut self) {
        if self.count > 0 {
            self.json.push(',');
        }
        self.count += 1;
    }
}

/// Whether a body is a page: `items`, `count` with their number, and optionally `next`. Any other body with status 200 was
/// not written by a function of this contract.
pub fn is_page(body: &[u8]) -> bool {
    let text = std::str::from_utf8(body).ok();
    let Some((fields, Some(items))) = text.and_then(|text| scan_list(text, "items")) else {
        return false;
    };
    let Ok(fields) = fields.each_once() else {
        return false;
    };
    let says = |name| find(&fields, name).map(Value::get);
    let next_is_one = match says("next") {
        None | Some("null") => true,
        Some(next) => next.starts_with('"') && next != "\"\"",
    };
    next_is_one && says("count") == Some(items.to_string().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_carry_their_fields_verbatim_and_one_identity() {
        let mut page = Page::default();
        let stored_at = Timestamp::from_micros(0);
        for document in [
            &br#"{"n":1.50}"#[..],
            br#"{"id":"theirs","stored_at":1,"a":[ ]}"#,
            b"{}",
        ] {
            page.push(&Item {
                document,
                id: "x",
                stored_at,
            })
            .expect("an object");
        }
        let tail = r#""id":"x","stored_at":"1970-01-01T00:00:00.000000Z"}"#;
        assert_eq!(
            String::from_utf8(page.finish(Some("c"))).expect("text"),
            format!(
                r#"{{"items":[{{"n":1.50,{tail},{{"a":[ ],{tail},{{{tail}],"count":3,"next":"c"}}"#
            )
        );
    }

    #[test]
    fn a_page_is_known_by_its_fields() {
        for body in [
            r#"{"items":[],"count":0}"#,
            r#"{"items":[{"n":1e400},{"n":25.40}],"count":2,"next":"c","more":1}"#,
        ] {
            assert!(is_page(body.as_bytes()), "{body}");
        }
        for body in [
            "",
            "<html>",
            "{}",
            "[]",
            r#"{"items":[]}"#,
            r#"{"count":0}"#,
            r#"{"items":{},"count":0}"#,
            r#"{"items":[{}],"count":0}"#,
            r#"{"items":[],"count":"0"}"#,
            r#"{"items":[],"count":0,"next":7}"#,
            r#"{"items":[],"count":0"#,
            r#"{"status":"received","id":"x"}"#,
        ] {
            assert!(!is_page(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn an_empty_last_page_has_no_next() {
        assert_eq!(Page::default().finish(None), br#"{"items":[],"count":0}"#);
    }

    #[test]
    fn a_reader_of_a_page_has_the_bytes_of_its_items() {
        let document = br#"{"b":1e400,"a":12345678901234567890.10}"#;
        let mut page = Page::default();
        page.push_raw(std::str::from_utf8(document).expect("text"));
        let listing: Listing = serde_json::from_slice(&page.finish(Some("c"))).expect("a page");
        let items: Vec<_> = listing.items.iter().map(|item| item.get()).collect();
        assert_eq!(items, [r#"{"b":1e400,"a":12345678901234567890.10}"#]);
        assert_eq!(listing.next.as_deref(), Some("c"));
    }
}
