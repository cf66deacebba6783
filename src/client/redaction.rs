//! Makes foreign text safe for an error message.

/// Longest text that is shown, in characters.
const SHOWN_MAX: usize = 200;

/// Replaces a secret or personal data.
pub(super) const BLANK: &str = "‹…›";

/// The values of one call that no text may repeat: the key, and the id or person that the call is
/// about.
pub(super) struct Redaction<'a> {
    hidden: Vec<&'a str>,
}

impl<'a> Redaction<'a> {
    /// Hides these values, the longest first, so that no part of a longer one remains.
    pub(super) fn new(hidden: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hidden: Vec<_> = hidden.into_iter().filter(|value| !value.is_empty()).collect();
        hidden.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self { hidden }
    }

    /// Returns the text in one line, without hidden values and control characters, and with at most
    /// [`SHOWN_MAX`] characters.
    pub(super) fn clean(&self, text: &str) -> String {
        // Replaces control characters first, because one within a value would hide it from the
        // search.
        let text = text.chars().map(|char| if char.is_control() { ' ' } else { char });
        let mut text: String = text.collect();
        for value in &self.hidden {
            text = without(&text, value);
            text = without(&text, &percent_encoded(value));
        }
        match text.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
            None => text,
        }
    }
}

/// Blanks the value in any mix of upper and lower case, because vendors often fold e-mail
/// addresses.
fn without(text: &str, value: &str) -> String {
    let (folded, value) = (text.to_ascii_lowercase(), value.to_ascii_lowercase());
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, found) in folded.match_indices(&value) {
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push_str(BLANK);
        from = at + found.len();
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// The value as encoded in a query, in case a text quotes one.
fn percent_encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => {
                out.push('%');
                let digits = [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
                out.extend(digits.into_iter().flatten().map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_is_not_repeated() {
        let redaction = Redaction::new(["Ada@example.com", "sekret", ""]);
        let cases = [
            ("no ada@EXAMPLE.com here", "no ‹…› here"),
            ("email=Ada%40example.com&x", "email=‹…›&x"),
            ("sekretsekret", "‹…›‹…›"),
            ("nothing", "nothing"),
            ("two\nlines\u{7}", "two lines "),
        ];
        for (text, clean) in cases {
            assert_eq!(redaction.clean(text), clean);
        }
    }

    #[test]
    fn a_value_inside_another_leaves_no_rest() {
        assert_eq!(Redaction::new(["abc", "abcdef"]).clean("x abcdef y"), "x ‹…› y");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(Redaction::new([]).clean(&"é".repeat(500)).chars().count(), SHOWN_MAX);
    }
}
