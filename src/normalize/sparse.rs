//! Which of the objects that change for years an item contains; some list items omit them (contract
//! section 3.4).

use crate::{
    domain::Digest,
    json::{self, Json, Paths},
};

/// Whether an item contains the objects `kyc` and `aml`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Objects {
    /// The decision.
    pub kyc: bool,
    /// The screening.
    pub aml: bool,
}

impl Objects {
    /// Reads an item. Null counts as absent.
    pub fn of(item: &Json<'_>) -> Self {
        let has = |name| item.get(name).is_some_and(|value| !matches!(value, Json::Null));
        Self { kyc: has("kyc"), aml: has("aml") }
    }

    /// The objects that either of the two contains.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { kyc: self.kyc || other.kyc, aml: self.aml || other.aml }
    }

    /// Whether an object is missing here that the other one contains.
    pub fn lacks(self, other: Self) -> bool {
        (other.kyc && !self.kyc) || (other.aml && !self.aml)
    }
}

/// The id of a submission's item and the digest of its object `aml`, without the volatile paths.
/// `None` if the item is malformed or lacks either.
pub fn aml_of(item: &str, volatile: &Paths) -> Option<(String, Digest)> {
    let item = json::parse(item).ok()?.value;
    let id = item.get("submission_id")?.as_text()?;
    let aml = item.get("aml").filter(|aml| !matches!(aml, Json::Null))?;
    Some((id.to_owned(), json::digest(aml, volatile)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn a_list_item_lacks_what_a_detail_carries() {
        let objects = |item: &str| Objects::of(&parse(item).unwrap().value);
        let (kyc, aml) = (r#"{"kyc":{"result":"approved"}}"#, r#"{"aml":{},"kyc":null}"#);
        let both = r#"{"aml":{"currentstatus":"Red Flag"},"kyc":{}}"#;
        for (list, detail, lacks) in [
            (both, both, false),
            (kyc, both, true),
            (aml, both, true),
            ("{}", kyc, true),
            (both, "{}", false),
            ("{}", "{}", false),
            (kyc, kyc, false),
        ] {
            assert_eq!(objects(list).lacks(objects(detail)), lacks, "{list} {detail}");
        }
        assert_eq!(objects(kyc).or(objects(aml)), objects(both));
    }
}
