//! Passes: cursors, ends, cycles, resuming.

use super::*;
use crate::{client::scripted::ok, domain::Cursor, domain::CycleDetector};

fn cursor(id: &str) -> Cursor {
    Cursor { id: id.into(), date: "2025-01-02T03:04:05+00:00".into() }
}

#[tokio::test]
async fn every_page_is_asked_with_all_parameters() {
    let (server, client) = submissions([ok(&page(1, Some("a&b"))), ok(&page(2, None))]).await;
    let pages = walk(&client).await.unwrap();
    let seen: Vec<_> =
        pages.iter().map(|page| (page.number, page.read.0, page.items.len())).collect();
    assert_eq!(seen, [(1, 1, 1), (2, 2, 2)]);
    assert_eq!(pages[0].next, Some(cursor("a&b")));
    let window = "/v3/submission?start_date=2025-01-01&end_date=2025-01-09&count=2000";
    let behind = "&nextpage_id=a%26b&nextpage_date=2025-01-02T03%3A04%3A05%2B00%3A00";
    assert_eq!(server.asked(), [window.to_owned(), format!("{window}{behind}")]);
}

#[tokio::test]
async fn only_the_missing_cursor_ends_a_walk() {
    let script = [page(1, Some("a")), page(0, Some("b")), page(3, None)];
    let (_server, client) = submissions(script.iter().map(|body| ok(body))).await;
    let items: usize = walk(&client).await.unwrap().iter().map(|page| page.items.len()).sum();
    assert_eq!(items, 4);
}

#[tokio::test]
async fn the_whole_list_is_asked_without_dates() {
    let (server, client) = submissions([ok(&page(0, None))]).await;
    let pages: Vec<_> = client.all_pages(None).try_collect().await.unwrap();
    assert_eq!((pages.len(), server.asked()), (1, vec!["/v3/submission?count=2000".to_owned()]));
}

#[tokio::test]
async fn circles_of_cursors_end_a_walk_with_an_error() {
    for circle in [&["a", "a"][..], &["a", "b", "a", "b", "a", "b", "a"]] {
        let script = circle.iter().map(|id| ok(&page(1, Some(id))));
        let (_server, client) = submissions(script).await;
        let error = walk_error(&client).await;
        assert!(matches!(error, ClientError::CursorCycle(_)), "{error}");
        assert_eq!(error.remedy(), CallRemedy::RestartWindow);
    }
}

#[tokio::test]
async fn a_circle_is_also_found_after_a_restart() {
    let (_server, client) = submissions([ok(&page(1, Some("a"))), ok(&page(1, Some("a")))]).await;
    let first = client.pages(asked_window(), None).boxed().next().await.unwrap().unwrap();
    let resume = Resume { cursor: first.next.unwrap(), page: first.number, cycle: first.cycle };
    let second = client.pages(asked_window(), Some(resume)).boxed().next().await.unwrap();
    assert!(matches!(second, Err(ClientError::CursorCycle(_))));
}

#[tokio::test]
async fn a_resumed_walk_goes_on_counting() {
    let (server, client) = submissions([ok(&page(1, None))]).await;
    let resume = Resume { cursor: cursor("x"), page: 7, cycle: CycleDetector::default() };
    let pages: Vec<_> = client.pages(asked_window(), Some(resume)).try_collect().await.unwrap();
    assert_eq!(pages[0].number, 8);
    assert!(server.asked()[0].contains("nextpage_id=x"));
}

#[tokio::test]
async fn a_resumed_walk_that_finds_nothing_proves_nothing() {
    let (_server, client) = submissions([ok(&page(0, None))]).await;
    let resume = Resume { cursor: cursor("x"), page: 7, cycle: CycleDetector::default() };
    let mut pages = client.pages(asked_window(), Some(resume)).boxed();
    let error = pages.next().await.unwrap().unwrap_err();
    assert_eq!(error, ClientError::ResumeProvedNothing);
    assert_eq!(error.remedy(), CallRemedy::RestartWindow);
}

