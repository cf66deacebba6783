//! Who is missing, who decides, what is emptied.

pub(super) mod absence;
pub(super) mod confirmed;
pub(super) mod delete;
mod judge;
pub(super) mod seen_ids;
