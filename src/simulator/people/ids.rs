//! Ids that look random but encode the record.
//!
//! An id is a keyed bijective scrambling of the record's number, in base 36, so that no table is
//! needed to look it up.

use super::draw::mix;

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Base-36 digits of any 64-bit number.
const CORE_LENGTH: usize = 13;

/// Converts record numbers to ids and back.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulator) struct Ids {
    key: u64,
    /// The low half of every number before scrambling; foreign ids do not have it.
    tag: u32,
}

impl Ids {
    /// The ids of one kind of object (`salt`) in the population of this seed.
    pub(in crate::simulator) fn new(seed: u64, salt: u64) -> Self {
        let key = mix(seed ^ mix(salt ^ 0x51_7cc1));
        Self { key, tag: low_half(mix(key)) }
    }

    /// The id of a record: 13 to 18 lower-case letters and digits.
    pub(in crate::simulator) fn id(self, number: u32) -> String {
        let plain = (u64::from(number) << 32) | u64::from(self.tag);
        let scrambled = scramble((plain ^ self.key).wrapping_mul(ODD)).wrapping_mul(ODD);
        let mut id = String::with_capacity(18);
        base36(scrambled, CORE_LENGTH, &mut id);
        let tail = mix(scrambled);
        let tail_length = usize::try_from(tail % 6).unwrap_or(0);
        base36(tail >> 8, tail_length, &mut id);
        id
    }

    /// The record of an id; `None` for an id of another kind or population.
    pub(in crate::simulator) fn number(self, id: &str) -> Option<u32> {
        let core = id.get(..CORE_LENGTH)?;
        let scrambled = u64::from_str_radix(core, 36).ok()?;
        let inverse = inverse(ODD);
        let plain = scramble(scrambled.wrapping_mul(inverse)).wrapping_mul(inverse) ^ self.key;
        let number = low_half(plain >> 32);
        (low_half(plain) == self.tag && self.id(number) == id).then_some(number)
    }
}

/// A function that is its own inverse.
fn scramble(number: u64) -> u64 {
    number ^ (number >> 32)
}

fn low_half(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

/// The multiplicative inverse of an odd number, by Newton's iteration.
fn inverse(odd: u64) -> u64 {
    (0..6).fold(odd, |guess, _| guess.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(guess))))
}

/// Appends the last `length` base-36 digits of the number.
fn base36(number: u64, length: usize, out: &mut String) {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut digits = [b'0'; CORE_LENGTH];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        let value = usize::try_from(rest % 36).unwrap_or(0);
        *digit = DIGITS.get(value).copied().unwrap_or(b'0');
        rest /= 36;
    }
    let last = digits.get(CORE_LENGTH - length.min(CORE_LENGTH)..).unwrap_or_default();
    out.push_str(std::str::from_utf8(last).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_names_its_record_and_no_other(seed: u64, number: u32) {
            let ids = Ids::new(seed, 1);
            let id = ids.id(number);
            prop_assert!((13..=18).contains(&id.len()));
            prop_assert!(id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()));
            prop_assert_eq!(ids.number(&id), Some(number));
            prop_assert_eq!(Ids::new(seed, 2).number(&id), None);
            prop_assert_eq!(ids.number(&format!("{id}0")), None);
        }
    }

    #[test]
    fn any_text_can_be_asked_for() {
        for text in
            ["", "x", "한국어한국어한국어", "zzzzzzzzzzzzz", "+123456789012", "ABCDEFGHIJKLM"]
        {
            assert_eq!(Ids::new(1, 1).number(text), None);
        }
    }
}
