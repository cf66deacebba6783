//! The grammar of one item, independent of the result that is built.

use std::borrow::Cow;

use super::{Malformed, stop::stop};

/// Deepest nesting that is read; a deeper item is quarantined as a whole.
pub const DEPTH_MAX: u32 = 128;

/// Returns the bytes as text, without a byte order mark. Invalid UTF-8 becomes U+FFFD, and the
/// result is then owned.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // The usual case first: validation is several times faster than the replacement of invalid
    // bytes.
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// A value that contains no others.
#[derive(Debug, Clone)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    /// A number as written.
    Number(&'a str),
    /// A string without escapes.
    Text(&'a str),
    /// A string that had to be unescaped.
    Unescaped(String),
}

/// Builds a result from the values of a text, so that one grammar serves all results.
///
/// Every value gets a place first, and then its content. No value is passed around, because moving
/// partly built values costs more than the grammar.
pub(super) trait Build<'a> {
    /// The place of an unfinished array or object.
    type Container;

    /// Creates a place for a member; the last one of a repeated key counts.
    fn member(&mut self, key: &'a str);
    /// Creates a place for a member whose key had to be unescaped.
    fn unescaped_member(&mut self, key: String);
    /// Creates a place for an element, or for the outermost value.
    fn element(&mut self);
    /// Fills the newest place.
    fn scalar(&mut self, scalar: Scalar<'a>);
    /// Opens an array or object at the newest place; it contains the places created until it is
    /// closed.
    fn open(&mut self) -> Self::Container;
    fn close_array(&mut self, container: Self::Container);
    fn close_object(&mut self, container: Self::Container);
}

/// Builds the value that fills the whole text, and returns whether any of its texts was damaged.
pub(super) fn build<'a, B: Build<'a>>(text: &'a str, builder: &mut B) -> Result<bool, Malformed> {
    let mut parser = Parser::new(text, builder);
    parser.outermost()?;
    parser.space();
    if parser.at < parser.bytes.len() {
        return Err(parser.fail("text after the value"));
    }
    Ok(parser.damaged)
}

/// Builds the value at the start of a text, and returns where it ends.
pub(super) fn build_first<'a, B: Build<'a>>(
    text: &'a str,
    builder: &mut B,
) -> Result<usize, Malformed> {
    let mut parser = Parser::new(text, builder);
    parser.outermost()?;
    Ok(parser.at)
}

struct Parser<'a, 'b, B> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    damaged: bool,
    builder: &'b mut B,
}

impl<'a, 'b, B: Build<'a>> Parser<'a, 'b, B> {
    fn new(text: &'a str, builder: &'b mut B) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, damaged: false, builder }
    }

    fn outermost(&mut self) -> Result<(), Malformed> {
        self.builder.element();
        self.value(0)
    }

    fn fail(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Parses a value into the newest place.
    fn value(&mut self, depth: u32) -> Result<(), Malformed> {
        self.space();
        let scalar = match self.peek() {
            Some(b'"') => match self.plain() {
                Some(text) => Scalar::Text(text),
                None => Scalar::Unescaped(self.unescaped()?),
            },
            Some(b'{') => return self.object(depth),
            Some(b'[') => return self.array(depth),
            Some(b't') => self.word("true", Scalar::Bool(true))?,
            Some(b'f') => self.word("false", Scalar::Bool(false))?,
            Some(b'n') => self.word("null", Scalar::Null)?,
            Some(b'-' | b'0'..=b'9') => Scalar::Number(self.number()?),
            Some(_) => return Err(self.fail("not a JSON value")),
            None => return Err(self.fail("unexpected end of text")),
        };
        self.builder.scalar(scalar);
        Ok(())
    }

    fn word(&mut self, word: &'static str, value: Scalar<'a>) -> Result<Scalar<'a>, Malformed> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word.as_bytes()) {
            return Err(self.fail("not a JSON value"));
        }
        self.at = end;
        Ok(value)
    }

    fn deeper(&self, depth: u32) -> Result<u32, Malformed> {
        if depth >= DEPTH_MAX { Err(self.fail("nested too deeply")) } else { Ok(depth + 1) }
    }

    fn object(&mut self, depth: u32) -> Result<(), Malformed> {
        let depth = self.deeper(depth)?;
        let container = self.builder.open();
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.builder.close_object(container);
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.fail("no key where an object wants one"));
            }
            if let Some(key) = self.plain() {
                self.builder.member(key);
            } else {
                let key = self.unescaped()?;
                self.builder.unescaped_member(key);
            }
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.fail("missing colon after a key"));
            }
            self.at += 1;
            self.value(depth)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.fail("unterminated object")),
            }
        }
        self.at += 1;
        self.builder.close_object(container);
        Ok(())
    }

    fn array(&mut self, depth: u32) -> Result<(), Malformed> {
        let depth = self.deeper(depth)?;
        let container = self.builder.open();
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.builder.close_array(container);
            return Ok(());
        }
        loop {
            self.builder.element();
            self.value(depth)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.fail("unterminated array")),
            }
        }
        self.at += 1;
        self.builder.close_array(container);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == from { Err(self.fail("number without digits")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<&'a str, Malformed> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.at;
        self.digits()?;
        if self.bytes.get(first) == Some(&b'0') && self.at > first + 1 {
            return Err(self.fail("number with a leading zero"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        self.text.get(from..self.at).ok_or_else(|| self.fail("invalid number"))
    }

    /// Reads a string without escapes; the parser is at its opening quote. Returns `None` for any
    /// other string, and then does not advance.
    fn plain(&mut self) -> Option<&'a str> {
        let from = self.at + 1;
        let rest = self.bytes.get(from..)?;
        let length = stop(rest).filter(|length| rest.get(*length) == Some(&b'"'))?;
        let plain = self.text.get(from..from + length)?;
        self.at = from + length + 1;
        Some(plain)
    }

    /// Reads a string with escapes or invalid characters; the parser is at its opening quote.
    fn unescaped(&mut self) -> Result<String, Malformed> {
        let mut out = String::new();
        let mut is_first = true;
        loop {
            let from = self.at + usize::from(is_first);
            let rest = self.bytes.get(from..).unwrap_or_default();
            let stop = stop(rest).ok_or_else(|| self.fail("unterminated string"))?;
            is_first = false;
            out.push_str(self.text.get(from..from + stop).unwrap_or_default());
            self.at = from + stop + 1;
            match rest.get(stop) {
                Some(b'"') => break,
                Some(0) => {
                    let char = self.damage();
                    out.push(char);
                    continue;
                }
                _ => {}
            }
            let escape = self.peek();
            self.at += 1;
            match escape {
                Some(plain @ (b'"' | b'\\' | b'/')) => out.push(char::from(plain)),
                Some(b'b') => out.push('\u{8}'),
                Some(b'f') => out.push('\u{c}'),
                Some(b'n') => out.push('\n'),
                Some(b'r') => out.push('\r'),
                Some(b't') => out.push('\t'),
                Some(b'u') => {
                    let char = self.unicode()?;
                    out.push(char);
                }
                _ => return Err(self.fail("unknown escape")),
            }
        }
        Ok(out)
    }

    /// The character of `\uXXXX`, or of two of them; half a pair becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, Malformed> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff if self.bytes.get(self.at..self.at + 2) == Some(b"\\u") => {
                let back = self.at;
                self.at += 2;
                let second = self.hex4()?;
                if (0xdc00..=0xdfff).contains(&second) {
                    0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                } else {
                    // The second escape is a character of its own.
                    self.at = back;
                    first
                }
            }
            other => other,
        };
        Ok(char::from_u32(code).filter(|char| *char != '\0').unwrap_or_else(|| self.damage()))
    }

    /// Records damage, and returns the replacement for a character that PostgreSQL cannot store.
    fn damage(&mut self) -> char {
        self.damaged = true;
        '\u{fffd}'
    }

    fn hex4(&mut self) -> Result<u32, Malformed> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.fail("unknown escape"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests;
