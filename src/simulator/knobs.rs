//! Options of the vendor's behaviour where its pages are ambiguous (contract section 14.1).

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::traffic::TrafficLimits;

/// The behaviour of one project. The default is a friendly vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, named in JSON")]
pub struct Knobs {
    /// Page size of submission lists without `count`; 2,000 for face authentications (U10).
    pub default_count: u32,
    /// Largest page size (U10).
    pub max_count: u32,
    /// The answer to a larger `count`.
    pub count_above_max: AboveMax,
    /// Order of lists (U1).
    pub order: Order,
    /// Accepted formats of `start_date` and `end_date` (U4).
    pub date_format: DateFormat,
    /// Whether the end day itself is excluded (U3).
    pub end_exclusive: bool,
    /// The zone in which the filter's days begin (U3).
    pub filter_zone: FilterZone,
    /// The vendor ignores its date filter and answers dated lists with nothing (I2 of the design).
    pub dated_lists_are_empty: bool,
    /// List items contain every field, as in detail calls; otherwise only those of the vendor's
    /// list samples (Q17).
    pub full_list_items: bool,
    /// Lists with `request_type=aml` also show `aml` of submissions whose other list items omit it.
    pub aml_lists_are_whole: bool,
    /// List items show a record as it was this many milliseconds ago. Which records a list shows is
    /// never delayed.
    pub list_lag_ms: u32,
    /// Every nth list page is empty but has a cursor; 0 means never (U11).
    pub empty_page_every: u32,
    /// This many rows of the previous page are repeated at the start of each later page (U9).
    pub repeated_rows: u32,
    /// Lists that never end.
    pub cursor_loop: CursorLoop,
    /// The spelling of the next-page key (Q4).
    pub next_page_key: NextPageKey,
    /// Lists have members that the vendor's pages do not name and that lead nowhere.
    pub unknown_members: bool,
    /// Every nth list is empty and reports an error next to its items; 0 means never.
    pub error_beside_items_every: u32,
    /// The status of successful lists.
    pub list_status: u16,
    /// A detail call returns the record after the requested one.
    pub singles_are_of_others: bool,
    /// The wrapping of face authentications (Q2).
    pub faceauth_shape: FaceauthShape,
    /// Every nth face authentication contains `aurh_status`; 0 means none (Q1).
    pub aurh_status_every: u32,
    /// Comments and codes are one text instead of an array (Q6).
    pub comments_as_text: bool,
    /// The format of date-times of submissions (U15).
    pub time_format: TimeFormat,
    /// Deleted submissions per thousand generated ones (section 3.6).
    pub deleted_permille: u32,
    /// The field that contains "Deleted Submission" (U13).
    pub deleted_label: DeletedLabel,
    /// What a projection does to the fields that it hides (U16).
    pub hidden_fields: HiddenFields,
    /// The key is refused with 403 in one of two ways (section 1.1).
    pub forbid: Forbid,
    /// The answer to an unknown id (U14, U26).
    pub unknown_id: UnknownId,
    /// The body of application errors (section 9.1).
    pub error_shape: ErrorShape,
    /// A list of more rows than this is refused; 0 means never (U19).
    pub too_large_above: u32,
    /// The status of that refusal: 413, 502 or 504.
    pub too_large_status: u16,
    /// The delay of every answer in milliseconds.
    pub latency_ms: u64,
    /// How many calls a second the vendor accepts and serves.
    pub traffic: TrafficLimits,
    /// Seconds by which the `Date` header of every answer is ahead; negative if it is behind.
    pub date_ahead_seconds: i64,
    /// Whether the project uses Secure Data Transmission (section 10), and the encoding of its
    /// ciphertexts (U21).
    pub encryption: CiphertextForm,
    /// The place of `count` and the cursor in an encrypted request (U22).
    pub encrypted_paging: PagingPlace,
    /// With encryption, refusals of the application are encrypted too (U20).
    pub encrypted_errors: bool,
    /// The answer to a plain request if the project encrypts, and the reverse (U23).
    pub mode_mismatch: ModeMismatch,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            default_count: 50,
            max_count: 2000,
            count_above_max: AboveMax::Clamp,
            order: Order::Descending,
            date_format: DateFormat::Dash,
            end_exclusive: false,
            filter_zone: FilterZone::Utc,
            dated_lists_are_empty: false,
            full_list_items: false,
            aml_lists_are_whole: false,
            list_lag_ms: 0,
            empty_page_every: 0,
            repeated_rows: 0,
            cursor_loop: CursorLoop::None,
            next_page_key: NextPageKey::Documented,
            unknown_members: false,
            error_beside_items_every: 0,
            list_status: 200,
            singles_are_of_others: false,
            faceauth_shape: FaceauthShape::Wrapped,
            aurh_status_every: 0,
            comments_as_text: false,
            time_format: TimeFormat::Iso,
            deleted_permille: 3,
            deleted_label: DeletedLabel::Name,
            hidden_fields: HiddenFields::Omitted,
            forbid: Forbid::None,
            unknown_id: UnknownId::Empty,
            error_shape: ErrorShape::CodeAndMessage,
            too_large_above: 0,
            too_large_status: 413,
            latency_ms: 0,
            traffic: TrafficLimits::default(),
            date_ahead_seconds: 0,
            encryption: CiphertextForm::None,
            encrypted_paging: PagingPlace::Clear,
            encrypted_errors: false,
            mode_mismatch: ModeMismatch::Refused,
        }
    }
}

