//! The rendered page in each state.

use askama::Template as _;
use chrono::TimeDelta;

use super::{
    fixtures,
    view::{Facts, Page},
};
use crate::service::board::{Check, KnownState, Outage};

fn page(known: Option<&KnownState>, outage: Option<&Outage>, liveness: &[Check]) -> String {
    let age = TimeDelta::seconds(if outage.is_some() { 754 } else { 8 });
    let facts = Facts { known, outage, liveness, age, reloads: false };
    let page = Page::of(&facts).render().unwrap();
    page.replace(&format!("argos-sync {}", env!("CARGO_PKG_VERSION")), "argos-sync VERSION")
}

#[test]
fn healthy() {
    let known = fixtures::healthy();
    insta::assert_snapshot!(page(Some(&known), None, &fixtures::alive()));
}

#[test]
fn degraded() {
    let known = fixtures::degraded();
    insta::assert_snapshot!(page(Some(&known), None, &fixtures::stopped()));
}

#[test]
fn first_backfill() {
    let known = fixtures::first_backfill();
    insta::assert_snapshot!(page(Some(&known), None, &fixtures::alive()));
}

#[test]
fn database_away() {
    let (known, outage) = (fixtures::first_backfill(), fixtures::outage());
    insta::assert_snapshot!(page(Some(&known), Some(&outage), &fixtures::alive()));
}

#[test]
fn nothing_known() {
    let start = [Check { name: "start".to_owned(), project: None, problem: None }];
    insta::assert_snapshot!(page(None, None, &start));
    insta::assert_snapshot!(
        "database_never_reached",
        page(None, Some(&fixtures::outage()), &start)
    );
}

#[test]
fn no_value_can_add_markup() {
    let known = fixtures::degraded();
    let page = page(Some(&known), None, &fixtures::stopped());
    assert!(page.contains("not valid &#60;401&#62;"), "the reason is escaped");
    for forbidden in ["<401>", "<script", "<style", " style=", "http-equiv", "http:", "https:"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn a_page_that_reloads_offers_to_stop() {
    let facts =
        Facts { known: None, outage: None, liveness: &[], age: TimeDelta::zero(), reloads: true };
    let page = Page::of(&facts).render().unwrap();
    assert!(page.contains("Stop reloading every 30 s"), "{page}");
}
