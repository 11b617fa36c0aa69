//! Compression of outgoing bodies, because clouds charge for outgoing bytes. Only a peer that announces `gzip` in the
//! `accept-encoding` of its replies (RFC 9110, 12.5.3) receives gzip; a peer that implements only the specification never
//! does.

use std::{
    collections::HashMap,
    io::Write,
    sync::{PoisonError, RwLock, RwLockWriteGuard},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, header};
use tokio::{task, time::Instant};
use url::Url;

/// Bodies up to this length in bytes are sent uncompressed, because compression would gain little.
const SHORTEST: usize = 1024;
/// Bodies longer than this, in bytes, are compressed outside the asynchronous tasks, because it takes milliseconds.
const LONG: usize = 16 * 1024;

/// How long no gzip is sent to a peer that refused it, although the peer announces it: a gateway in between may be the
/// cause.
const REFUSAL: Duration = Duration::from_mins(10);

/// Which peers accept gzip, according to their replies.
#[derive(Debug, Default)]
pub(super) struct Codings {
    gzip: RwLock<HashMap<Url, Known>>,
}

/// What is known about a peer.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// Its last reply announced gzip. This many coded messages in a row were refused because of their coding.
    Announced { refusals: u8 },
    /// A coded message failed, at this time.
    Refused(Instant),
}

impl Codings {
    /// The body in gzip; `None` if the peer at this URL does not accept it, or if it would not be shorter.
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

    /// Records what a reply announces. The most recent reply counts.
    pub(super) fn learn(&self, url: &Url, announced: bool) {
        let known = self.known(url);
        if matches!(known, Some(Known::Refused(at)) if at.elapsed() < REFUSAL) {
            return;
        }
        match (announced, known) {
            (true, Some(Known::Announced { .. })) | (false, None) => {}
            (true, _) => self.note(url, Known::Announced { refusals: 0 }),
            (false, _) => drop(self.change().remove(url)),
        }
    }

    /// A coded message was accepted.
    pub(super) fn took(&self, url: &Url) {
        if matches!(self.known(url), Some(Known::Announced { refusals: 1.. })) {
            self.note(url, Known::Announced { refusals: 0 });
        }
    }

    /// A coded message was refused, and then accepted without the coding. After two refusals in a row, the message is not
    /// the cause: the peer gets no gzip for a while.
    pub(super) fn refused(&self, url: &Url) {
        match self.known(url) {
            Some(Known::Announced { refusals: 0 }) => {
                self.note(url, Known::Announced { refusals: 1 });
            }
            Some(Known::Announced { .. }) => self.note(url, Known::Refused(Instant::now())),
            Some(Known::Refused(_)) | None => {}
        }
    }

    fn note(&self, url: &Url, known: Known) {
        self.change().insert(url.clone(), known);
    }

    /// Records a refusal if the guard is dropped without an answer, for example when time runs out.
    pub(super) const fn until_answered<'a>(&'a self, url: &'a Url) -> Unanswered<'a> {
        Unanswered(Some((self, url)))
    }

    fn change(&self) -> RwLockWriteGuard<'_, HashMap<Url, Known>> {
        self.gzip.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, url: &Url) -> Option<Known> {
        let gzip = self.gzip.read().unwrap_or_else(PoisonError::into_inner);
        gzip.get(url).copied()
    }

    fn takes_gzip(&self, url: &Url) -> bool {
        matches!(self.known(url), Some(Known::Announced { .. }))
    }
}

/// A coded message that has been sent and is not yet answered.
pub(super) struct Unanswered<'a>(Option<(&'a Codings, &'a Url)>);

impl Unanswered<'_> {
    /// The coding was not the cause.
    pub(super) fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some((codings, url)) = self.0.take() {
            codings.note(url, Known::Refused(Instant::now()));
        }
    }
}

/// Whether a reply's headers announce that its sender accepts gzip.
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
            // A weight of 0 excludes a coding.
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

    #[tokio::test(start_paused = true)]
    async fn a_coded_message_without_an_answer_is_the_last_for_ten_minutes() {
        let codings = Codings::default();
        let url: Url = "http://127.0.0.1/".parse().unwrap();
        codings.learn(&url, true);
        codings.until_answered(&url).answered();
        assert!(codings.takes_gzip(&url));
        codings.refused(&url);
        codings.took(&url);
        codings.refused(&url);
        assert!(codings.takes_gzip(&url), "once may be the message");
        codings.refused(&url);
        assert!(!codings.takes_gzip(&url), "twice in a row is the coding");
        tokio::time::advance(REFUSAL).await;
        codings.learn(&url, true);
        drop(codings.until_answered(&url));
        codings.learn(&url, true);
        assert!(
            !codings.takes_gzip(&url),
            "it announces what does not arrive"
        );
        tokio::time::advance(REFUSAL).await;
        codings.learn(&url, true);
        assert!(codings.takes_gzip(&url));
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
