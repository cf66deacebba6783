//! Cuts an object into members and an array into elements, and reads elements only on request.

use std::ops::Range;

use super::{Malformed, parse, stop::stop, text};

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut<T = ()> {
    /// Its key.
    pub key: String,
    /// The byte range of its value.
    pub range: Range<usize>,
    /// The elements of its value, if they were requested and the value is an array.
    pub elements: Option<Vec<Element<T>>>,
}

/// An element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element<T = ()> {
    /// Its byte range.
    pub range: Range<usize>,
    /// The result of reading it, if it was read.
    pub read: Option<T>,
}

/// Reads the value at the start of a text, and returns the result and the value's length in bytes.
/// `None` if it cannot; the value is then skipped.
pub type Read<'r, T> = dyn Fn(&str) -> Option<(T, usize)> + 'r;

/// Cuts the object that fills the bytes into its members.
///
/// Members named `cut` are also cut into their elements, and each element is read if possible.
/// Finding an element's end takes a fifth of the time of reading it.
pub fn members<T>(bytes: &[u8], cut: &str, read: &Read<'_, T>) -> Result<Vec<Cut<T>>, Malformed> {
    let mut members = Vec::new();
    let mut scan = Scan { bytes, at: 0 };
    scan.open(b'{')?;
    while !scan.closed(b'}', members.is_empty())? {
        scan.space();
        if scan.peek() != Some(b'"') {
            return Err(scan.fail("no key where an object wants one"));
        }
        let key = scan.value()?;
        let text = text(bytes.get(key).unwrap_or_default());
        let key = parse(&text)?.value.as_text().unwrap_or_default().to_owned();
        scan.space();
        if scan.peek() != Some(b':') {
            return Err(scan.fail("missing colon after a key"));
        }
        scan.at += 1;
        scan.space();
        let from = scan.at;
        let elements = if key == cut && scan.peek() == Some(b'[') {
            Some(scan.elements(simdutf8::basic::from_utf8(bytes).ok(), read)?)
        } else {
            scan.value()?;
            None
        };
        members.push(Cut { key, range: from..scan.at, elements });
    }
    scan.end()?;
    Ok(members)
}

/// The byte ranges of the elements of the array that fills the bytes.
pub fn elements(bytes: &[u8]) -> Result<Vec<Range<usize>>, Malformed> {
    let mut scan = Scan { bytes, at: 0 };
    let elements = scan.elements(None, &unread)?;
    scan.end()?;
    Ok(elements.into_iter().map(|element| element.range).collect())
}