#[tokio::test]
async fn a_walk_ends_at_the_cap() {
    let ids = ["a", "b", "c", "d"];
    let server = Scripted::start(ids.iter().map(|id| ok(&page(1, Some(id))))).await;
    let settings = ClientSettings { pages_per_window_max: 3, ..settings(&server) };
    let client = client_with(settings, domain::Stream::Submission);
    let (pages, error) = walk_until_error(&client).await;
    assert_eq!((pages, error.clone()), (3, ClientError::TooManyPages { limit: 3 }));
    assert_eq!(error.remedy(), CallRemedy::SplitWindow);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn face_authentications_are_walked_too() {
    let wrapped = r#"[{"faceAuth_projectId":"fp","data":[{"auth_id":"1"}],
        "nextPage_key":{"authId":"1","createTime":"2025-10-02T02:15:17.554Z"}}]"#;
    let server = Scripted::start([ok(wrapped), ok(r#"[{"auth_id":"2"}]"#)]).await;
    let client = client_with(settings(&server), domain::Stream::Faceauth);
    let pages = walk(&client).await.unwrap();
    assert_eq!(pages[0].vendor_project.as_deref(), Some("fp"));
    assert_eq!(pages[1].items, [r#"{"auth_id":"2"}"#]);
    let window = "/v3/faceauth?startDate=2025-01-01&endDate=2025-01-09&count=2000";
    let behind = "&nextKey_id=1&nextKey_date=2025-10-02T02%3A15%3A17.554Z";
    assert_eq!(server.asked(), [window.to_owned(), format!("{window}{behind}")]);
}

/// A full page of the size that [`small`] requests, with members after its items.
fn full(members: &str) -> String {
    let items = r#"{"submission_id":"x6"},{"submission_id":"x7"}"#;
    format!(r#"{{"Items":[{items},{items}]{members}}}"#)
}

/// Requests pages of four items.
async fn small(script: impl IntoIterator<Item = String>) -> (Scripted, Client) {
    let server = Scripted::start(script.into_iter().map(|body| ok(&body))).await;
    let page_size = std::num::NonZeroU32::new(4).unwrap();
    let settings = ClientSettings { page_size, ..settings(&server) };
    let client = client_with(settings, domain::Stream::Submission);
    (server, client)
}

const TOKEN: &str = r#","nextToken":"abc""#;

#[tokio::test]
async fn a_full_first_page_without_a_key_costs_one_call_until_a_key_was_seen() {
    let script = [full(""), page(2, Some("x6")), full("")];
    let (server, client) = small(script).await;
    let pages = walk(&client).await.unwrap();
    assert!(pages.len() == 1 && pages[0].has_shown_end_mark && client.marks_end());
    let pages = walk(&client).await.unwrap();
    assert!(pages.len() == 1 && !pages[0].has_shown_end_mark, "it is known now");
    assert_eq!(counts(&server), [4, 2, 4]);
    let asked = server.asked();
    assert_eq!(asked[1], asked[0].replace("count=4", "count=2"), "the same list");
}

#[tokio::test]
async fn a_key_seen_on_the_way_or_by_an_earlier_run_leaves_no_doubt() {
    let (server, client) = small([page(1, Some("a")), full("")]).await;
    let pages = walk(&client).await.unwrap();
    assert_eq!(pages.iter().map(|page| page.has_shown_end_mark).collect::<Vec<_>>(), [true, false]);
    assert_eq!(counts(&server), [4, 4]);
    let (server, client) = small([full("")]).await;
    client.expect_end_mark();
    walk(&client).await.unwrap();
    assert_eq!(counts(&server), [4]);
    let (server, client) = small([page(3, None)]).await;
    walk(&client).await.unwrap();
    assert_eq!((counts(&server), client.marks_end()), (vec![4], false), "it is not full");
}

#[tokio::test]
async fn a_walk_whose_end_stays_in_doubt_ends_with_an_error() {
    for (first, check, doubt) in [
        (full(""), page(2, None), Doubt::FullPage { items: 4 }),
        (full(TOKEN), full(TOKEN), Doubt::Members(vec!["nextToken".to_owned()])),
    ] {
        let (server, client) = small([first, check]).await;
        let error = walk_error(&client).await;
        assert_eq!(error, ClientError::EndUnknown(doubt));
        assert_eq!(error.remedy(), CallRemedy::SplitWindow);
        assert_eq!(counts(&server), [4, 2]);
    }
}

#[tokio::test]
async fn a_member_that_looks_like_a_key_is_in_doubt_on_every_last_page() {
    let last = full(TOKEN);
    let script = [page(1, Some("a")), last.clone(), page(2, Some("x6")), last, full(TOKEN)];
    let (server, client) = small(script).await;
    assert_eq!(walk(&client).await.unwrap().len(), 2);
    assert_eq!(counts(&server), [4, 4, 2]);
    let asked = server.asked();
    assert_eq!(asked[2], asked[1].replace("count=4", "count=2"), "behind the same cursor");
    assert!(matches!(walk_error(&client).await, ClientError::EndUnknown(_)));
    assert_eq!(counts(&server), [4, 4, 2, 4, 2]);
}

#[tokio::test]
async fn a_page_too_small_to_be_halved_is_compared_with_the_list_of_all() {
    let with = |body: String| body.replacen('{', r#"{"pageCount":1,"#, 1);
    for (first, any, is_end) in [
        (with(page(1, None)), with(page(1, Some("a"))), true),
        (with(page(0, None)), with(page(1, Some("a"))), true),
        (with(page(1, None)), page(1, Some("a")), false),
        (with(page(0, None)), with(page(1, None)), false),
    ] {
        let (server, client) = small([first, any]).await;
        assert_eq!(walk(&client).await.is_ok(), is_end);
        assert_eq!(server.asked()[1], "/v3/submission?count=1");
    }
}

#[tokio::test]
async fn unknown_members_are_told_by_name_without_what_must_not_be_shown() {
    let body = format!(r#"{{"Items":[],"Count":1,"of {KEY}":{{}}}}"#);
    let (_server, client) = small([body]).await;
    let pages = walk(&client).await.unwrap();
    let told = |it: &UnknownMember| (it.name.clone(), it.json_type);
    let told: Vec<_> = pages[0].unknown.iter().map(told).collect();
    assert_eq!(told, [("Count".to_owned(), "number"), ("*".to_owned(), "object")]);
}

#[tokio::test]
async fn flat_face_authentications_are_in_doubt_when_a_page_is_full() {
    let record = r#"{"auth_id":"1"}"#;
    for (items, is_whole) in [(1, true), (2, false)] {
        let list = format!("[{}]", vec![record; items].join(","));
        let server = Scripted::start([ok(&list), ok(&format!("[{record}]"))]).await;
        let page_size = std::num::NonZeroU32::new(2).unwrap();
        let settings = ClientSettings { page_size, ..settings(&server) };
        let client = client_with(settings, domain::Stream::Faceauth);
        assert_eq!(walk(&client).await.is_ok(), is_whole);
        assert_eq!(counts(&server), if is_whole { vec![2] } else { vec![2, 1] });
    }
}
