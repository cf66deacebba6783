//! What the vendor may do differently from what we like to read in its pages (contract section
//! 14.1).

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How one project answers. The default is a friendly vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, named in JSON")]
pub struct Knobs {
    /// Page size of submission lists without `count`; face authentications have 2,000 (U10).
    pub default_count: u32,
    /// Largest page size (U10).
    pub max_count: u32,
    /// What a larger `count` brings.
    pub count_above_max: AboveMax,
    /// Order of lists (U1).
    pub order: Order,
    /// Which dates `start_date` and `end_date` may be (U4).
    pub date_format: DateFormat,
    /// Whether the end day itself is left out (U3).
    pub end_exclusive: bool,
    /// Where the filter's days begin (U3).
    pub filter_zone: FilterZone,
    /// The vendor ignores what it should filter by and answers dated lists with nothing (I2 of the
    /// design).
    pub dated_lists_are_empty: bool,
    /// List items carry every field, as the detail call does; else only those of the vendor's list
    /// samples (Q17).
    pub full_list_items: bool,
    /// Lists with `request_type=aml` show `aml` also of submissions whose other list items leave it
    /// out.
    pub aml_lists_are_whole: bool,
    /// List items show a record as it was so many milliseconds ago; which records a list shows is
    /// never late.
    pub list_lag_ms: u32,
    /// Every nth list page is empty and has a cursor all the same; 0 is never (U11).
    pub empty_page_every: u32,
    /// So many rows of the page before come again at the start of each later page (U9).
    pub repeated_rows: u32,
    /// Lists that never end.
    pub cursor_loop: CursorLoop,
    /// How the next-page key is spelled (Q4).
    pub next_page_key: NextPageKey,
    /// Lists have members that no page of the vendor names, and that lead nowhere.
    pub unknown_members: bool,
    /// Every nth list is empty and reports an error beside its items; 0 is never.
    pub error_beside_items_every: u32,
    /// The status of lists that succeed.
    pub list_status: u16,
    /// A detail call answers with the record after the one asked for.
    pub singles_are_of_others: bool,
    /// How face authentications are wrapped (Q2).
    pub faceauth_shape: FaceauthShape,
    /// Every nth face authentication says `aurh_status`; 0 is none (Q1).
    pub aurh_status_every: u32,
    /// Comments and codes as one text in place of an array (Q6).
    pub comments_as_text: bool,
    /// How date-times of submissions are written (U15).
    pub time_format: TimeFormat,
    /// How many generated submissions in a thousand are deleted (section 3.6).
    pub deleted_permille: u32,
    /// Which field says "Deleted Submission" (U13).
    pub deleted_label: DeletedLabel,
    /// What a projection does to the fields it hides (U16).
    pub hidden_fields: HiddenFields,
    /// The key is refused with 403, either way (section 1.1).
    pub forbid: Forbid,
    /// What an unknown id brings (U14, U26).
    pub unknown_id: UnknownId,
    /// The body of application errors (section 9.1).
    pub error_shape: ErrorShape,
    /// A list of more rows than this is refused; 0 is never (U19).
    pub too_large_above: u32,
    /// The status of that refusal: 413, 502 or 504.
    pub too_large_status: u16,
    /// Every answer waits so long, in milliseconds.
    pub latency_ms: u64,
    /// The `Date` header of every answer is ahead by this many seconds; negative: behind.
    pub date_ahead_seconds: i64,
    /// Whether the project uses Secure Data Transmission (section 10), and how its ciphertexts are
    /// written (U21).
    pub encryption: Encryption,
    /// Where `count` and the cursor are looked for then (U22).
    pub encrypted_paging: EncryptedPaging,
    /// Refusals of the application are encrypted then, too (U20).
    pub encrypted_errors: bool,
    /// What a plain request to a project that encrypts brings, and the reverse (U23).
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
            date_ahead_seconds: 0,
            encryption: Encryption::None,
            encrypted_paging: EncryptedPaging::Clear,
            encrypted_errors: false,
            mode_mismatch: ModeMismatch::Refused,
        }
    }
}

/// What a `count` above the largest page size brings.
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
    /// Oldest first, those of one moment in any order.
    ShuffledTies,
    /// Oldest page first, the rows of a page in any order. The cursor names the newest row,
    /// wherever it stands.
    ShuffledPages,
}

/// Which filter dates the vendor takes; the other ones bring 400 `invalid_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DateFormat {
    /// `YYYY-MM-DD`
    Dash,
    /// `YYYYMMDD`
    Compact,
    /// Either.
    Both,
}

/// Where the days of a date filter begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum FilterZone {
    /// At midnight UTC.
    Utc,
    /// At midnight in Korea, nine hours earlier.
    Kst,
}

/// Lists that never end: cursors that lead back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum CursorLoop {
    /// Every list ends.
    None,
    /// The second page has the cursor of the first: A, A.
    Aa,
    /// The third page has the cursor of the first: A, B, A.
    Aba,
}

/// How the next-page key of both streams is spelled.
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
    /// `nextPageCursor{key,at}`, which no page of the vendor names.
    Unknown,
    /// `LastEvaluated{key,at}`: only its value tells what it is.
    Unnamed,
    /// Lists end after their first page.
    Missing,
}

/// How face authentications are wrapped (contract sections 6.2 and 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum FaceauthShape {
    /// `[{faceAuth_projectId, data, nextPage_key}]`, for detail calls too.
    Wrapped,
    /// Lists wrapped, detail calls flat.
    FlatSingle,
    /// `[record, ...]` always: without a cursor, so that a list ends with its first page.
    Flat,
}

/// How date-times of submissions are written (contract section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// `2024-01-01T00:00:00.000Z`
    Iso,
    /// `2024-01-01-00-00-00-000`
    Dashed,
}

/// Which field of a deleted submission says "Deleted Submission". In `memo` and `email` others
/// write too: there the label proves nothing.
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
    /// `label`, which no page of the vendor's names.
    Label,
}

/// What a projection does to the fields it hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum HiddenFields {
    /// They are absent.
    Omitted,
    /// They are null.
    Null,
}

/// Whether and how every call of the project is refused with 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Forbid {
    /// It is not.
    None,
    /// As with a wrong key.
    Forbidden,
    /// As from an address that is not on the list.
    ExplicitDeny,
}

/// What an unknown id brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum UnknownId {
    /// 200 without items.
    Empty,
    /// 400.
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

/// Whether a project uses Secure Data Transmission, and how its ciphertexts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// It does not.
    None,
    /// In base64.
    Base64,
    /// In hexadecimal digits.
    Hex,
}

/// Where an encrypted request must have its `count` and its cursor; at another place they go
/// unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum EncryptedPaging {
    /// In the query.
    Clear,
    /// In the ciphertext.
    Inside,
    /// In both; else it is refused.
    Both,
}

/// What happens when one side encrypts and the other does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ModeMismatch {
    /// 400.
    Refused,
    /// The plain request is answered, encrypted; the ciphertext is not looked at, and the answer
    /// plain.
    Overlooked,
}
