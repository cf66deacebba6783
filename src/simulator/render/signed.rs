//! Image addresses with a different signature for every call.

use super::writer::JsonWriter;
use crate::simulator::people::draw::mix;

/// Writes the address of an image; its signature depends on `call`, `id` and `name`.
pub(super) fn signed_address(w: &mut JsonWriter, call: u64, id: &str, name: &str) {
    let key = mixed(mixed(call, id), name);
    let signature = hex([key, mix(key), mix(key ^ 1), mix(key ^ 2)]);
    w.text(&format!(
        "https://images.argos.example/v3/{id}/{name}.jpg\
         ?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-Signature={signature}"
    ));
}

fn mixed(key: u64, text: &str) -> u64 {
    text.bytes().fold(key, |key, byte| mix(key ^ u64::from(byte)))
}

/// Returns the numbers as hexadecimal text, sixteen digits each.
pub(super) fn hex<const COUNT: usize>(numbers: [u64; COUNT]) -> String {
    numbers.map(|number| format!("{number:016x}")).concat()
}
