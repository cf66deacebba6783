//! A page: cuts an object into members and an array into elements without looking inside them.

use std::ops::Range;

use super::{Malformed, parse, stop::stop, text};

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its key.
    pub key: String,
    /// Where its value stands.
    pub range: Range<usize>,
    /// Where the elements of its value stand, if these were asked for and it is an array.
    pub elements: Option<Vec<Range<usize>>>,
}

/// The members of the object that fills the bytes; those of that name are cut into their elements on the way.
pub fn members(bytes: &[u8], cut: &str) -> Result<Vec<Cut>, Malformed> {
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
            return Err(scan.fail("no colon after a key"));
        }
        scan.at += 1;
        scan.space();
        let from = scan.at;
        let elements = if key == cut && scan.peek() == Some(b'[') {
            Some(scan.elements()?)
        } else {
            scan.value()?;
            None
        };
        members.push(Cut { key, range: from..scan.at, elements });
    }
    scan.end()?;
    Ok(members)
}

/// The elements of the array that fills the bytes, as ranges.
pub fn elements(bytes: &[u8]) -> Result<Vec<Range<usize>>, Malformed> {
    let mut scan = Scan { bytes, at: 0 };
    let elements = scan.elements()?;
    scan.end()?;
    Ok(elements)
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

    /// Steps over the bracket, and over a byte order mark before it.
    fn open(&mut self, bracket: u8) -> Result<(), Malformed> {
        if self.at == 0 && self.bytes.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        self.space();
        if self.peek() != Some(bracket) {
            return Err(self.fail("not the bracket that was expected"));
        }
        self.at += 1;
        Ok(())
    }

    /// Whether the closing bracket comes next; otherwise stands behind the comma, which the first entry has not.
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
            Some(_) => Err(self.fail("no comma between two entries")),
            None => Err(self.fail("the text ends early")),
        }
    }

    fn end(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.at < self.bytes.len() { Err(self.fail("text after the value")) } else { Ok(()) }
    }

    /// Steps over an array.
    fn elements(&mut self) -> Result<Vec<Range<usize>>, Malformed> {
        let mut elements = Vec::new();
        self.open(b'[')?;
        while !self.closed(b']', elements.is_empty())? {
            elements.push(self.value()?);
        }
        Ok(elements)
    }

    /// Steps over one value of any depth, whose inner grammar is not looked at.
    fn value(&mut self) -> Result<Range<usize>, Malformed> {
        self.space();
        let from = self.at;
        let mut depth = 0u32;
        loop {
            match self.peek() {
                None => return Err(self.fail("the text ends early")),
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
                Some(b'}' | b']' | b',' | b':') => return Err(self.fail("no JSON value")),
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
            let stop = stop(rest).ok_or_else(|| self.fail("a string does not end"))?;
            self.at += stop + 1;
            if rest.get(stop) == Some(&b'"') {
                return Ok(());
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            let found = members(text.as_bytes(), name).unwrap();
            let shown = found.iter().map(|cut| (cut.key.as_str(), text.get(cut.range.clone())));
            let expected =
                [("Items", Some(r#"[{"a":1}]"#)), ("nextPageKey", Some(r#"{"id":"x"}"#))];
            assert_eq!(shown.collect::<Vec<_>>(), expected);
            let first = found[0].elements.as_ref().map(|elements| elements[0].clone());
            assert_eq!(first, is_cut.then_some(10..17));
            assert_eq!(found[1].elements, None);
        }
    }

    #[test]
    fn a_body_cut_short_is_noticed() {
        let whole = r#"{"Items":[{"a":"b"},{"c":[1,2]}],"nextpageKey":{"id":"x"}}"#;
        for length in 0..whole.len() {
            for name in ["", "Items"] {
                assert!(members(&whole.as_bytes()[..length], name).is_err(), "{length}");
            }
        }
        for bad in ["[1 2]", "[,1]", "[1,]", "[1]]", "[1,,2]", "{\"a\":1}"] {
            assert!(elements(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn any_depth_is_stepped_over() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(elements(deep.as_bytes()).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalsd ]{0,60}") {
            let _ = members(text.as_bytes(), "a");
            let _ = elements(text.as_bytes());
        }
    }
}
