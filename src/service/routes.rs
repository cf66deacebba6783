//! The addresses of the service and their answers.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{Html, IntoResponse as _, Response},
    routing::get,
};
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::{
    board::{Board, Check},
    guard::guard,
    metrics::{self, Format},
    page,
};

pub(super) fn router(board: Arc<Board>, hosts: Vec<String>) -> Router {
    let registry = Arc::new(metrics::registry(&board));
    let metrics = async move |headers: HeaderMap| answer_metrics(&registry, &headers);
    Router::new()
        .route("/", get(status_page))
        .route("/style.css", get(async || file("text/css; charset=utf-8", page::STYLE)))
        .route("/favicon.svg", get(async || file("image/svg+xml", page::ICON)))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status.json", get(status_json))
        .route("/metrics", get(metrics))
        .with_state(board)
        .layer(middleware::from_fn_with_state(Arc::from(hosts), guard))
}

/// The status page. With the parameter `reload`, the browser loads it again every half minute.
///
/// It does not do so by default: a reload moves the focus of a keyboard and restarts a screen
/// reader.
async fn status_page(State(board): State<Arc<Board>>, query: RawQuery) -> Response {
    let reloads = has(&query, "reload");
    match page::render(&board, reloads) {
        Ok(html) => {
            let reload = reloads.then(|| [(header::REFRESH, page::RELOAD_SECONDS.to_string())]);
            (reload, Html(html)).into_response()
        }
        Err(error) => {
            let text = format!("the page cannot be rendered: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

/// A file of the page.
fn file(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}

async fn livez(State(board): State<Arc<Board>>, query: RawQuery) -> Response {
    answer(&board.liveness(Instant::now()), has(&query, "verbose"))
}

async fn readyz(State(board): State<Arc<Board>>, query: RawQuery) -> Response {
    let mut checks = board.readiness(Instant::now());
    if has(&query, "complete") {
        checks.extend(board.completeness());
    }
    answer(&checks, has(&query, "verbose"))
}

/// Whether a query has this parameter, with any value.
fn has(RawQuery(query): &RawQuery, name: &str) -> bool {
    let mut given = query.iter().flat_map(|query| query.split('&'));
    given.any(|part| part.split('=').next() == Some(name))
}

/// One line for each failed check, or `ok`; if `is_verbose`, also one for each passed check.
fn answer(checks: &[Check], is_verbose: bool) -> Response {
    let is_right = checks.iter().all(|check| check.problem.is_none());
    let lines = checks.iter().filter_map(|Check { name, problem, .. }| match problem {
        Some(problem) => Some(format!("[-] {name}: {problem}\n")),
        None => is_verbose.then(|| format!("[+] {name}: ok\n")),
    });
    let lines: String = lines.collect();
    let status = if is_right { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = if is_right { lines + "ok\n" } else { lines };
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

async fn status_json(State(board): State<Arc<Board>>) -> Response {
    let Some(known) = board.known() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the state is not known yet\n").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::AGE, known.age(Instant::now()).as_secs().to_string()),
        (header::LAST_MODIFIED, known.read_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
    ];
    (headers, known.json.clone()).into_response()
}

fn answer_metrics(registry: &Registry, headers: &HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept);
    match metrics::render(registry, format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn problems_are_told_and_with_verbose_everything() {
        let check = |name: &str, problem: Option<&str>| Check {
            name: name.to_owned(),
            project: None,
            problem: problem.map(str::to_owned),
        };
        let right = || check("schema", None);
        let wrong = || check("database", Some("away"));
        for (checks, is_verbose, status, text) in [
            (vec![right()], false, StatusCode::OK, "ok\n"),
            (vec![right()], true, StatusCode::OK, "[+] schema: ok\nok\n"),
            (
                vec![wrong(), right()],
                false,
                StatusCode::SERVICE_UNAVAILABLE,
                "[-] database: away\n",
            ),
            (
                vec![wrong(), right()],
                true,
                StatusCode::SERVICE_UNAVAILABLE,
                "[-] database: away\n[+] schema: ok\n",
            ),
        ] {
            let response = answer(&checks, is_verbose);
            assert_eq!(response.status(), status);
            let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            assert_eq!(body, text);
        }
    }
}
