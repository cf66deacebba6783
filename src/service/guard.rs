//! What every request and every answer must satisfy.
//!
//! A web page could reach a service on loopback if its own name were resolved to that address (DNS
//! rebinding). Such a request names the page's host, so only addresses, `localhost` and configured
//! names are accepted.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

/// Headers of every answer. Nothing is loaded from elsewhere, and nothing is kept.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'none'; \
         frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Refuses requests to a host that is neither an address nor known, and adds the headers.
pub(super) async fn guard(
    State(hosts): State<Arc<[String]>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = if is_known(request.headers(), &hosts) {
        next.run(request).await
    } else {
        let text = "this host name is not known; add it to `http.hosts`\n";
        (StatusCode::MISDIRECTED_REQUEST, text).into_response()
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn is_known(headers: &HeaderMap, hosts: &[String]) -> bool {
    let mut given = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (given.next(), given.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    let name = without_port(host);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            // An IPv6 address without brackets has no port.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_localhost_and_configured_names_are_hosts() {
        let hosts = ["sync.example".to_owned()];
        for (host, known) in [
            ("127.0.0.1:8642", true),
            ("10.1.2.3", true),
            ("[::1]:8642", true),
            ("::1", true),
            ("localhost", true),
            ("LOCALHOST:8642", true),
            ("sync.example:8642", true),
            ("evil.example", false),
            ("127.0.0.1.evil.example:8642", false),
            ("localhost.evil.example", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            assert_eq!(is_known(&headers, &hosts), known, "{host}");
            headers.append(header::HOST, HeaderValue::from_static("localhost"));
            assert!(!is_known(&headers, &hosts), "two hosts");
        }
        assert!(!is_known(&HeaderMap::new(), &hosts), "no host");
    }
}
