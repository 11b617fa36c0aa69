//! The JSON scanner: one pass over a document that finds out whether it is JSON, how deep it nests, and where its fields
//! are.
//!
//! Nothing is converted to numbers, strings or trees: a value is a span of the text, so it can be carried verbatim.
//! Grammar: RFC 8259. Nesting is counted without recursion, so a malicious body cannot exhaust the stack.

use std::{borrow::Cow, collections::HashSet, mem};

use crate::{
    ContractError, MAX_DEPTH,
    text::{special, unescape},
};

/// A value as it is in its document: valid JSON without spaces around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a>(&'a str);

/// The fields of one object, in order of appearance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// The result of scanning a document.
#[derive(Clone, Debug)]
pub(crate) struct Document<'a> {
    /// The fields; `None` if the document is not an object.
    pub(crate) fields: Option<Fields<'a>>,
    /// The fields of the object in the requested field.
    pub(crate) inner: Option<Fields<'a>>,
    /// How deep objects and arrays nest, the outermost included.
    pub(crate) depth: usize,
}

/// Scans a document. If the field `inner` is an object, its fields are found in the same pass.
///
/// # Errors
/// If it is not JSON, with the position, or nests deeper than [`MAX_DEPTH`].
pub(crate) fn scan<'a>(text: &'a str, inner: &str) -> Result<Document<'a>, ContractError> {
    let mut scanner = Scanner::new(text);
    scanner.document(inner).map_err(|flaw| match flaw {
        Flaw::TooDeep => ContractError::BodyTooDeep,
        Flaw::NotJson => scanner.not_json(),
    })
}

/// Scans an object that has a list in one of its fields, and counts the elements. Each element may nest as deep as a
/// document. The count is `None` if there is no such field or it is not an array. Returns `None` if the text is not a JSON
/// object.
pub(crate) fn scan_list<'a>(text: &'a str, list: &str) -> Option<(Fields<'a>, Option<usize>)> {
    let mut scanner = Scanner::new(text);
    let mut count = None;
    scanner.space();
    let fields = scanner.object(|scanner, name| {
        if name == list && scanner.rest.first() == Some(&b'[') {
            count = Some(scanner.elements()?);
            Ok(())
        } else {
            scanner.value()
        }
    });
    scanner.space();
    let fields = fields.ok()?;
    scanner.rest.is_empty().then_some((fields, count))
}

impl<'a> Value<'a> {
    /// Its text.
    pub(crate) const fn get(self) -> &'a str {
        self.0
    }

    /// The value as a string, borrowed if it has no escapes; `None` if it is not a string, or contains half a surrogate
    /// pair.
    pub(crate) fn as_text(self) -> Option<Cow<'a, str>> {
        let plain = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if plain.contains('\\') {
            unescape(plain).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(plain))
        }
    }
}

impl<'a> Fields<'a> {
    /// Up to this number of names, comparing each with all earlier ones is the fastest way to find a repeated one.
    const FEW: usize = 32;

    /// The fields, in order of appearance.
    ///
    /// # Errors
    /// [`ContractError::FieldRepeated`] if a field occurs twice.
    pub(crate) fn each_once(self) -> Result<Vec<(Cow<'a, str>, Value<'a>)>, ContractError> {
        let repeated = if self.0.len() <= Self::FEW {
            self.repeated_of_few()
        } else {
            self.repeated_of_many()
        };
        match repeated {
            Some(name) => Err(ContractError::FieldRepeated(name.to_owned())),
            None => Ok(self.0),
        }
    }

