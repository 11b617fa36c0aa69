//! `content-encoding: gzip`: a body is decompressed before a function sees it, so ids, limits and digests apply to the
//! uncompressed message. Functions refuse all other codings.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use http::{HeaderMap, header};
use twin_contract::{MAX_BODY, codings};

use super::Refusal;

/// The longest body that is read, in bytes: one more than the limit, so a function sees that the body is too large.
pub(crate) const READ_AT_MOST: usize = MAX_BODY + 1;

/// Decompresses a body that is coded with gzip, and removes the headers about the compressed bytes; `None` if the body is
/// to be used unchanged. At most [`READ_AT_MOST`] bytes are produced.
///
/// # Errors
/// [`Refusal::BodyNotGzip`] if it is not gzip.
pub(crate) fn unpack(packed: &[u8], headers: &mut HeaderMap) -> Result<Option<Vec<u8>>, Refusal> {
    if !is_gzip(headers) || packed.len() > MAX_BODY {
        return Ok(None);
    }
    if packed.is_empty() {
        // The body is empty, or its length already shows that it is too large.
        if headers
            .get(header::CONTENT_LENGTH)
            .is_none_or(|length| length == "0")
        {
            headers.remove(header::CONTENT_ENCODING);
        }
        return Ok(None);
    }
    let limit = u64::try_from(READ_AT_MOST).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|_: io::Error| Refusal::BodyNotGzip)?;
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    Ok(Some(bytes))
}

/// Whether gzip is the only coding of a message.
fn is_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = codings(values.map(|value| value.to_str().unwrap_or("?")));
    matches!(
        (codings.next().as_deref(), codings.next()),
        (Some("gzip" | "x-gzip"), None)
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn headers(coding: &str, length: usize) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, coding.parse().expect("a value"));
        headers.insert(header::CONTENT_LENGTH, length.into());
        headers
    }

    fn unpacked(bytes: Vec<u8>, coding: &str) -> Result<(Vec<u8>, usize), Refusal> {
        let mut headers = headers(coding, bytes.len());
        let unpacked = unpack(&bytes, &mut headers)?;
        Ok((unpacked.unwrap_or(bytes), headers.len()))
    }

    #[test]
    fn what_comes_out_is_what_was_packed_and_its_headers_are_gone() {
        let plain = br#"{"device_id":"d"}"#.to_vec();
        for coding in [
            "gzip",
            "x-gzip",
            "GZIP",
            " gzip ",
            "identity, gzip",
            "gzip,",
        ] {
            let (bytes, headers) = unpacked(gzip(&plain), coding).expect(coding);
            assert_eq!((bytes, headers), (plain.clone(), 0), "{coding}");
        }
        let two = [gzip(b"{\"device_id\":"), gzip(b"\"d\"}")].concat();
        assert_eq!(unpacked(two, "gzip").expect("two members").0, plain);
    }

    #[test]
    fn other_codings_are_left_to_the_function() {
        for coding in ["identity", "br", "gzip, gzip", "deflate, gzip", ""] {
            let packed = gzip(b"{}");
            let (bytes, headers) = unpacked(packed.clone(), coding).expect(coding);
            assert_eq!((bytes, headers), (packed, 2), "{coding}");
        }
    }

    #[test]
    fn a_bomb_is_unpacked_to_one_byte_more_than_a_body_may_have() {
        let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
        assert!(bomb.len() < MAX_BODY);
        let (bytes, _) = unpacked(bomb, "gzip").expect("a part");
        assert_eq!(bytes.len(), MAX_BODY + 1);
        let most = gzip(&vec![b' '; MAX_BODY]);
        assert_eq!(unpacked(most, "gzip").expect("fits").0.len(), MAX_BODY);
    }

    #[test]
    fn what_is_no_gzip_or_broke_off_is_refused() {
        let whole = gzip(b"{\"device_id\":\"d\"}");
        let mut damaged = whole.clone();
        let middle = damaged.len() - 6;
        if let Some(byte) = damaged.get_mut(middle) {
            *byte ^= 1;
        }
        let cut = whole.get(..whole.len() - 1).unwrap_or_default().to_vec();
        let behind = [whole, b"{}".to_vec()].concat();
        for bytes in [b"{}".to_vec(), damaged, cut, behind] {
            let refused = unpacked(bytes.clone(), "gzip");
            assert!(matches!(refused, Err(Refusal::BodyNotGzip)), "{bytes:?}");
        }
    }
}