/// The answer to a `count` above the largest page size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum AboveMax {
    /// A page of the largest size.
    Clamp,
    /// 400 `invalid_format`.
    Refuse,
}

/// Order of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
    /// Oldest first, records of the same time in any order.
    ShuffledTies,
    /// Oldest page first, the rows of a page in any order. The cursor is the newest row of the
    /// page.
    ShuffledPages,
}

/// Accepted filter dates; others cause 400 `invalid_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DateFormat {
    /// `YYYY-MM-DD`
    Dash,
    /// `YYYYMMDD`
    Compact,
    /// Both formats.
    Both,
}

/// The time zone of the days of a date filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum FilterZone {
    /// Days begin at midnight UTC.
    Utc,
    /// Days begin at midnight in Korea, nine hours earlier.
    Kst,
}

/// Lists that never end, because a cursor leads back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum CursorLoop {
    /// Every list ends.
    None,
    /// The second page has the cursor of the first one: A, A.
    Aa,
    /// The third page has the cursor of the first one: A, B, A.
    Aba,
}

/// The spelling of the next-page key of both streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum NextPageKey {
    /// `nextpageKey{id,created_at}` and `nextPage_key{authId,createTime}`.
    Documented,
    /// `nextPageKey`, with the stream's own parts.
    Camel,
    /// `NextpageKey`, with the stream's own parts.
    Title,
    /// `nextPage_key`, with the other stream's parts.
    Snake,
    /// `nextPageKeyId` and `nextPageKeyTime`.
    Flat,
    /// `nextPageCursor{key,at}`, which the vendor's pages do not name.
    Unknown,
    /// `LastEvaluated{key,at}`, recognizable only by its value.
    Unnamed,
    /// Lists end after their first page.
    Missing,
}

/// The wrapping of face authentications (contract sections 6.2 and 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum FaceauthShape {
    /// `[{faceAuth_projectId, data, nextPage_key}]`, also for detail calls.
    Wrapped,
    /// Lists are wrapped, detail calls are flat.
    FlatSingle,
    /// Always `[record, ...]`, without a cursor, so that a list ends with its first page.
    Flat,
}

/// The format of date-times of submissions (contract section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// `2024-01-01T00:00:00.000Z`
    Iso,
    /// `2024-01-01-00-00-00-000`
    Dashed,
}

/// The field of a deleted submission that contains "Deleted Submission". Others than the vendor
/// also write to `memo` and `email`, so the label proves nothing there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DeletedLabel {
    /// `memo.text`
    Memo,
    /// `data.name`
    Name,
    /// `email`
    Email,
    /// `warning`
    Warning,
    /// `label`, which the vendor's pages do not name.
    Label,
}

/// What a projection does to the fields that it hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum HiddenFields {
    /// The fields are absent.
    Omitted,
    /// The fields are null.
    Null,
}

/// Whether and how every call of the project is refused with 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Forbid {
    /// Calls are not refused.
    None,
    /// Calls are refused as with a wrong key.
    Forbidden,
    /// Calls are refused as from an address that is not on the allowlist.
    ExplicitDeny,
}

/// The answer to an unknown id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum UnknownId {
    /// 200 without items.
    Empty,
    /// Status 400.
    BadRequest,
}

/// The body of application errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ErrorShape {
    /// `{"errorCode","message"}`
    CodeAndMessage,
    /// `{"errorCode"}`
    CodeOnly,
    /// `{"errorCode","errorMessage"}`
    ErrorMessage,
    /// `{"message","statusCode"}`
    MessageAndStatus,
}

/// Whether a project uses Secure Data Transmission, and the encoding of its ciphertexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum CiphertextForm {
    /// Plain requests and responses.
    None,
    /// Base64.
    Base64,
    /// Hexadecimal digits.
    Hex,
}

/// The place of `count` and the cursor in an encrypted request. At another place they are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum PagingPlace {
    /// The query.
    Clear,
    /// The ciphertext.
    Inside,
    /// Both; otherwise the request is refused.
    Both,
}

/// The behaviour if only one side encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ModeMismatch {
    /// The request is refused with 400.
    Refused,
    /// A plain request gets an encrypted answer. A ciphertext is ignored, and the answer is in the
    /// clear.
    Overlooked,
}
