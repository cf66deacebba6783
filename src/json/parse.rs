//! One item: bytes to a tree that borrows from them.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::{Json, Malformed, Member};

/// Deepest nesting that is read; a deeper item goes to quarantine whole.
pub const DEPTH_MAX: u32 = 128;

/// A parsed item.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<'a> {
    /// The value.
    pub value: Json<'a>,
    /// Whether a text was changed on the way in, because PostgreSQL cannot hold it: NUL, half of a surrogate pair.
    pub damaged: bool,
}

/// The bytes as text; what is not UTF-8 becomes U+FFFD, and then the result is owned. A byte order mark is dropped.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
}

/// Parses one value that fills the whole text.
pub fn parse(text: &str) -> Result<Parsed<'_>, Malformed> {
    let has_nul = memchr(0, text.as_bytes()).is_some();
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, damaged: false, has_nul };
    let value = parser.value(0)?;
    parser.space();
    if parser.at < parser.bytes.len() {
        return Err(parser.fail("text after the value"));
    }
    Ok(Parsed { value, damaged: parser.damaged })
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    damaged: bool,
    /// A NUL byte stands somewhere in the text, so that every string has to be looked through for it.
    has_nul: bool,
}

impl<'a> Parser<'a> {
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

    fn value(&mut self, depth: u32) -> Result<Json<'a>, Malformed> {
        self.space();
        match self.peek() {
            Some(b'"') => self.string().map(Json::Text),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.fail("no JSON value")),
            None => Err(self.fail("the text ends early")),
        }
    }

    fn word(&mut self, word: &'static str, value: Json<'a>) -> Result<Json<'a>, Malformed> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word.as_bytes()) {
            return Err(self.fail("no JSON value"));
        }
        self.at = end;
        Ok(value)
    }

    fn deeper(&self, depth: u32) -> Result<u32, Malformed> {
        if depth >= DEPTH_MAX { Err(self.fail("nested too deeply")) } else { Ok(depth + 1) }
    }

    fn object(&mut self, depth: u32) -> Result<Json<'a>, Malformed> {
        let depth = self.deeper(depth)?;
        let mut members: Vec<Member<'a>> = Vec::new();
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.fail("no key where an object wants one"));
            }
            let key = self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.fail("no colon after a key"));
            }
            self.at += 1;
            let value = self.value(depth)?;
            members.push((key, value));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.fail("an object does not end")),
            }
        }
        self.at += 1;
        sort_members(&mut members);
        Ok(Json::Object(members))
    }

    fn array(&mut self, depth: u32) -> Result<Json<'a>, Malformed> {
        let depth = self.deeper(depth)?;
        let mut elements = Vec::new();
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.fail("an array does not end")),
            }
        }
        self.at += 1;
        Ok(Json::Array(elements))
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == from { Err(self.fail("a number without digits")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Json<'a>, Malformed> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.at;
        self.digits()?;
        if self.bytes.get(first) == Some(&b'0') && self.at > first + 1 {
            return Err(self.fail("a number with a leading zero"));
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
        let text = self.text.get(from..self.at).ok_or_else(|| self.fail("a broken number"))?;
        Ok(Json::Number(Cow::Borrowed(text)))
    }

    /// A string; the parser stands on its opening quote.
    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let from = self.at + 1;
        let rest = self.bytes.get(from..).unwrap_or_default();
        let stop = memchr2(b'"', b'\\', rest).ok_or_else(|| self.fail("a string does not end"))?;
        let plain = self.text.get(from..from + stop).unwrap_or_default();
        self.at = from + stop;
        if self.peek() == Some(b'"') {
            self.at += 1;
            if self.has_nul && plain.contains('\0') {
                self.damaged = true;
                return Ok(Cow::Owned(plain.replace('\0', "\u{fffd}")));
            }
            return Ok(Cow::Borrowed(plain));
        }
        self.escaped(plain.to_owned()).map(Cow::Owned)
    }

    /// The rest of a string from its first backslash on.
    fn escaped(&mut self, mut out: String) -> Result<String, Malformed> {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let stop =
                memchr2(b'"', b'\\', rest).ok_or_else(|| self.fail("a string does not end"))?;
            out.push_str(self.text.get(self.at..self.at + stop).unwrap_or_default());
            self.at += stop + 1;
            if rest.get(stop) == Some(&b'"') {
                break;
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
                _ => return Err(self.fail("an unknown escape")),
            }
        }
        if memchr(0, out.as_bytes()).is_some() {
            self.damaged = true;
            out = out.replace('\0', "\u{fffd}");
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
                    // The second escape stands for itself.
                    self.at = back;
                    first
                }
            }
            other => other,
        };
        Ok(char::from_u32(code).unwrap_or_else(|| {
            self.damaged = true;
            '\u{fffd}'
        }))
    }

    fn hex4(&mut self) -> Result<u32, Malformed> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.fail("an unknown escape"))?;
        self.at += 4;
        Ok(code)
    }
}

