//! When a pass proves that it read the bound account.

use super::{
    KeyProof::{First, Record, VendorProject},
    *,
};

#[test]
fn a_pass_confirms_the_account_if_it_shows_most_of_its_records_and_others_were_stored_since() {
    let evidence = |shown, missed, newer| {
        let mut evidence = AccountEvidence::default();
        (0..shown).for_each(|_| evidence.add(Some(true), true));
        (0..missed).for_each(|_| evidence.add(Some(true), false));
        (0..newer).for_each(|_| evidence.add(Some(false), true));
        evidence.add(None, true);
        evidence.is_of_bound_account()
    };
    assert!(evidence(1, 0, 1) && evidence(3, 2, 1));
    assert!(!evidence(1, 0, 0), "nothing is news");
    assert!(!evidence(0, 0, 5) && !evidence(1, 1, 5) && !evidence(2, 10_000, 5));
}

#[test]
fn a_key_bound_beside_others_before_any_record_was_known_has_to_be_proven_by_records() {
    let key = |byte| KeyId(vec![byte; 32]);
    let binding = |proofs: &[KeyProof]| Binding {
        secret: Vec::new().into(),
        keys: (0..).map(key).zip(proofs.iter().copied()).collect(),
        vendor_project: None,
    };
    for (proofs, has_records, is_verified) in [
        (&[][..], false, false),
        (&[][..], true, false),
        (&[First], false, true),
        (&[First], true, true),
        (&[First, First], false, true),
        (&[First, First], true, false),
        (&[First, Record], true, false),
        (&[Record, First], true, true),
        (&[VendorProject], true, true),
    ] {
        let verified = binding(proofs).is_verified(&key(0), has_records);
        assert_eq!(verified, is_verified, "{proofs:?} {has_records}");
    }
    assert!(!binding(&[Record]).is_verified(&key(1), false));
}