/// Reads nothing, for callers that only need the byte ranges.
pub fn unread(_text: &str) -> Option<((), usize)> {
    None
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
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

    /// Skips the bracket, and a byte order mark before it.
    fn open(&mut self, bracket: u8) -> Result<(), Malformed> {
        if self.at == 0 && self.bytes.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        self.space();
        if self.peek() != Some(bracket) {
            return Err(self.fail("unexpected bracket"));
        }
        self.at += 1;
        Ok(())
    }

    /// Whether the closing bracket follows. Otherwise skips the comma, which only the first entry
    /// lacks.
    fn closed(&mut self, bracket: u8, first: bool) -> Result<bool, Malformed> {
        self.space();
        match self.peek() {
            Some(byte) if byte == bracket => {
                self.at += 1;
                Ok(true)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if first => Ok(false),
            Some(_) => Err(self.fail("missing comma between two entries")),
            None => Err(self.fail("unexpected end of text")),
        }
    }

    /// Whether an entry can end at this position.
    fn is_entry_over(&self, at: usize) -> bool {
        matches!(self.bytes.get(at), Some(b',' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
    }

    fn end(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.at < self.bytes.len() { Err(self.fail("text after the value")) } else { Ok(()) }
    }

    /// Cuts an array into its elements. `text` has the same content as the bytes.
    fn elements<T>(
        &mut self,
        text: Option<&str>,
        read: &Read<'_, T>,
    ) -> Result<Vec<Element<T>>, Malformed> {
        let mut elements = Vec::new();
        self.open(b'[')?;
        while !self.closed(b']', elements.is_empty())? {
            self.space();
            let from = self.at;
            // If more text follows directly, the element is not valid, even if its beginning is.
            let found = text
                .and_then(|text| read(text.get(from..)?))
                .filter(|(_, length)| self.is_entry_over(from.saturating_add(*length)));
            let read = if let Some((read, length)) = found {
                self.at += length;
                Some(read)
            } else {
                self.value()?;
                None
            };
            elements.push(Element { range: from..self.at, read });
        }
        Ok(elements)
    }

    /// Skips one value of any depth without checking its inner grammar.
    fn value(&mut self) -> Result<Range<usize>, Malformed> {
        self.space();
        let from = self.at;
        let mut depth = 0u32;
        loop {
            match self.peek() {
                None => return Err(self.fail("unexpected end of text")),
                Some(b'"') => self.string()?,
                Some(b'{' | b'[') => {
                    depth = depth.saturating_add(1);
                    self.at += 1;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(_) if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                Some(b'}' | b']' | b',' | b':') => return Err(self.fail("not a JSON value")),
                Some(_) => self.bare(),
            }
            if depth == 0 {
                return Ok(from..self.at);
            }
        }
    }

    fn bare(&mut self) {
        while let Some(byte) = self.peek() {
            if matches!(byte, b',' | b'}' | b']' | b':' | b' ' | b'\n' | b'\r' | b'\t') {
                break;
            }
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let stop = stop(rest).ok_or_else(|| self.fail("unterminated string"))?;
            self.at += stop + 1;
            match rest.get(stop) {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.at += 1,
                // NUL, which is ordinary here.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Flat, *};

    /// Only the ranges of the elements, without the results of reading them.
    fn bare<T>(members: Vec<Cut<T>>) -> Vec<Cut> {
        let element = |element: Element<T>| Element { range: element.range, read: None };
        let elements = |elements: Vec<_>| elements.into_iter().map(element).collect();
        let cut =
            |Cut { key, range, elements: found }| Cut { key, range, elements: found.map(elements) };
        members.into_iter().map(cut).collect()
    }

    fn cut(text: &str) -> Vec<&str> {
        elements(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|range| text.get(range).unwrap())
            .collect()
    }

    #[test]
    fn a_page_is_cut_into_its_items() {
        assert_eq!(cut("[]"), [""; 0]);
        assert_eq!(
            cut(r#" [ {"a":"]\"}"} , [1,{"b":2}],null, -1.5 ,"x,y" ] "#),
            [r#"{"a":"]\"}"}"#, r#"[1,{"b":2}]"#, "null", "-1.5", r#""x,y""#]
        );
    }

    #[test]
    fn members_carry_their_ranges() {
        let text = r#"{"Items":[{"a":1}],"next\u0050ageKey":{"id":"x"}}"#;
        for (name, is_cut) in [("Items", true), ("nextPageKey", false), ("", false)] {
            let found = members(text.as_bytes(), name, &unread).unwrap();
            let shown = found.iter().map(|cut| (cut.key.as_str(), text.get(cut.range.clone())));
            let expected =
                [("Items", Some(r#"[{"a":1}]"#)), ("nextPageKey", Some(r#"{"id":"x"}"#))];
            assert_eq!(shown.collect::<Vec<_>>(), expected);
            let first = found[0].elements.as_ref().map(|elements| elements[0].range.clone());
            assert_eq!(first, is_cut.then_some(10..17));
            assert_eq!(found[1].elements, None);
        }
    }

    #[test]
    fn a_body_cut_short_is_noticed() {
        let whole = r#"{"Items":[{"a":"b"},{"c":[1,2]}],"nextpageKey":{"id":"x"}}"#;
        for length in 0..whole.len() {
            for name in ["", "Items"] {
                assert!(members(&whole.as_bytes()[..length], name, &unread).is_err(), "{length}");
            }
        }
        for bad in ["[1 2]", "[,1]", "[1,]", "[1]]", "[1,,2]", "{\"a\":1}"] {
            assert!(elements(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    /// Parses the whole value and counts its bytes that are not white space.
    fn read(text: &str) -> Option<(usize, usize)> {
        let (_, length) = Flat::parse_first(text).ok()?;
        let read = text.get(..length)?.bytes().filter(|byte| !byte.is_ascii_whitespace()).count();
        Some((read, length))
    }

    #[test]
    fn elements_are_read_where_they_are_cut() {
        let text = r#"{"Items":[ {"a":"]"} ,[1,2 ],nil,"x"], "more":[1]}"#;
        let found = members(text.as_bytes(), "Items", &read).unwrap();
        let elements = found[0].elements.as_ref().unwrap();
        let shown = elements.iter().map(|it| (text.get(it.range.clone()).unwrap(), it.read));
        let expected =
            [(r#"{"a":"]"}"#, Some(9)), ("[1,2 ]", Some(5)), ("nil", None), (r#""x""#, Some(3))];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        assert_eq!(found[1].elements, None, "nobody asked for these");
    }

    #[test]
    fn nothing_is_read_in_bytes_that_are_no_text() {
        let found = members(b"{\"a\":[1,\"\xff\"]}", "a", &read).unwrap();
        let elements = found[0].elements.as_ref().unwrap();
        assert!(elements.len() == 2 && elements.iter().all(|element| element.read.is_none()));
    }

    #[test]
    fn a_string_may_hold_what_none_should() {
        assert_eq!(
            cut("[\"\0\",\"\\\0\",\"]\0\\\"\",1]"),
            ["\"\0\"", "\"\\\0\"", "\"]\0\\\"\"", "1"]
        );
    }

    #[test]
    fn any_depth_is_stepped_over() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(elements(deep.as_bytes()).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalsd ]{0,60}") {
            let _ = members(text.as_bytes(), "a", &unread);
            let _ = elements(text.as_bytes());
        }

        #[test]
        fn who_reads_cuts_alike(
            elements in proptest::collection::vec(
                "[ \n]{0,2}(\\{\"a\":[0-9\"x]{0,3}\\}|\"[\\\\\"a-c\0]{0,3}\"|\\[[0-9,]{0,3}\\]|[0-9truefalsnl.]{1,5})[ \n]{0,2}",
                0..6,
            ),
            spoil in "[\\[\\]{}\",]{0,1}",
        ) {
            let text = format!("{{\"a\":[{}]{spoil}}}", elements.join(","));
            let cuts = members(text.as_bytes(), "a", &unread).map(bare);
            prop_assert_eq!(members(text.as_bytes(), "a", &read).map(bare), cuts);
        }
    }
}
