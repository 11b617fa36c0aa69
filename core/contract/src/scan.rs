//! The JSON scanner: one pass over a document that says whether it is JSON, how deep it nests, and where its fields lie.
//!
//! Nothing is turned into numbers, strings or trees: a value is the span of text that it is, so that it can be carried
//! verbatim. Grammar: RFC 8259. Nesting is counted and not recursed into, so a hostile body costs no stack.

use std::{borrow::Cow, collections::BTreeSet};

use crate::{ContractError, MAX_DEPTH};

/// A value as it stands in its document: valid JSON without spaces around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a>(&'a str);

/// The fields of one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a> {
    /// In order of appearance.
    list: Vec<(Cow<'a, str>, Value<'a>)>,
    /// The names once more, as soon as there are many: an envelope has few, and looking through them is fastest, but a body
    /// of 256 KiB has room for tens of thousands, and then looking through all for each would take seconds.
    names: BTreeSet<Cow<'a, str>>,
    /// The first name that was there before.
    repeated: Option<Cow<'a, str>>,
}

/// What a document turned out to be.
#[derive(Clone, Debug)]
pub(crate) struct Document<'a> {
    /// The fields; none if it is something else than an object.
    pub(crate) fields: Option<Fields<'a>>,
    /// The fields of the object in the field that was asked for.
    pub(crate) inner: Option<Fields<'a>>,
    /// How deep objects and arrays nest, the outermost included.
    pub(crate) depth: usize,
}

/// Scans a document. Of the field `inner`, if it is an object, the fields are found in the same pass.
///
/// # Errors
/// If it is no JSON, with the place, or nests deeper than [`MAX_DEPTH`].
pub(crate) fn scan<'a>(text: &'a str, inner: &str) -> Result<Document<'a>, ContractError> {
    let mut scanner = Scanner {
        text,
        rest: text.as_bytes(),
        depth: 0,
        deepest: 0,
    };
    scanner.document(inner).map_err(|flaw| match flaw {
        Flaw::TooDeep => ContractError::BodyTooDeep,
        Flaw::NotJson => scanner.not_json(),
    })
}

impl<'a> Value<'a> {
    /// Its text.
    pub(crate) const fn get(self) -> &'a str {
        self.0
    }

    /// The string that it is, borrowed where it holds no escapes; none if it is something else, or holds half a surrogate
    /// pair.
    pub(crate) fn as_text(self) -> Option<Cow<'a, str>> {
        let plain = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if plain.contains('\\') {
            unescape(self.0)
        } else {
            Some(Cow::Borrowed(plain))
        }
    }
}

/// The string that a quoted text with escapes stands for.
fn unescape(quoted: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str(quoted).ok().map(Cow::Owned)
}

impl<'a> Fields<'a> {
    const FEW: usize = 32;

    fn push(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        let repeated = if self.list.len() < Self::FEW {
            self.list.iter().any(|(known, _)| *known == name)
        } else {
            if self.names.is_empty() {
                self.names = self.list.iter().map(|(name, _)| name.clone()).collect();
            }
            !self.names.insert(name.clone())
        };
        if repeated && self.repeated.is_none() {
            self.repeated = Some(name.clone());
        }
        self.list.push((name, value));
    }

    /// The fields, in order of appearance.
    ///
    /// # Errors
    /// [`ContractError::FieldRepeated`] if one is there twice.
    pub(crate) fn each_once(self) -> Result<Vec<(Cow<'a, str>, Value<'a>)>, ContractError> {
        match self.repeated {
            Some(name) => Err(ContractError::FieldRepeated(name.into_owned())),
            None => Ok(self.list),
        }
    }
}

/// Why a scan ended early. The place is the scanner's.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    NotJson,
    TooDeep,
}

struct Scanner<'a> {
    text: &'a str,
    /// What is not scanned yet.
    rest: &'a [u8],
    /// Brackets open around `rest`.
    depth: usize,
    deepest: usize,
}

