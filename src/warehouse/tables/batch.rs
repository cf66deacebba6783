//! Rows of one table, column by column, as the statements take them.

use sqlx::{Arguments as _, Encode, error::BoxDynError, postgres::PgArguments};

use crate::{
    normalize::{
        Cell, Row,
        catalogue::{Column, Key, Table},
    },
    warehouse::postgres::array::{Element, PgArray},
};

/// Rows of one table with the keys they do not carry themselves.
#[derive(Debug)]
pub(in crate::warehouse) struct ColumnBatch {
    table: &'static Table,
    ids: PgArray,
    ordinals: PgArray,
    /// Columns of the catalogue, each with its position.
    columns: Vec<(usize, PgArray)>,
}

impl ColumnBatch {
    /// No rows yet.
    pub(super) fn of(table: &'static Table) -> Self {
        Self::with_room(table, &[])
    }

    /// No rows yet, and room for about so many, of which little is known: what grows is copied each
    /// time.
    pub(super) fn of_count(table: &'static Table, count: usize) -> Self {
        Self::of_such(table, count, |_| true)
    }

    /// The same with no other columns than these.
    pub(super) fn of_such(
        table: &'static Table,
        count: usize,
        is_such: impl Fn(&Column) -> bool,
    ) -> Self {
        const CELL_BYTES: usize = 24;
        Self::with_room_of(table, &vec![count * CELL_BYTES; 2 + table.columns.len()], is_such)
    }

    /// No rows yet, and [`ColumnBatch::room`] for as many as others were.
    pub(in crate::warehouse) fn with_room(table: &'static Table, room: &[usize]) -> Self {
        Self::with_room_of(table, room, |_| true)
    }

    fn with_room_of(
        table: &'static Table,
        room: &[usize],
        is_such: impl Fn(&Column) -> bool,
    ) -> Self {
        let mut room = room.iter().copied();
        let mut array = |element| PgArray::with_room(element, room.next().unwrap_or_default());
        let (ids, ordinals) = (array(Element::Text), array(Element::Int4));
        let such = table.columns.iter().enumerate().filter(|(_, column)| is_such(column));
        let columns = such.map(|(position, column)| (position, array(Element::of(column.kind))));
        Self { table, ids, ordinals, columns: columns.collect() }
    }

    /// The room that as many rows again may need, for each array.
    pub(in crate::warehouse) fn room(&self) -> Vec<usize> {
        self.arrays().map(PgArray::room).collect()
    }

    fn arrays(&self) -> impl Iterator<Item = &PgArray> {
        let columns = self.columns.iter().map(|(_, values)| values);
        [&self.ids, &self.ordinals].into_iter().chain(columns)
    }

    /// Adds a row of this record. A row that is too short ends in nulls.
    pub(in crate::warehouse) fn add(&mut self, id: &str, ordinal: i32, row: &Row<'_>) {
        self.ids.text(id);
        self.ordinals.int4(ordinal);
        for (position, values) in &mut self.columns {
            values.cell(row.get(*position).unwrap_or(&Cell::Null));
        }
    }

    /// The ids of the rows' records.
    pub(super) fn bind_ids(&self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        arguments.add(&self.ids)
    }

    /// How many bytes they are at most.
    pub(in crate::warehouse) fn size_hint(&self) -> usize {
        self.arrays().map(Encode::size_hint).sum()
    }

    /// The keys, and all columns.
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

    /// All columns.
    pub(super) fn bind_columns(&self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        self.columns.iter().try_for_each(|(_, values)| arguments.add(values))
    }

    /// One column of the catalogue, by its position.
    pub(super) fn bind_column(
        &self,
        arguments: &mut PgArguments,
        position: usize,
    ) -> Result<(), BoxDynError> {
        let mut columns = self.columns.iter().filter(|(place, _)| *place == position);
        columns.try_for_each(|(_, values)| arguments.add(values))
    }
}
