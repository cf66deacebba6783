//! Walks: cursors, ends, circles, resuming.

use super::*;
use crate::{client::scripted::ok, domain::Cursor, domain::Trail};

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
        assert_eq!(error.remedy(), Remedy::RestartWindow);
    }
}

#[tokio::test]
async fn a_circle_is_also_found_after_a_restart() {
    let (_server, client) = submissions([ok(&page(1, Some("a"))), ok(&page(1, Some("a")))]).await;
    let first = client.pages(asked_window(), None).boxed().next().await.unwrap().unwrap();
    let resume = Resume { cursor: first.next.unwrap(), page: first.number, trail: first.trail };
    let second = client.pages(asked_window(), Some(resume)).boxed().next().await.unwrap();
    assert!(matches!(second, Err(ClientError::CursorCycle(_))));
}

#[tokio::test]
async fn a_resumed_walk_goes_on_counting() {
    let (server, client) = submissions([ok(&page(1, None))]).await;
    let resume = Resume { cursor: cursor("x"), page: 7, trail: Trail::default() };
    let pages: Vec<_> = client.pages(asked_window(), Some(resume)).try_collect().await.unwrap();
    assert_eq!(pages[0].number, 8);
    assert!(server.asked()[0].contains("nextpage_id=x"));
}

#[tokio::test]
async fn a_resumed_walk_that_finds_nothing_proves_nothing() {
    let (_server, client) = submissions([ok(&page(0, None))]).await;
    let resume = Resume { cursor: cursor("x"), page: 7, trail: Trail::default() };
    let mut pages = client.pages(asked_window(), Some(resume)).boxed();
    let error = pages.next().await.unwrap().unwrap_err();
    assert_eq!(error, ClientError::ResumeProvedNothing);
    assert_eq!(error.remedy(), Remedy::RestartWindow);
}

#[tokio::test]
async fn a_walk_ends_at_the_cap() {
    let ids = ["a", "b", "c", "d"];
    let server = Scripted::start(ids.iter().map(|id| ok(&page(1, Some(id))))).await;
    let settings = Settings { pages_max: 3, ..settings(&server) };
    let client = client_with(settings, domain::Stream::Submission);
    let (pages, error) = walk_until_error(&client).await;
    assert_eq!((pages, error.clone()), (3, ClientError::TooManyPages { limit: 3 }));
    assert_eq!(error.remedy(), Remedy::SplitWindow);
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
