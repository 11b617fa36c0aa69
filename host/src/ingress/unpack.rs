//! `content-encoding: gzip`: a body is decompressed before a function sees it, so that ids, limits and digests apply to what
//! the sender meant. Functions refuse all other codings.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use http::{HeaderMap, header};
use twin_contract::{MAX_BODY, codings};

use super::{
    body::{Body, Memory, READ_AT_MOST},
    refusal::Refusal,
};

/// Decompresses a body that is coded with gzip, and removes the headers about the compressed bytes. At most one byte more than
/// a body may have is produced, enough for the function to see that it is too large.
///
/// # Errors
/// [`Refusal::BodyNotGzip`] if it is not gzip; [`Refusal::Overloaded`] if there is no memory for the result.
pub(super) fn unpack(
    packed: Body,
    headers: &mut HeaderMap,
    memory: &Memory,
) -> Result<Body, Refusal> {
    if !is_gzip(headers) || packed.bytes.len() > MAX_BODY {
        return Ok(packed);
    }
    if packed.bytes.is_empty() {
        // Either too large to be read, which its length shows, or empty.
        if headers
            .get(header::CONTENT_LENGTH)
            .is_none_or(|length| length == "0")
        {
            headers.remove(header::CONTENT_ENCODING);
        }
        return Ok(packed);
    }
    let limit = u64::try_from(READ_AT_MOST).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed.bytes.as_slice())
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|_: io::Error| Refusal::BodyNotGzip)?;
    let share = memory.take(bytes.len())?;
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    Ok(Body { bytes, share })
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

    fn unpacked(bytes: Vec<u8>, coding: &str, memory: u32) -> Result<(Vec<u8>, usize), Refusal> {
        let mut headers = headers(coding, bytes.len());
        let body = Body {
            bytes,
            ..Body::default()
        };
        let body = unpack(body, &mut headers, &Memory::new(memory))?;
        Ok((body.bytes, headers.len()))
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
            let (bytes, headers) = unpacked(gzip(&plain), coding, 1 << 20).expect(coding);
            assert_eq!((bytes, headers), (plain.clone(), 0), "{coding}");
        }
        let two = [gzip(b"{\"device_id\":"), gzip(b"\"d\"}")].concat();
        assert_eq!(
            unpacked(two, "gzip", 1 << 20).expect("two members").0,
            plain
        );
    }

    #[test]
    fn other_codings_are_left_to_the_function() {
        for coding in ["identity", "br", "gzip, gzip", "deflate, gzip", ""] {
            let packed = gzip(b"{}");
            let (bytes, headers) = unpacked(packed.clone(), coding, 1 << 20).expect(coding);
            assert_eq!((bytes, headers), (packed, 2), "{coding}");
        }
    }

    #[test]
    fn a_bomb_is_unpacked_to_one_byte_more_than_a_body_may_have() {
        let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
        assert!(bomb.len() < MAX_BODY);
        let (bytes, _) = unpacked(bomb, "gzip", 1 << 20).expect("a part");
        assert_eq!(bytes.len(), MAX_BODY + 1);
        let most = gzip(&vec![b' '; MAX_BODY]);
        assert_eq!(
            unpacked(most, "gzip", 1 << 20).expect("fits").0.len(),
            MAX_BODY
        );
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
            let refused = unpacked(bytes.clone(), "gzip", 1 << 20);
            assert!(matches!(refused, Err(Refusal::BodyNotGzip)), "{bytes:?}");
        }
    }

    #[test]
    fn what_comes_out_takes_memory() {
        let packed = gzip(&vec![b' '; 2_000]);
        assert!(matches!(
            unpacked(packed, "gzip", 1_999),
            Err(Refusal::Overloaded)
        ));
    }
}
