//! Stages: what `#[stage]` makes, the [`Stage`] trait for those that give 0..n rows per row, and how the host calls them.

use std::cell::{OnceCell, RefCell};

use crate::argument::ValueReader;
use crate::bindings::stage::exports::calzone::plugin::stages as wit;
use crate::bindings::types::{About, Column, RowError, Setting};
use crate::capability::Seeds;
use crate::column::Cursor;
use crate::output::Output;
use crate::{Random, Settings, SqlType, Timestamp, Value};

pub use wit::Batch;

/// A record header; the value may be null.
pub type Header = (String, Option<Vec<u8>>);

/// One stage of a plugin. Made by `#[stage]`, or by implementing [`Stage`].
#[derive(Clone, Copy)]
pub struct StageEntry {
    pub name: &'static str,
    pub doc: &'static str,
    pub settings: &'static [SettingDescription],
    /// Prepares the stage for a source with these columns.
    pub open: OpenStage,
}

/// Looks at settings and the source's columns, and gives the plan and what works on batches.
pub type OpenStage = fn(&Settings, &[InputColumn]) -> Result<(Plan, Process), String>;

/// Works on a batch.
pub type Process = Box<dyn FnMut(&Batch) -> Result<wit::Answer, String>>;

/// A setting that CONFIG may give.
#[derive(Clone, Copy, Debug)]
pub struct SettingDescription {
    pub key: &'static str,
    pub doc: &'static str,
    /// None: it must be given.
    pub default: Option<&'static str>,
}

/// A column of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputColumn {
    pub name: String,
    pub ty: SqlType,
    /// Part of the record's key?
    pub key: bool,
}

/// What a stage reads and what its sink's columns are.
#[derive(Clone, Debug)]
pub struct Plan {
    input: Vec<InputColumn>,
    reads: Vec<usize>,
    timestamps: bool,
    headers: bool,
    columns: Vec<OutputColumn>,
    /// Names of the outputs, which all have the same columns; empty for the only one.
    outputs: Vec<String>,
}

#[derive(Clone, Debug)]
struct OutputColumn {
    name: String,
    key: bool,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Input(usize),
    Computed(SqlType),
}

impl Plan {
    /// All columns pass by unchanged, none is read.
    pub fn passing(input: &[InputColumn]) -> Plan {
        let columns = input
            .iter()
            .enumerate()
            .map(|(i, c)| OutputColumn { name: c.name.clone(), key: c.key, source: Source::Input(i) })
            .collect();
        Plan {
            input: input.to_vec(),
            reads: Vec::new(),
            timestamps: false,
            headers: false,
            columns,
            outputs: vec![String::new()],
        }
    }

    /// Gives the stage several outputs, for streams in the order of INTO: [`Rows::push_to`] says where a row goes. All have
    /// the same columns.
    pub fn route(&mut self, outputs: &[&str]) {
        self.outputs = outputs.iter().map(|name| (*name).to_owned()).collect();
    }

    /// Reads a column: the n-th call makes it the n-th of [`Row::value`]. Gives its type. Case does not matter.
    pub fn read(&mut self, name: &str) -> Result<SqlType, String> {
        let position = self.input.iter().position(|c| c.name == name);
        let position =
            position.or_else(|| self.input.iter().position(|c| c.name.eq_ignore_ascii_case(name))).ok_or_else(|| {
                let names: Vec<&str> = self.input.iter().map(|c| c.name.as_str()).collect();
                format!("the source has no column `{name}`; it has {}", names.join(", "))
            })?;
        self.reads.push(position);
        Ok(self.input[position].ty.clone())
    }

    /// Reads timestamps.
    pub fn read_timestamps(&mut self) {
        self.timestamps = true;
    }

    /// Reads headers.
    pub fn read_headers(&mut self) {
        self.headers = true;
    }

    /// The stage makes this column: in the place of the input's column of that name, or else at the end.
    /// The order of these calls is the order of the values of a row.
    pub fn set(&mut self, name: &str, ty: SqlType) {
        // Computed columns travel in the order in which they stand in the output.
        match self.columns.iter_mut().find(|c| c.name == name) {
            Some(column) => column.source = Source::Computed(ty),
            None => self.columns.push(OutputColumn { name: name.to_owned(), key: false, source: Source::Computed(ty) }),
        }
    }

