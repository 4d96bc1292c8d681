//! The columns of a source or of an intermediate row.

use std::fmt;
use std::sync::Arc;

use crate::SqlType;

/// Where a column's content comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Part of the record's key (`KEY`, or `PRIMARY KEY` of a table).
    Key,
    Value,
    /// `HEADERS`: all headers; `HEADER('name')`: the last header of that name.
    Headers(Option<Arc<str>>),
}

/// One column of a [`Schema`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    pub name: Arc<str>,
    pub ty: SqlType,
    pub namespace: Namespace,
}

/// Columns in declaration order: as ksqlDB prints them, keys first by convention but not by force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Schema {
    pub columns: Arc<[Column]>,
}

impl Schema {
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Schema {
        Schema { columns: columns.into_iter().collect() }
    }

    pub fn key(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|c| c.namespace == Namespace::Key)
    }

    pub fn value(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|c| c.namespace == Namespace::Value)
    }

    pub fn headers(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|c| matches!(c.namespace, Namespace::Headers(_)))
    }

    /// Position and column of that exact name.
    pub fn find(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, c)| &*c.name == name)
    }
}

impl Column {
    pub fn key(name: impl Into<Arc<str>>, ty: SqlType) -> Column {
        Column { name: name.into(), ty, namespace: Namespace::Key }
    }

    pub fn value(name: impl Into<Arc<str>>, ty: SqlType) -> Column {
        Column { name: name.into(), ty, namespace: Namespace::Value }
    }
}

/// `` `ID` INTEGER KEY, `V` STRING `` as in ksqlDB's answers and query headers.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, c) in self.columns.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}`{}` {}", c.name.replace('`', "``"), c.ty)?;
            match &c.namespace {
                Namespace::Key => f.write_str(" KEY")?,
                Namespace::Value => {}
                Namespace::Headers(None) => f.write_str(" HEADERS")?,
                Namespace::Headers(Some(name)) => write!(f, " HEADER('{name}')")?,
            }
        }
        Ok(())
    }
}
