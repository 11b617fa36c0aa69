//! The answer to *List Blobs*, which is XML.

use std::{borrow::Cow, time::UNIX_EPOCH};

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use twin_capabilities::{Instant, provider::micros};

/// A page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) blobs: Vec<Blob>,
    /// Where the next page begins; `None` on the last one.
    pub(super) marker: Option<String>,
}

/// A blob, as it is listed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) name: String,
    /// When it was written, to the second.
    pub(super) written_at: Option<Instant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EnumerationResults {
    blobs: Blobs,
    #[serde(default)]
    next_marker: String,
}

#[derive(Deserialize)]
struct Blobs {
    #[serde(rename = "Blob", default)]
    blobs: Vec<ListedBlob>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedBlob {
    name: Name,
    #[serde(default)]
    properties: Properties,
}

#[derive(Deserialize)]
struct Name {
    /// Whether the name is percent-encoded, because it has characters that XML must not have.
    #[serde(rename = "@Encoded")]
    encoded: Option<String>,
    #[serde(rename = "$text")]
    text: String,
}

#[derive(Default, Deserialize)]
struct Properties {
    #[serde(rename = "Last-Modified")]
    last_modified: Option<String>,
    /// An account with a hierarchical namespace lists folders, too.
    #[serde(rename = "ResourceType")]
    resource_type: Option<String>,
}

impl List {
    /// `None` if it is not such an answer.
    pub(super) fn read(answer: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(answer).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let results: EnumerationResults = quick_xml::de::from_str(text).ok()?;
        let listed = results.blobs.blobs.into_iter();
        let blobs = listed
            .filter(|blob| blob.properties.resource_type.as_deref() != Some("directory"))
            .map(|blob| {
                Some(Blob {
                    name: blob.name.decoded()?,
                    written_at: blob.properties.written_at(),
                })
            });
        Some(Self {
            blobs: blobs.collect::<Option<_>>()?,
            marker: Some(results.next_marker).filter(|marker| !marker.is_empty()),
        })
    }
}

impl Name {
    fn decoded(self) -> Option<String> {
        match self.encoded.as_deref() {
            Some("true") => {
                let decoded = percent_decode_str(&self.text).decode_utf8();
                decoded.ok().map(Cow::into_owned)
            }
            _ => Some(self.text),
        }
    }
}

impl Properties {
    fn written_at(&self) -> Option<Instant> {
        let date = httpdate::parse_http_date(self.last_modified.as_deref()?).ok()?;
        date.duration_since(UNIX_EPOCH).ok().map(micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(blobs: &str, marker: &str) -> String {
        format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\
             <EnumerationResults ServiceEndpoint=\"https://a.blob.core.windows.net/\" ContainerName=\"c\">\
             <MaxResults>100</MaxResults><Blobs>{blobs}</Blobs>{marker}</EnumerationResults>"
        )
    }

    #[test]
    fn names_and_times_are_read_and_folders_are_left_out() {
        let blobs = "<Blob><Name>SUB/2026/1/2/3/a &amp; b.json</Name><Properties>\
            <Creation-Time>Thu, 01 Jan 1970 00:00:01 GMT</Creation-Time>\
            <Last-Modified>Thu, 01 Jan 1970 00:00:02 GMT</Last-Modified><Etag>0x8D1</Etag>\
            <Content-Length>12</Content-Length><BlobType>BlockBlob</BlobType></Properties><OrMetadata /></Blob>\
            <Blob><Name Encoded=\"true\">x%EF%BF%BE</Name><Properties /></Blob>\
            <Blob><Name>SUB</Name><Properties><ResourceType>directory</ResourceType></Properties></Blob>";
        let list = List::read(answer(blobs, "<NextMarker>2!m</NextMarker>").as_bytes()).unwrap();
        let blob = |name: &str, written_at| Blob {
            name: name.to_owned(),
            written_at,
        };
        assert_eq!(
            list.blobs,
            [
                blob("SUB/2026/1/2/3/a & b.json", Some(2_000_000)),
                blob("x\u{fffe}", None)
            ]
        );
        assert_eq!(list.marker.as_deref(), Some("2!m"));
    }

    #[test]
    fn the_last_page_has_no_marker() {
        for marker in ["<NextMarker />", "<NextMarker></NextMarker>", ""] {
            let list = List::read(answer("", marker).as_bytes()).unwrap();
            assert_eq!((list.blobs.len(), list.marker), (0, None));
        }
        assert_eq!(List::read(b"<html></html>"), None);
        assert_eq!(List::read(b"{}"), None);
    }
}