    /// Leaves a column of the input out.
    pub fn drop(&mut self, name: &str) {
        self.columns.retain(|c| !c.name.eq_ignore_ascii_case(name));
    }

    /// Names and types of the computed columns, in the order in which a row's values stand.
    pub fn computed(&self) -> impl Iterator<Item = (&str, &SqlType)> {
        self.columns.iter().filter_map(|c| match &c.source {
            Source::Computed(ty) => Some((c.name.as_str(), ty)),
            Source::Input(_) => None,
        })
    }

    fn into_wit(self) -> wit::Plan {
        let columns: Vec<_> = self
            .columns
            .into_iter()
            .map(|c| wit::OutputColumn {
                name: c.name,
                key: c.key,
                source: match c.source {
                    Source::Input(i) => wit::ColumnSource::Input(i as u32),
                    Source::Computed(ty) => wit::ColumnSource::Computed(ty.to_string()),
                },
            })
            .collect();
        wit::Plan {
            reads: self.reads.into_iter().map(|i| i as u32).collect(),
            timestamps: self.timestamps,
            headers: self.headers,
            outputs: self.outputs.into_iter().map(|name| wit::Output { name, columns: columns.clone() }).collect(),
        }
    }
}

/// A stage that gives any number of rows for a row, and may change timestamps and headers.
///
/// It must not remember rows: where batches are cut is the host's business, and an instance may be replaced at any time.
pub trait Stage: Sized + 'static {
    const NAME: &'static str;
    const DOC: &'static str = "";
    const SETTINGS: &'static [SettingDescription] = &[];

    /// Not to be overridden: what `plugin!` takes.
    const STAGE: StageEntry = StageEntry { name: Self::NAME, doc: Self::DOC, settings: Self::SETTINGS, open: open_stage::<Self> };

    /// Looks at the settings and the source's columns, and says what this stage does with them.
    fn open(settings: &Settings, plan: &mut Plan) -> Result<Self, String>;

    /// Works on one row. After an error, rows pushed for it are dropped.
    fn row(&mut self, row: &Row<'_>, rows: &mut Rows) -> Result<(), String>;
}

/// One row of the source.
pub struct Row<'b> {
    columns: &'b [ValueReader<'b>],
    batch: &'b Batch,
    seeds: &'b OnceCell<Seeds>,
    row: usize,
}

impl<'b> Row<'b> {
    /// The value of the n-th column read.
    pub fn value(&self, n: usize) -> Value {
        self.columns[n].value(self.row)
    }

    /// The n-th column's text; None if it is null or not a STRING.
    pub fn text(&self, n: usize) -> Option<&'b str> {
        self.columns[n].text(self.row)
    }

    /// The record's timestamp, if the plan reads timestamps.
    pub fn timestamp(&self) -> Option<Timestamp> {
        let bytes = self.batch.timestamps.as_deref()?.get(self.row * 8..self.row * 8 + 8)?;
        Some(Timestamp(i64::from_le_bytes(bytes.try_into().ok()?)))
    }

    /// The record's headers, if the plan reads headers.
    pub fn headers(&self) -> Vec<Header> {
        let headers = self.batch.headers.as_ref().and_then(|h| h.get(self.row));
        headers.into_iter().flatten().map(|h| (h.key.clone(), h.value.clone())).collect()
    }

    /// Random numbers that belong to this row (RANDOM).
    pub fn random(&self) -> Random {
        self.seeds.get_or_init(Seeds::of_batch).row(self.row)
    }
}

/// The rows that a row gives.
#[derive(Default)]
pub struct Rows {
    rows: Vec<OutputRow>,
}

/// A row on its way out.
pub struct OutputRow {
    output: usize,
    values: Vec<Value>,
    timestamp: Option<Timestamp>,
    headers: Option<Vec<Header>>,
}

impl Rows {
    /// A row with these values of the computed columns. Timestamp and headers are the source row's unless set.
    pub fn push(&mut self, values: impl IntoIterator<Item = Value>) -> &mut OutputRow {
        self.push_to(0, values)
    }

