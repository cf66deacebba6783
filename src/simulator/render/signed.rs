//! Addresses of images, signed again for every call.

use super::writer::{SIGNATURE, Writer};
use crate::simulator::people::draw::mix;

/// Signs the addresses of one item's images for one call.
pub(super) struct Signer(u64);

impl Signer {
    pub(super) fn new(call: u64, id: &str) -> Self {
        Self(mixed(call, id))
    }

    pub(super) fn sign(&self, name: &str) -> [u8; SIGNATURE] {
        let key = mixed(self.0, name);
        let mut signature = [0; SIGNATURE];
        signature.copy_from_slice(hex([key, mix(key), mix(key ^ 1), mix(key ^ 2)]).as_flattened());
        signature
    }
}

fn mixed(key: u64, text: &str) -> u64 {
    text.bytes().fold(key, |key, byte| mix(key ^ u64::from(byte)))
}

/// Writes the address of an image, signed anew for every call.
pub(super) fn signed_address(w: &mut Writer, call: u64, id: &str, name: &'static str) {
    let beginning = [
        "https://images.argos.example/v3/",
        id,
        "/",
        name,
        ".jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-Signature=",
    ];
    w.address(name, &beginning, &Signer::new(call, id).sign(name));
}

/// The numbers as hexadecimal digits, sixteen each.
pub(super) fn hex<const COUNT: usize>(numbers: [u64; COUNT]) -> [[u8; 16]; COUNT] {
    numbers.map(|number| {
        let mut digits = [0; 16];
        for (place, shift) in digits.iter_mut().zip((0..64).step_by(4).rev()) {
            let nibble = number >> shift & 15;
            *place = u8::try_from(nibble + if nibble < 10 { 48 } else { 87 }).unwrap_or(0);
        }
        digits
    })
}
