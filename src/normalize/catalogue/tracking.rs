//! The columns whose history is recorded.

use super::{Column, Table};

/// How changes of a column are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracking {
    /// The old and the new value are recorded.
    Values,
    /// Only the name of the column is recorded, never its values, which identify the applicant.
    Name,
    /// Added and removed elements are recorded. The column identifies the elements of a set.
    Elements,
}

impl Tracking {
    /// Returns how changes of a column are recorded, or `None` if they are not.
    pub fn of(table: &Table, column: &Column) -> Option<Self> {
        match (table.name, column.name) {
            (
                "submission",
                "kyc_result" | "reviewer" | "aml_status" | "aml_risk_level" | "deleted_at",
            )
            | ("faceauth", "status" | "deleted_at") => Some(Self::Values),
            ("aml_match", "resource_id") => Some(Self::Elements),
            _ if is_identity(column.path) => Some(Self::Name),
            _ => None,
        }
    }

    /// Returns the value of `field` in the rows of history about a column.
    pub fn field(self, table: &Table, column: &Column) -> String {
        match self {
            Self::Values => column.name.to_owned(),
            Self::Name => format!("identity.{}", column.name),
            Self::Elements => table.name.to_owned(),
        }
    }
}

/// Whether a path identifies the applicant: the members of `data`, the e-mail address, and the
/// company's own id for the applicant.
fn is_identity(path: &str) -> bool {
    path.starts_with("data.") || matches!(path, "email" | "userid")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        domain::Stream,
        normalize::catalogue::{self, Class, Key, Schema, Type},
    };

    fn tracked() -> impl Iterator<Item = (&'static Table, &'static Column, Tracking)> {
        Stream::ALL.into_iter().flat_map(catalogue::tables).flat_map(|table| {
            let of = move |column| Some((table, column, Tracking::of(table, column)?));
            table.columns.iter().filter_map(of)
        })
    }

    #[test]
    fn values_are_kept_only_of_what_analysts_see_anyway() {
        let fields: BTreeSet<_> = tracked()
            .filter(|(.., tracking)| *tracking != Tracking::Name)
            .map(|(table, column, tracking)| {
                assert_eq!(table.schema, Schema::Facts, "{}", column.name);
                assert!(matches!(column.class, Class::Fact | Class::Identifier), "{}", column.name);
                format!("{} {}", table.stream, tracking.field(table, column))
            })
            .collect();
        let wanted = [
            "faceauth deleted_at",
            "faceauth status",
            "submission aml_match",
            "submission aml_risk_level",
            "submission aml_status",
            "submission deleted_at",
            "submission kyc_result",
            "submission reviewer",
        ];
        assert!(fields.iter().eq(wanted.iter()), "{fields:?}");
    }

    #[test]
    fn a_column_is_compared_where_its_record_has_one_row_and_elements_where_it_has_many() {
        for (table, column, tracking) in tracked() {
            let key = if tracking == Tracking::Elements { Key::Ordinal } else { Key::Record };
            assert_eq!(table.key, key, "{}", column.name);
            let kinds = [Type::Text, Type::Enum, Type::Timestamp, Type::Date];
            assert!(kinds.contains(&column.kind), "{}", column.name);
        }
    }

    #[test]
    fn every_member_of_the_identity_is_tracked_and_no_signed_address() {
        let names: BTreeSet<_> = tracked()
            .filter(|(.., tracking)| *tracking == Tracking::Name)
            .map(|(table, column, tracking)| {
                let volatile = catalogue::volatile_paths(table.stream);
                assert!(!volatile.iter().any(|path| column.path.starts_with(path)));
                tracking.field(table, column)
            })
            .collect();
        for field in ["email", "userid", "full_name", "date_of_birth", "phone_number", "gender"] {
            assert!(names.contains(&format!("identity.{field}")), "{field}");
        }
    }
}
