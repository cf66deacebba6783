//! Draws numbers that depend only on a seed, a record and a purpose.
//!
//! Every section of an item has its own purpose. A list item, which omits sections, therefore
//! agrees with the detail call on everything it contains.

/// The purpose of a draw; each one has its own sequence.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulator) enum Purpose {
    Tie = 1,
    Jitter,
    SharedPerson,
    Person,
    Facts,
    Data,
    Ocr,
    Envelope,
    Attempt,
    Aml,
    Signals,
    Options,
    Duplicates,
    Policy,
    Faceauth,
    Fault,
}

/// A reproducible sequence of numbers (splitmix64).
#[derive(Debug, Clone)]
pub(in crate::simulator) struct Draw {
    state: u64,
}

impl Draw {
    /// The sequence of this record for this purpose.
    pub(in crate::simulator) fn new(seed: u64, number: u32, purpose: Purpose) -> Self {
        let record = (u64::from(number) << 8) | purpose as u64;
        Self { state: mix(seed ^ mix(record)) }
    }

    /// The next 64-bit number.
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `limit`; 0 if the limit is 0.
    pub(in crate::simulator) fn below(&mut self, limit: u32) -> u32 {
        let high = self.next() >> 32;
        u32::try_from((high * u64::from(limit)) >> 32).unwrap_or(0)
    }

    /// A number in `low..high`.
    pub(in crate::simulator) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low))
    }

    /// Whether an event with a probability of `share` in a thousand occurs.
    pub(in crate::simulator) fn permille(&mut self, share: u32) -> bool {
        self.below(1000) < share
    }

    /// One of the texts; the empty text if there are none.
    pub(in crate::simulator) fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        let index = self.below(u32::try_from(texts.len()).unwrap_or(0));
        usize::try_from(index).ok().and_then(|index| texts.get(index)).copied().unwrap_or("")
    }

    /// A text of lower-case letters and digits of this length.
    pub(in crate::simulator) fn code(&mut self, length: u32) -> String {
        (0..length).map(|_| char::from_digit(self.below(36), 36).unwrap_or('0')).collect()
    }

    /// A text of decimal digits of this length.
    pub(in crate::simulator) fn decimal_digits(&mut self, length: u32) -> String {
        (0..length).map(|_| char::from_digit(self.below(10), 10).unwrap_or('0')).collect()
    }
}

/// A bijective function in which every bit of the number affects all bits of the result.
pub(in crate::simulator) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
