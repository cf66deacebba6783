//! Common code of all statements: connections, errors, arrays, migrations. Independent of the
//! tables.

pub(super) mod address;
pub(super) mod array;
pub(super) mod direct;
pub(super) mod error;
pub(super) mod known_server;
pub(super) mod migrate;
pub(super) mod plan_settings;
pub(super) mod pool;
pub(super) mod renewal;
mod retry;
pub(super) mod server;
pub(super) mod sql;
mod sql_fault;
pub(super) mod surroundings;
pub(super) mod unreachable;
