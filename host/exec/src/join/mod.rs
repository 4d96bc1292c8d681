//! Joins. A row of a join is the join key, then the columns of the left row, then those of the right row.

mod foreign_key;
mod stream_stream;
mod stream_table;
mod table_table;

pub(crate) use foreign_key::{ForeignKeyLeft, ForeignKeyRight, Messages};
pub(crate) use stream_stream::{StreamStreamJoin, Timing};
pub(crate) use stream_table::StreamTableJoin;
pub(crate) use table_table::{Side as TableSide, TableTableJoin};

use calzone_plan::plan::JoinStep;
use calzone_plan::plan::StepOutput;
use calzone_sql::ast::JoinKind;
use calzone_types::SqlType;

/// How the columns of a join lie.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub kind: JoinKind,
    /// Number of key columns at the front.
    pub keys: usize,
    pub left: Vec<SqlType>,
    pub right: Vec<SqlType>,
    /// Types of all columns.
    pub types: Vec<SqlType>,
    /// Positions of each side's key in its own columns.
    pub left_key: Vec<usize>,
    pub right_key: Vec<usize>,
}

impl Layout {
    pub fn new(step: &JoinStep, output: &StepOutput) -> Layout {
        let types = |output: &StepOutput| output.columns.iter().map(|column| column.ty.clone()).collect::<Vec<_>>();
        let (left, right, all) = (types(&step.left.output), types(&step.right.output), types(output));
        Layout {
            kind: step.kind,
            keys: all.len().saturating_sub(left.len() + right.len()),
            left,
            right,
            types: all,
            left_key: step.left.output.key.clone(),
            right_key: step.right.output.key.clone(),
        }
    }

    /// Where the left row's columns begin.
    pub fn left_at(&self) -> usize {
        self.keys
    }

    /// Where the right row's columns begin.
    pub fn right_at(&self) -> usize {
        self.keys + self.left.len()
    }

    /// Are left rows without a match kept?
    pub fn keeps_left(&self) -> bool {
        matches!(self.kind, JoinKind::Left | JoinKind::Full)
    }

    /// Are right rows without a match kept?
    pub fn keeps_right(&self) -> bool {
        matches!(self.kind, JoinKind::Right | JoinKind::Full)
    }
}
