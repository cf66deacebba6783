//! Names of members of the vendor's answers that may be shown.

/// Longest field name in bytes; longer names are hidden.
const LENGTH_MAX: usize = 64;
/// Most digits in a field name; a name with more may identify a person.
const DIGITS_MAX: usize = 3;

/// Placeholder for a name that may contain personal data.
pub const HIDDEN_FIELD: &str = "*";

/// Returns the name if it looks like a field name, and [`HIDDEN_FIELD`] otherwise.
///
/// A map key can be personal data, such as an address (I8).
pub fn field_name(name: &str) -> &str {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    let starts_well = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_field = starts_well && name.chars().all(is_plain);
    if is_field && name.len() <= LENGTH_MAX && digits <= DIGITS_MAX { name } else { HIDDEN_FIELD }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_shown_and_values_are_not() {
        for name in ["create_date", "aurhStatus", "cf20", "_id", "x-api-key", "Count"] {
            assert_eq!(field_name(name), name);
        }
        let long = "a".repeat(65);
        for name in [
            "",
            "Ada Lovelace",
            "ada@mail.example",
            "12 St",
            "M12345678",
            "홍길동",
            "a.b",
            "?",
            &long,
        ] {
            assert_eq!(field_name(name), HIDDEN_FIELD, "{name}");
        }
    }
}
