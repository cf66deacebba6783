//! Answers to a caller: status, body, and the two families of errors (contract section 9).

use axum::http::StatusCode;

use crate::simulator::knobs::{ErrorShape, Knobs};
use crate::simulator::render::writer::JsonWriter;

/// An answer before its conversion to HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) struct Answer {
    pub(in crate::simulator) status: StatusCode,
    pub(in crate::simulator) body: Vec<u8>,
}

impl Answer {
    /// Status 200 with this body.
    pub(in crate::simulator) fn ok(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, body }
    }

    /// An error of the gateway in front of the application.
    pub(in crate::simulator) fn gateway(status: StatusCode, message: &str) -> Self {
        Self { status, body: object(&[("message", message)]) }
    }

    /// An error of the application: always 400.
    pub(super) fn refused(knobs: &Knobs, code: &str, message: &str) -> Self {
        let body = match knobs.error_shape {
            ErrorShape::CodeAndMessage => object(&[("errorCode", code), ("message", message)]),
            ErrorShape::CodeOnly => object(&[("errorCode", code)]),
            ErrorShape::ErrorMessage => object(&[("errorCode", code), ("errorMessage", message)]),
            ErrorShape::MessageAndStatus => {
                let mut w = JsonWriter::default();
                w.object(|w| {
                    w.pair("message", message);
                    w.key("statusCode").number(400_u32);
                });
                w.into_bytes()
            }
        };
        Self { status: StatusCode::BAD_REQUEST, body }
    }

    /// The answer to a face authentication call whose key does not belong to an add-on project.
    pub(in crate::simulator) fn no_faceauth_project(call: u64) -> Self {
        let trace = format!("0199cb93-bdf1-77ef-8cd4-{call:012x}");
        let message = "faceAuth_project not found";
        let members =
            [("traceId", trace.as_str()), ("errorCode", "NOT_FOUND"), ("message", message)];
        Self { status: StatusCode::BAD_REQUEST, body: object(&members) }
    }

    /// The answer to a wrong or missing key.
    pub(in crate::simulator) fn forbidden() -> Self {
        Self::gateway(StatusCode::FORBIDDEN, "Forbidden")
    }

    /// The gateway's own answer with this status.
    pub(in crate::simulator) fn gateway_fault(status: StatusCode) -> Self {
        let message = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
            StatusCode::TOO_MANY_REQUESTS => "Too Many Requests",
            StatusCode::BAD_GATEWAY => "Bad Gateway",
            StatusCode::GATEWAY_TIMEOUT => "Endpoint request timed out",
            _ => "Internal Server Error",
        };
        Self::gateway(status, message)
    }
}

fn object(members: &[(&str, &str)]) -> Vec<u8> {
    let mut w = JsonWriter::default();
    w.object(|w| members.iter().for_each(|(key, text)| w.pair(key, text)));
    w.into_bytes()
}