impl<'a> Scanner<'a> {
    fn document(&mut self, inner: &str) -> Result<Document<'a>, Flaw> {
        let mut document = Document {
            fields: None,
            inner: None,
            depth: 0,
        };
        self.space();
        if self.rest.first() == Some(&b'{') {
            let fields = self.object(|scanner, name| {
                if name == inner && scanner.rest.first() == Some(&b'{') {
                    document.inner = Some(scanner.object(|scanner, _| scanner.value())?);
                    Ok(())
                } else {
                    scanner.value()
                }
            })?;
            document.fields = Some(fields);
        } else {
            self.value()?;
        }
        self.space();
        document.depth = self.deepest;
        match self.rest {
            [] => Ok(document),
            _ => Err(Flaw::NotJson),
        }
    }

    /// An object, field by field: `value` scans the value of each.
    fn object(
        &mut self,
        mut value: impl FnMut(&mut Self, &str) -> Result<(), Flaw>,
    ) -> Result<Fields<'a>, Flaw> {
        let mut fields = Fields::default();
        self.expect(b'{')?;
        self.enter()?;
        self.space();
        if self.take(b'}') {
            self.depth -= 1;
            return Ok(fields);
        }
        loop {
            let name = self.name()?;
            let start = self.at();
            value(self, &name)?;
            fields.push(name, Value(self.since(start)));
            self.space();
            if self.take(b'}') {
                self.depth -= 1;
                return Ok(fields);
            }
            self.expect(b',')?;
            self.space();
        }
    }

    /// The name of a field, up to the first byte of its value.
    fn name(&mut self) -> Result<Cow<'a, str>, Flaw> {
        let before = self.rest;
        let start = self.at();
        self.expect(b'"')?;
        let name = if self.string()? {
            unescape(self.since(start)).ok_or_else(|| {
                self.rest = before;
                Flaw::NotJson
            })?
        } else {
            let quoted = self.since(start);
            Cow::Borrowed(quoted.get(1..quoted.len() - 1).unwrap_or_default())
        };
        self.colon()?;
        Ok(name)
    }

    fn colon(&mut self) -> Result<(), Flaw> {
        self.space();
        self.expect(b':')?;
        self.space();
        Ok(())
    }

    /// One value of any kind.
    fn value(&mut self) -> Result<(), Flaw> {
        const { assert!(MAX_DEPTH <= 64) };
        // The brackets that are open within this value, the innermost lowest: a one is an object.
        let mut objects: u64 = 0;
        let outside = self.depth;
        loop {
            let before = self.rest;
            match self.next()? {
                b'"' => drop(self.string()?),
                b'{' => {
                    self.enter()?;
                    self.space();
                    if self.take(b'}') {
                        self.depth -= 1;
                    } else {
                        objects = objects << 1 | 1;
                        self.member()?;
                        continue;
                    }
                }
                b'[' => {
                    self.enter()?;
                    self.space();
                    if self.take(b']') {
                        self.depth -= 1;
                    } else {
                        objects <<= 1;
                        continue;
                    }
                }
                b'-' => {
                    if !self.take(b'0') {
                        self.digits()?;
                    }
                    self.fraction()?;
                }
                b'0' => self.fraction()?,
                b'1'..=b'9' => {
                    self.any_digits();
                    self.fraction()?;
                }
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                _ => {
                    self.rest = before;
                    return Err(Flaw::NotJson);
                }
            }
            // What may follow a value.
            loop {
                if self.depth == outside {
                    return Ok(());
                }
                self.space();
                let in_object = objects & 1 == 1;
                if self.take(b',') {
                    self.space();
                    if in_object {
                        self.member()?;
                    }
                    break;
                }
                self.expect(if in_object { b'}' } else { b']' })?;
                self.depth -= 1;
                objects >>= 1;
            }
        }
    }

    /// A name that nobody asks for, up to the first byte of its value.
    fn member(&mut self) -> Result<(), Flaw> {
        self.expect(b'"')?;
        self.string()?;
        self.colon()
    }

    /// The rest of a string, behind its first quote. Returns whether it holds escapes.
    fn string(&mut self) -> Result<bool, Flaw> {
        let mut escapes = false;
        loop {
            // Eight bytes at once, as long as none of them ends the string or is special in it.
            while let Some((eight, rest)) = self.rest.split_first_chunk::<8>() {
                let special = special(u64::from_le_bytes(*eight));
                if special == 0 {
                    self.rest = rest;
                    continue;
                }
                let plain = special.trailing_zeros() as usize / 8;
                self.rest = self.rest.get(plain..).unwrap_or_default();
                break;
            }
            let before = self.rest;
            match self.next()? {
                b'"' => return Ok(escapes),
                b'\\' => {
                    escapes = true;
                    self.escape()?;
                }
                0..b' ' => {
                    self.rest = before;
                    return Err(Flaw::NotJson);
                }
                _ => {}
            }
        }
    }

    /// The rest of an escape, behind its backslash.
    fn escape(&mut self) -> Result<(), Flaw> {
        let before = self.rest;
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => return Ok(()),
            b'u' => {
                if let Some((digits, rest)) = self.rest.split_first_chunk::<4>()
                    && digits.iter().all(u8::is_ascii_hexdigit)
                {
                    self.rest = rest;
                    return Ok(());
                }
            }
            _ => self.rest = before,
        }
        Err(Flaw::NotJson)
    }

    /// What may follow the whole part of a number.
    fn fraction(&mut self) -> Result<(), Flaw> {
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Flaw> {
        let before = self.rest.len();
        self.any_digits();
        if self.rest.len() == before {
            return Err(Flaw::NotJson);
        }
        Ok(())
    }

    fn any_digits(&mut self) {
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Flaw> {
        self.rest = self.rest.strip_prefix(word).ok_or(Flaw::NotJson)?;
        Ok(())
    }

    fn space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn next(&mut self) -> Result<u8, Flaw> {
        let (byte, rest) = self.rest.split_first().ok_or(Flaw::NotJson)?;
        self.rest = rest;
        Ok(*byte)
    }

    /// Takes the byte if it is next.
    fn take(&mut self, byte: u8) -> bool {
        match self.rest {
            [next, rest @ ..] if *next == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Flaw> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(Flaw::NotJson)
        }
    }

    fn enter(&mut self) -> Result<(), Flaw> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        if self.depth > MAX_DEPTH {
            return Err(Flaw::TooDeep);
        }
        Ok(())
    }

    const fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at()).unwrap_or_default()
    }

    /// Where the scan ended: the first byte that cannot be there, or the end.
    #[cold]
    fn not_json(&self) -> ContractError {
        let before = self.text.as_bytes().get(..self.at()).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').next_back();
        ContractError::BodyNotJson {
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            column: 1 + line.map_or(0, <[u8]>::len),
        }
    }
}

/// Whether a text can stand between quotes as it is.
pub(crate) fn is_plain(text: &str) -> bool {
    let (eights, rest) = text.as_bytes().as_chunks::<8>();
    eights
        .iter()
        .all(|eight| special(u64::from_le_bytes(*eight)) == 0)
        && !rest
            .iter()
            .any(|byte| matches!(byte, 0..b' ' | b'"' | b'\\'))
}

/// Marks the first of eight bytes, the lowest counted first, that is a quote, a backslash or a control character, by its
/// highest bit; marks above it mean nothing. Zero if there is none.
const fn special(eight: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // Subtracting borrows from the next byte only where this one is marked.
    let below_space = eight.wrapping_sub(ONES * b' ' as u64) & !eight;
    let quote = eight ^ (ONES * b'"' as u64);
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = eight ^ (ONES * b'\\' as u64);
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (below_space | quote | backslash) & HIGHS
}

#[cfg(test)]
mod tests;
