//! The flat reader agrees with the tree.

use proptest::prelude::*;

use super::*;
use crate::json::{Json, digest, parse};

fn volatile() -> Paths {
    Paths::new(["b", "a.b", "selfieImage.a.selfieImages"])
}

/// Compares with the tree; returns whether the text was readable.
fn compare(text: &str) -> bool {
    match (Flat::parse(text), parse(text)) {
        (Ok(flat), Ok(tree)) => {
            let tree = tree.value;
            assert_eq!(flat.digest(&volatile()), digest(&tree, &volatile()), "{text:?}");
            assert_eq!(flat.digest(&Paths::default()), digest(&tree, &Paths::default()));
            assert_eq!(flat.is_object(), matches!(tree, Json::Object(_)));
            for key in ["a", "b", "", "a\u{fffd}", "selfieImage", "selfieImages", "\""] {
                let of_tree = tree.get(key);
                assert_eq!(flat.text(key), of_tree.and_then(Json::as_text), "{text:?} {key:?}");
                let number = of_tree.and_then(|value| {
                    if let Json::Number(number) = value { Some(number.as_ref()) } else { None }
                });
                assert_eq!(flat.number(key), number, "{text:?} {key:?}");
            }
            true
        }
        (Err(of_flat), Err(of_tree)) => {
            assert_eq!(of_flat, of_tree, "{text:?}");
            false
        }
        (flat, tree) => panic!("{text:?}: {flat:?}, but {tree:?}"),
    }
}

/// Keys; many are repeated, begin alike, or are equal when unescaped.
fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        r#""a""#,
        r#""b""#,
        r#""""#,
        r#""\u0061""#,
        r#""selfieImage""#,
        r#""selfieImages""#,
        r#""selfieIm""#,
        r#""selfie\u0049mage""#,
        r#""aa""#,
        r#""a\u0000""#,
        "\"a\0\"",
        r#""a\ud800""#,
        r#""\"""#,
        r#""é""#,
        r#""\ud83d\ude00""#,
    ])
    .prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        key(),
        prop::sample::select(vec![
            "null", "true", "false", "0", "-0", "1e999", "1.50", "1.5", "-1E+2", "\"/\"",
            "\"\\/\"", "\"\\n\""
        ])
        .prop_map(str::to_owned),
        "\\PC*".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ]
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", " ", "\n", "\t\r "])
}

/// Texts of JSON values of any kind.
fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(6, 80, 10, |inside| {
        let element = (space(), inside.clone(), space());
        let element = element.prop_map(|(one, value, two)| format!("{one}{value}{two}"));
        let member = (space(), key(), space(), inside, space());
        let member = member
            .prop_map(|(one, key, two, value, three)| format!("{one}{key}{two}:{value}{three}"));
        prop_oneof![
            prop::collection::vec(element, 0..6)
                .prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec(member, 0..24)
                .prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn a_flat_item_is_its_tree(text in value()) {
        prop_assert!(compare(&text));
    }

    #[test]
    fn a_spoilt_text_is_refused_alike(
        text in value(),
        at in any::<prop::sample::Index>(),
        put in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalsd ]{0,2}",
    ) {
        let chars: Vec<_> = text.chars().collect();
        let (before, after) = chars.split_at(at.index(chars.len()));
        let before: String = before.iter().collect();
        let after: String = after.iter().skip(1).collect();
        compare(&format!("{before}{put}{after}"));
        compare(&before);
    }

    #[test]
    fn what_is_hardly_json_is_judged_alike(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalsd ]{0,60}") {
        compare(&text);
    }
}

#[test]
fn large_objects_are_sorted_too() {
    let member = |number: u32| format!("\"selfieImage{}\":{number}", number * 7919 % 101);
    let members: Vec<_> = (0..400).map(member).collect();
    assert!(compare(&format!("{{{}}}", members.join(","))));
}

#[test]
fn nesting_is_bounded_alike() {
    for levels in [127, 128, 129, 100_000] {
        let text = "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(compare(&text), levels <= 128);
    }
}