    /// As [`Rows::push`], to the n-th output of [`Plan::route`], counted from 0.
    pub fn push_to(&mut self, output: usize, values: impl IntoIterator<Item = Value>) -> &mut OutputRow {
        self.rows.push(OutputRow { output, values: values.into_iter().collect(), timestamp: None, headers: None });
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }
}

impl OutputRow {
    /// The plan must read timestamps.
    pub fn timestamp(&mut self, timestamp: Timestamp) -> &mut OutputRow {
        self.timestamp = Some(timestamp);
        self
    }

    /// The plan must read headers.
    pub fn headers(&mut self, headers: Vec<Header>) -> &mut OutputRow {
        self.headers = Some(headers);
        self
    }
}

fn open_stage<S: Stage>(settings: &Settings, input: &[InputColumn]) -> Result<(Plan, Process), String> {
    let mut plan = Plan::passing(input);
    let mut stage = S::open(settings, &mut plan)?;
    let reads: Vec<SqlType> = plan.reads.iter().map(|&i| plan.input[i].ty.clone()).collect();
    let types: Vec<SqlType> = plan.computed().map(|(_, ty)| ty.clone()).collect();
    let outputs = plan.outputs.len();
    let process = move |batch: &Batch| {
        let mut cursor = Cursor::new(&batch.columns);
        let columns = reads.iter().map(|ty| ValueReader::new(&mut cursor, ty)).collect::<Result<Vec<_>, _>>()?;
        let seeds = OnceCell::new();
        let mut answer = AnswerWriter::new(&types, outputs, batch)?;
        let mut rows = Rows::default();
        for row in 0..batch.rows as usize {
            rows.rows.clear();
            let result = stage.row(&Row { columns: &columns, batch, seeds: &seeds, row }, &mut rows);
            answer.push(row, result, &mut rows);
        }
        Ok(answer.finish())
    };
    Ok((plan, Box::new(process)))
}

/// Collects the rows that a batch gives.
struct AnswerWriter<'b> {
    types: &'b [SqlType],
    batch: &'b Batch,
    outputs: Vec<OutputWriter>,
    errors: Vec<RowError>,
}

/// Rows of one output.
struct OutputWriter {
    source_rows: Vec<u8>,
    columns: Vec<<Value as Output>::Writer>,
    timestamps: Option<Vec<u8>>,
    headers: Option<Vec<Vec<wit::Header>>>,
}

impl<'b> AnswerWriter<'b> {
    fn new(types: &'b [SqlType], outputs: usize, batch: &'b Batch) -> Result<AnswerWriter<'b>, String> {
        let rows = batch.rows as usize / outputs.max(1);
        let writer = |_| {
            Ok(OutputWriter {
                source_rows: Vec::with_capacity(rows * 4),
                columns: types.iter().map(|ty| Value::writer(ty, rows)).collect::<Result<_, String>>()?,
                timestamps: batch.timestamps.is_some().then(|| Vec::with_capacity(rows * 8)),
                headers: batch.headers.is_some().then(|| Vec::with_capacity(rows)),
            })
        };
        let outputs = (0..outputs).map(writer).collect::<Result<_, String>>()?;
        Ok(AnswerWriter { types, batch, outputs, errors: Vec::new() })
    }

    fn push(&mut self, row: usize, result: Result<(), String>, rows: &mut Rows) {
        let checked = result.and_then(|()| rows.rows.iter().try_for_each(|r| self.check(r)));
        if let Err(message) = checked {
            self.errors.push(RowError { row: row as u32, message });
            return;
        }
        for OutputRow { output, values, timestamp, headers } in rows.rows.drain(..) {
            let out = &mut self.outputs[output];
            out.source_rows.extend_from_slice(&(row as u32).to_le_bytes());
            values.into_iter().zip(&mut out.columns).for_each(|(value, column)| value.push(column));
            if let (Some(out), Some(source)) = (&mut out.timestamps, &self.batch.timestamps) {
                match timestamp {
                    Some(t) => out.extend_from_slice(&t.0.to_le_bytes()),
                    None => out.extend_from_slice(&source[row * 8..row * 8 + 8]),
                }
            }
            if let (Some(out), Some(source)) = (&mut out.headers, &self.batch.headers) {
                out.push(match headers {
                    Some(headers) => headers.into_iter().map(|(key, value)| wit::Header { key, value }).collect(),
                    None => source[row].clone(),
                });
            }
        }
    }

    fn check(&self, row: &OutputRow) -> Result<(), String> {
        if row.output >= self.outputs.len() {
            return Err(format!("there is no output {}: they are 0 to {}", row.output, self.outputs.len() - 1));
        }
        if row.values.len() != self.types.len() {
            return Err(format!("the stage computes {} columns, the row has {} values", self.types.len(), row.values.len()));
        }
        row.values.iter().zip(self.types).try_for_each(|(value, ty)| value.check(ty))
    }

    fn finish(self) -> wit::Answer {
        let rows = |out: OutputWriter| {
            let mut columns = Vec::new();
            out.columns.into_iter().for_each(|w| Value::finish(w, &mut columns));
            wit::Rows { source_rows: out.source_rows, columns, timestamps: out.timestamps, headers: out.headers }
        };
        wit::Answer { outputs: self.outputs.into_iter().map(rows).collect(), errors: self.errors }
    }
}

