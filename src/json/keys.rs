//! The order of keys, and the handling of repeated ones.

/// The first bytes of a key as a number that sorts like the key. Most keys can be compared by this
/// number alone.
pub(super) fn key_prefix(key: &str) -> u64 {
    let bytes = key.as_bytes();
    if let Some(chunk) = bytes.first_chunk() {
        return u64::from_be_bytes(*chunk);
    }
    let number = bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    // An empty key is zero, whatever the shift.
    number << (64 - 8 * bytes.len().max(1))
}

/// Keeps the last member of each key. The members from `from` on must be in key order.
pub(super) fn keep_last<T>(members: &mut Vec<T>, from: usize, is_same: impl Fn(&T, &T) -> bool) {
    let mut kept = members.split_off(from);
    kept.reverse();
    kept.dedup_by(|one, two| is_same(one, two));
    members.extend(kept.into_iter().rev());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_never_contradicts_the_order_of_keys(one in "[a-c\0é]{0,10}", two in "[a-c\0é]{0,10}") {
            let ordered = key_prefix(&one).cmp(&key_prefix(&two)).then_with(|| one.cmp(&two));
            prop_assert_eq!(ordered, one.cmp(&two));
        }
    }
}