/// Brings members into key order; of a repeated key the last one counts.
fn sort_members(members: &mut Vec<Member<'_>>) {
    if members.is_sorted_by(|(one, _), (two, _)| one < two) {
        return;
    }
    members.sort_by(|(one, _), (two, _)| one.cmp(two));
    members.reverse();
    members.dedup_by(|(one, _), (two, _)| one == two);
    members.reverse();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rewritten(text: &str) -> String {
        let mut out = String::new();
        parse(text).unwrap().value.write(&mut out);
        out
    }

    #[test]
    fn members_are_sorted_and_the_last_of_a_repeated_key_counts() {
        assert_eq!(rewritten(r#"{"b":1,"a":2,"b":3,"b":4,"a":5}"#), r#"{"a":5,"b":4}"#);
    }

    #[test]
    fn numbers_stay_as_written() {
        assert_eq!(
            rewritten("[0.9969999999999999,1e999,-0,12345678901234567890.5]"),
            "[0.9969999999999999,1e999,-0,12345678901234567890.5]"
        );
    }

    #[test]
    fn what_postgresql_cannot_hold_is_replaced_and_reported() {
        for (text, want) in [
            (r#""a\u0000b""#, "a\u{fffd}b"),
            ("\"a\0b\"", "a\u{fffd}b"),
            (r#""\ud800""#, "\u{fffd}"),
            (r#""\udc00\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ud800\u0041""#, "\u{fffd}A"),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!(parsed.value.as_text(), Some(want), "{text}");
            assert!(parsed.damaged, "{text}");
        }
        assert!(!parse(r#""\ud83d\ude00""#).unwrap().damaged);
        assert_eq!(text(b"\xef\xbb\xbf\"\xff\""), "\"\u{fffd}\"");
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(&deep(128)).is_ok());
        assert_eq!(parse(&deep(129)).unwrap_err().what, "nested too deeply");
        assert!(parse(&deep(1_000_000)).is_err());
    }

    #[test]
    fn broken_structure_is_refused() {
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "01",
            "1.",
            "tru",
            "\"a",
            "\"\\x\"",
            "[1] 2",
            "{a:1}",
            "\"\\u00\"",
            "nul",
            "-",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn damaged_texts_are_named_by_path() {
        let parsed = parse(r#"{"data":{"name":"a\u0000"},"list":[{"x":"\ud800"}],"ok":"y"}"#);
        let mut paths = Vec::new();
        parsed.unwrap().value.damaged_paths(&mut |path| paths.push(path.to_owned()));
        assert_eq!(paths, ["data.name", "list.x"]);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&text(&bytes));
        }

        #[test]
        fn nothing_json_like_panics(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalsd ]{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn texts_survive(value in "\\PC*") {
            let json = serde_json::to_string(&value).unwrap();
            let parsed = parse(&json).unwrap();
            prop_assert_eq!(parsed.value.as_text(), Some(value.as_str()));
        }
    }
}