    /// The value of a field that occurs exactly once.
    pub(crate) fn once(&self, name: &str) -> Option<Value<'a>> {
        let mut named = self.0.iter().filter(|(field, _)| field == name);
        let (_, value) = named.next()?;
        named.next().is_none().then_some(*value)
    }

    /// The first name that occurred before.
    fn repeated_of_few(&self) -> Option<&str> {
        let mut names = self.0.iter().map(|(name, _)| name.as_ref()).enumerate();
        names.find_map(|(at, name)| {
            let mut before = self.0.iter().take(at);
            before.any(|(known, _)| known == name).then_some(name)
        })
    }

    /// The same for many names: a body of 256 KiB can have tens of thousands. They come from outside, so the hash must not
    /// be predictable: std's has random keys.
    fn repeated_of_many(&self) -> Option<&str> {
        let mut names = self.0.iter().map(|(name, _)| name.as_ref());
        let mut known = HashSet::with_capacity(self.0.len());
        names.find(|name| !known.insert(*name))
    }
}

/// Why a scan ended early. The scanner has the position.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    NotJson,
    TooDeep,
}

struct Scanner<'a> {
    text: &'a str,
    /// The text that is not scanned yet.
    rest: &'a [u8],
    /// The number of brackets that are open at `rest`.
    depth: usize,
    deepest: usize,
}

impl<'a> Scanner<'a> {
    const fn new(text: &'a str) -> Self {
        Self {
            text,
            rest: text.as_bytes(),
            depth: 0,
            deepest: 0,
        }
    }

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

    /// Scans an object, field by field: `value` scans the value of each.
    fn object(
        &mut self,
        mut value: impl FnMut(&mut Self, &str) -> Result<(), Flaw>,
    ) -> Result<Fields<'a>, Flaw> {
        let mut fields = Vec::new();
        self.expect(b'{')?;
        self.enter()?;
        self.space();
        if self.take(b'}') {
            self.depth -= 1;
            return Ok(Fields(fields));
        }
        loop {
            let name = self.name()?;
            let start = self.at();
            value(self, &name)?;
            fields.push((name, Value(self.since(start))));
            self.space();
            if self.take(b'}') {
                self.depth -= 1;
                return Ok(Fields(fields));
            }
            self.expect(b',')?;
            self.space();
        }
    }

    /// Scans an array, element by element. For nesting, each element counts as a document of its own.
    fn elements(&mut self) -> Result<usize, Flaw> {
        let outside = mem::take(&mut self.depth);
        let count = self.counted();
        self.depth = outside;
        count
    }

    fn counted(&mut self) -> Result<usize, Flaw> {
        self.expect(b'[')?;
        self.space();
        if self.take(b']') {
            return Ok(0);
        }
        let mut count = 0;
        loop {
            self.value()?;
            count += 1;
            self.space();
            if self.take(b']') {
                return Ok(count);
            }
            self.expect(b',')?;
            self.space();
        }
    }

    /// Scans the name of a field, up to the first byte of its value.
    fn name(&mut self) -> Result<Cow<'a, str>, Flaw> {
        let before = self.rest;
        let start = self.at();
        self.expect(b'"')?;
        let escapes = self.string()?;
        let quoted = self.since(start);
        let plain = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        let name = if escapes {
            let text = unescape(plain).ok_or_else(|| {
                self.rest = before;
                Flaw::NotJson
            })?;
            Cow::Owned(text)
        } else {
            Cow::Borrowed(plain)
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

    /// Scans one value of any kind.
    fn value(&mut self) -> Result<(), Flaw> {
        const { assert!(MAX_DEPTH <= 64) };
        // The brackets that are open within this value, the innermost in the lowest bit; 1 means an object.
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

    /// Scans a name without returning it, up to the first byte of its value.
    fn member(&mut self) -> Result<(), Flaw> {
        self.expect(b'"')?;
        self.string()?;
        self.colon()
    }

    /// Scans the rest of a string, after its first quote. Returns whether it has escapes.
    fn string(&mut self) -> Result<bool, Flaw> {
        let mut escapes = false;
        loop {
            // Reads eight bytes at a time, as long as none of them is special in a string.
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

    /// Scans the rest of an escape, after its backslash.
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

    /// Scans what may follow the integer part of a number.
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

    /// Scans one or more digits.
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

    /// Skips the byte if it is next.
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

    /// The position where the scan ended: the first byte that is not allowed, or the end.
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

#[cfg(test)]
mod tests;
