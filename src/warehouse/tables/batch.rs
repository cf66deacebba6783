//! Rows of one table as column arrays, the format that statements take.

use sqlx::{Arguments as _, Encode, error::BoxDynError, postgres::PgArguments};

use crate::{
    normalize::{
        Cell, Row,
        catalogue::{Column, Key, Table},
    },
    warehouse::postgres::array::{PgArray, PgType},
};

/// Rows of one table, with the keys that the rows do not contain.
#[derive(Debug)]
pub(in crate::warehouse) struct ColumnBatch {
    table: &'static Table,
    ids: PgArray,
    ordinals: PgArray,
    /// The catalogue's columns with their positions.
    columns: Vec<(usize, PgArray)>,
}

impl ColumnBatch {
    /// Creates an empty batch.
    pub(super) fn of(table: &'static Table) -> Self {
        Self::with_capacity(table, &[])
    }

    /// Creates an empty batch with an estimated capacity for `count` rows. Growing later would copy
    /// the arrays.
    pub(super) fn of_count(table: &'static Table, count: usize) -> Self {
        Self::of_such(table, count, |_| true)
    }

    /// Creates an empty batch with only the columns that `is_such` selects.
    pub(super) fn of_such(
        table: &'static Table,
        count: usize,
        is_such: impl Fn(&Column) -> bool,
    ) -> Self {
        const CELL_BYTES: usize = 24;
        Self::with_capacity_of(table, &vec![count * CELL_BYTES; 2 + table.columns.len()], is_such)
    }

    /// Creates an empty batch with the capacity that [`ColumnBatch::capacity`] returned for another
    /// one.
    pub(in crate::warehouse) fn with_capacity(table: &'static Table, capacity: &[usize]) -> Self {
        Self::with_capacity_of(table, capacity, |_| true)
    }

    fn with_capacity_of(
        table: &'static Table,
        capacity: &[usize],
        is_such: impl Fn(&Column) -> bool,
    ) -> Self {
        let mut capacity = capacity.iter().copied();
        let mut array =
            |element| PgArray::with_capacity(element, capacity.next().unwrap_or_default());
        let (ids, ordinals) = (array(PgType::Text), array(PgType::Int4));
        let such = table.columns.iter().enumerate().filter(|(_, column)| is_such(column));
        let columns = such.map(|(position, column)| (position, array(PgType::of(column.kind))));
        Self { table, ids, ordinals, columns: columns.collect() }
    }

    /// The capacity of each array to reserve for a similar number of rows, in bytes.
    pub(in crate::warehouse) fn capacity(&self) -> Vec<usize> {
        self.arrays().map(PgArray::capacity).collect()
    }

    fn arrays(&self) -> impl Iterator<Item = &PgArray> {
        let columns = self.columns.iter().map(|(_, values)| values);
        [&self.ids, &self.ordinals].into_iter().chain(columns)
    }

    /// Adds a row of this record. Missing values at the end of the row become null.
    pub(in crate::warehouse) fn add(&mut self, id: &str, ordinal: i32, row: &Row<'_>) {
        self.ids.text(id);
        self.ordinals.int4(ordinal);
        for (position, values) in &mut self.columns {
            values.cell(row.get(*position).unwrap_or(&Cell::Null));
        }
    }

    /// Binds the ids of the rows' records.
    pub(super) fn bind_ids(&self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        arguments.add(&self.ids)
    }

    /// The maximum size in bytes when sent.
    pub(in crate::warehouse) fn size_hint(&self) -> usize {
        self.arrays().map(Encode::size_hint).sum()
    }

    /// Binds the keys, then all columns.
    pub(in crate::warehouse) fn bind(
        &self,
        arguments: &mut PgArguments,
    ) -> Result<(), BoxDynError> {
        if self.table.key != Key::Set {
            self.bind_ids(arguments)?;
        }
        if self.table.key == Key::Ordinal {
            arguments.add(&self.ordinals)?;
        }
        self.bind_columns(arguments)
    }

    /// Binds all columns.
    pub(super) fn bind_columns(&self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        self.columns.iter().try_for_each(|(_, values)| arguments.add(values))
    }

    /// Binds the column at this position of the catalogue.
    pub(super) fn bind_column(
        &self,
        arguments: &mut PgArguments,
        position: usize,
    ) -> Result<(), BoxDynError> {
        let mut columns = self.columns.iter().filter(|(place, _)| *place == position);
        columns.try_for_each(|(_, values)| arguments.add(values))
    }
}
