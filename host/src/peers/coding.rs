//! Compression of what is sent: what leaves a cloud is paid for by the byte. Only a peer that announces `gzip` in the
//! `accept-encoding` of its replies (RFC 9110, 12.5.3) is sent any; one that knows only the specification never sees it.

use std::{
    collections::HashSet,
    io::Write,
    sync::{PoisonError, RwLock},
};

use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, header};
use tokio::task;
use url::Url;

/// What is not longer is sent as it is, in bytes: it would gain little.
const SHORTEST: usize = 1024;
/// What is longer is compressed beside the asynchronous tasks, in bytes: it takes milliseconds.
const LONG: usize = 16 * 1024;

/// Which peers take gzip, as far as their last replies told.
#[derive(Debug, Default)]
pub(super) struct Codings {
    gzip: RwLock<HashSet<Url>>,
}

impl Codings {
    /// The body in gzip; none if the peer at this URL does not take it, or it would not be shorter.
    pub(super) async fn pack(&self, url: &Url, body: &[u8]) -> Option<Vec<u8>> {
        if body.len() <= SHORTEST || !self.takes_gzip(url) {
            return None;
        }
        let packed = if body.len() <= LONG {
            gzip(body)
        } else {
            let body = body.to_vec();
            task::spawn_blocking(move || gzip(&body)).await.ok()?
        };
        packed.filter(|packed| packed.len() < body.len())
    }

    /// Takes in what a reply announces: the last one counts.
    pub(super) fn learn(&self, url: &Url, announced: bool) {
        if announced != self.takes_gzip(url) {
            let mut gzip = self.gzip.write().unwrap_or_else(PoisonError::into_inner);
            if announced {
                gzip.insert(url.clone());
            } else {
                gzip.remove(url);
            }
        }
    }

    fn takes_gzip(&self, url: &Url) -> bool {
        let gzip = self.gzip.read().unwrap_or_else(PoisonError::into_inner);
        gzip.contains(url)
    }
}

/// Whether a reply's headers announce that its sender takes gzip.
pub(super) fn announces_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let named = ["gzip", "x-gzip"]
                .iter()
                .any(|gzip| name.eq_ignore_ascii_case(gzip));
            // A weight of 0 means: not this one.
            let refused = parts.any(|part| {
                part.to_ascii_lowercase()
                    .strip_prefix("q=")
                    .and_then(|weight| weight.parse::<f32>().ok())
                    .is_some_and(|weight| weight <= 0.0)
            });
            named && !refused
        })
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::default());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(values: &[&'static str]) -> bool {
        let values = values.iter().map(|value| {
            let value = http::HeaderValue::from_static(value);
            (header::ACCEPT_ENCODING, value)
        });
        announces_gzip(&values.collect())
    }

    #[test]
    fn gzip_is_announced_by_name_and_not_by_silence() {
        for values in [
            &["gzip"][..],
            &["br, GZIP ;q=0.5"],
            &["identity", "x-gzip"],
            &["gzip;q=1.0,*;q=0"],
        ] {
            assert!(announced(values), "{values:?}");
        }
        for values in [
            &[][..],
            &[""],
            &["identity"],
            &["*"],
            &["gzip;q=0"],
            &["gzip; Q=0.000"],
            &["gzipped"],
        ] {
            assert!(!announced(values), "{values:?}");
        }
    }

    #[tokio::test]
    async fn only_what_is_long_and_shrinks_is_packed_for_who_takes_it() {
        let codings = Codings::default();
        let url: Url = "http://127.0.0.1/a".parse().unwrap();
        let long = vec![b'x'; 100_000];
        assert_eq!(codings.pack(&url, &long).await, None);
        codings.learn(&url, true);
        for body in [&long[..], &long[..1025]] {
            let packed = codings.pack(&url, body).await.unwrap();
            let mut unpacked = Vec::new();
            let mut decoder = flate2::write::GzDecoder::new(&mut unpacked);
            decoder.write_all(&packed).unwrap();
            decoder.finish().unwrap();
            assert!(packed.len() < body.len() && unpacked == body);
        }
        assert_eq!(codings.pack(&url, &long[..1024]).await, None);
        let mut state = 1_u32;
        let noise: Vec<u8> = (0..2_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect();
        assert_eq!(codings.pack(&url, &noise).await, None, "it would grow");
        let other: Url = "http://127.0.0.1/b".parse().unwrap();
        assert_eq!(codings.pack(&other, &long).await, None);
        codings.learn(&url, false);
        assert_eq!(codings.pack(&url, &long).await, None);
    }
}
