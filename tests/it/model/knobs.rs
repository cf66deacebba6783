//! A vendor's habits, drawn from a seed (contract section 14.1).

use argos_sync::{
    domain::Stream,
    simulator::{
        DateFormat, DeletedLabel, ErrorShape, FaceauthShape, Faults, FilterZone, HiddenFields,
        Knobs, Order, TimeFormat, UnknownId,
    },
};

use crate::random::Random;

/// The habits of one project, all of which the program must handle.
pub(super) fn habits(random: &mut Random, stream: Stream, page_size: u32) -> Knobs {
    let faceauth_shape = match stream {
        Stream::Submission => FaceauthShape::Wrapped,
        Stream::Faceauth => random.pick(&[
            FaceauthShape::Wrapped,
            FaceauthShape::Wrapped,
            FaceauthShape::FlatSingle,
            FaceauthShape::Flat,
        ]),
    };
    // Flat lists have no cursor, so a shortened page would lose records.
    let has_pages = faceauth_shape != FaceauthShape::Flat;
    let sometimes = |random: &mut Random, share: u64, value: u32| {
        if has_pages && random.percent(share) { value } else { 0 }
    };
    // Drawn separately, so that each seed keeps its schedule.
    let list_lag_ms = match stream {
        Stream::Submission => Random(random.0 ^ 0x6c61_6773).pick(&[0, 0, 600_000, 7_200_000]),
        Stream::Faceauth => 0,
    };
    let error_beside_items_every = Random(random.0 ^ 0x0065_7272_6f72).pick(&[0, 0, 5]);
    Knobs {
        list_lag_ms,
        error_beside_items_every,
        max_count: if has_pages && random.percent(25) { random.between(3, 20) } else { 2000 },
        order: random.pick(&[
            Order::Ascending,
            Order::Descending,
            Order::ShuffledTies,
            Order::ShuffledPages,
        ]),
        date_format: random.pick(&[DateFormat::Dash, DateFormat::Compact, DateFormat::Both]),
        end_exclusive: random.percent(50),
        filter_zone: random.pick(&[FilterZone::Utc, FilterZone::Kst]),
        full_list_items: random.percent(20),
        empty_page_every: sometimes(random, 40, 3),
        repeated_rows: sometimes(random, 40, 2),
        faceauth_shape,
        aurh_status_every: random.pick(&[0, 1, 3]),
        comments_as_text: random.percent(30),
        time_format: random.pick(&[TimeFormat::Iso, TimeFormat::Iso, TimeFormat::Dashed]),
        deleted_permille: random.pick(&[0, 3, 60]),
        deleted_label: random.pick(&[
            DeletedLabel::Name,
            DeletedLabel::Name,
            DeletedLabel::Warning,
            DeletedLabel::Label,
            DeletedLabel::Memo,
            DeletedLabel::Email,
        ]),
        hidden_fields: random.pick(&[HiddenFields::Omitted, HiddenFields::Null]),
        unknown_id: random.pick(&[UnknownId::Empty, UnknownId::BadRequest]),
        error_shape: random.pick(&[
            ErrorShape::CodeAndMessage,
            ErrorShape::CodeOnly,
            ErrorShape::ErrorMessage,
            ErrorShape::MessageAndStatus,
        ]),
        too_large_above: sometimes(random, 25, page_size / 2 + 3),
        too_large_status: random.pick(&[413, 502, 504]),
        ..Knobs::default()
    }
}

/// The faults of one step; mostly none.
pub(super) fn faults(random: &mut Random) -> Faults {
    let seed = random.any();
    match random.up_to(10) {
        // An unreachable vendor.
        1 => Faults { seed, server_error: 0.5, dropped: 0.5, ..Faults::default() },
        2..=4 => {
            let share = f64::from(random.between(5_u32, 40)) / 100.0;
            Faults { retry_after_seconds: None, ..Faults::evenly(seed, share) }
        }
        _ => Faults::default(),
    }
}