/// The answer of a stage that gives one row per row and changes neither timestamps nor headers.
pub fn answer(source_rows: Vec<u8>, columns: Vec<Column>, errors: Vec<(u32, String)>) -> wit::Answer {
    wit::Answer {
        outputs: vec![wit::Rows { source_rows, columns, timestamps: None, headers: None }],
        errors: errors.into_iter().map(|(row, message)| RowError { row, message }).collect(),
    }
}

thread_local! {
    /// An instance is opened once, as one stage.
    static OPEN: RefCell<Option<Process>> = const { RefCell::new(None) };
}

pub fn describe(author: &str, version: &str, stages: &[StageEntry]) -> wit::Description {
    let stages = stages
        .iter()
        .map(|s| wit::Stage {
            name: s.name.to_owned(),
            doc: s.doc.to_owned(),
            settings: s
                .settings
                .iter()
                .map(|d| wit::SettingDescription {
                    key: d.key.to_owned(),
                    doc: d.doc.to_owned(),
                    default: d.default.map(str::to_owned),
                })
                .collect(),
        })
        .collect();
    wit::Description { about: About { author: author.to_owned(), version: version.to_owned() }, stages }
}

pub fn open(
    stages: &[StageEntry],
    name: &str,
    settings: Vec<Setting>,
    input: Vec<wit::InputColumn>,
) -> Result<wit::Plan, String> {
    crate::capability::report_panics();
    let stage = stages.iter().find(|s| s.name.eq_ignore_ascii_case(name)).ok_or_else(|| format!("there is no stage `{name}`"))?;
    let input = input
        .into_iter()
        .map(|c| Ok(InputColumn { name: c.name, ty: SqlType::parse(&c.type_)?, key: c.key }))
        .collect::<Result<Vec<_>, String>>()?;
    let settings = Settings::new(settings.into_iter().map(|s| (s.key, s.value)));
    let (plan, process) = (stage.open)(&settings, &input)?;
    OPEN.set(Some(process));
    Ok(plan.into_wit())
}

pub fn process(batch: &Batch) -> Result<wit::Answer, String> {
    OPEN.with_borrow_mut(|open| open.as_mut().ok_or("no stage is open")?(batch))
}

/// Plans the one column of a stage made by `#[stage]`, given as `name TYPE`, and gives its type.
pub fn set_one<R: crate::output::Returned>(plan: &mut Plan, column: &str) -> Result<SqlType, String> {
    let columns = SqlType::parse_columns(column)?;
    let [(name, ty)] = columns.as_slice() else { return Err(format!("`{column}` is not one column")) };
    if !R::Value::accepts(ty) {
        return Err(format!("column {name}: the Rust type {} is not written as {ty}", std::any::type_name::<R::Value>()));
    }
    plan.set(name, ty.clone());
    Ok(ty.clone())
}
