//! Stages of components: 0..n rows for each row.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, new_empty_array};
use arrow_buffer::ScalarBuffer;
use calzone_functions::RowError;
use calzone_types::{Header, Namespace, Origin, Schema, SqlType};

use crate::columns::{decode, encode};
use crate::component::{Code, Component, refusal};
use crate::describe::complete_settings;
use crate::fault::Fault;
use crate::http::Place;
use crate::instance::{Grants, Instance};
use crate::isolate::{Piece, isolate};
use crate::key_value::KeyValue;
use crate::seed::RowSeeds;
use crate::v1::{BatchColumns, OutputRows};
use crate::{SandboxError, v1};

/// What a stage does with its source's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagePlan {
    /// Positions of the source's columns that are given to the guest, in this order.
    pub reads: Vec<usize>,
    /// Where rows go: one at least.
    pub outputs: Vec<StageOutput>,
    /// Does the guest see timestamps, headers? It may change those that it sees, and any it sets.
    pub wants_timestamps: bool,
    pub wants_headers: bool,
}

/// One output of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageOutput {
    /// Empty for the only one.
    pub name: Arc<str>,
    /// Columns of the sink, in order.
    pub columns: Vec<StageColumn>,
}

/// A column of a stage's sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageColumn {
    pub name: Arc<str>,
    /// Part of the record's key?
    pub key: bool,
    pub source: StageSource,
}

/// Where a column of the sink comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageSource {
    /// The source's column at this position, which never leaves the host.
    PassThrough(usize),
    /// The guest's column at this position in [`StageRows::columns`].
    Guest(usize, SqlType),
}

impl StageOutput {
    /// Types of the guest's columns, in order.
    pub fn guest_types(&self) -> impl Iterator<Item = &SqlType> {
        self.columns.iter().filter_map(|c| match &c.source {
            StageSource::Guest(_, ty) => Some(ty),
            StageSource::PassThrough(_) => None,
        })
    }

    /// The sink's schema, for a source with this one.
    pub fn output_schema(&self, input: &Schema) -> Schema {
        Schema::new(self.columns.iter().map(|c| {
            let ty = match &c.source {
                StageSource::Guest(_, ty) => ty.clone(),
                StageSource::PassThrough(i) => input.columns[*i].ty.clone(),
            };
            let namespace = if c.key { Namespace::Key } else { Namespace::Value };
            calzone_types::Column { name: c.name.clone(), ty, namespace }
        }))
    }
}

/// Rows for a stage.
#[derive(Clone, Debug)]
pub struct StageBatch {
    /// The columns that the plan reads, in its order.
    pub columns: Vec<ArrayRef>,
    /// Milliseconds since the epoch, one per row.
    pub timestamps: ScalarBuffer<i64>,
    /// Headers per row, where any row has some.
    pub headers: Option<Vec<Arc<[Header]>>>,
    /// The records that the rows are: gives each its seed.
    pub origin: Origin,
}

/// What a stage made of a batch.
#[derive(Clone, Debug)]
pub struct StageAnswer {
    /// Rows for each output, in the plan's order.
    pub outputs: Vec<StageRows>,
    /// Rows of the batch that failed, in order. None of them goes out.
    pub errors: Vec<RowError>,
    /// Nanoseconds spent in the guest.
    pub guest_nanos: u64,
}

/// Rows for one output.
#[derive(Clone, Debug)]
pub struct StageRows {
    /// For each row that goes out, the row of the batch that it comes from. Never falling.
    pub source_rows: Vec<u32>,
    /// The guest's columns, one value per row that goes out.
    pub columns: Vec<ArrayRef>,
    /// One per row that goes out, if the guest set any.
    pub timestamps: Option<ScalarBuffer<i64>>,
    pub headers: Option<Vec<Arc<[Header]>>>,
}

/// One use of a stage: an instance of its component, opened for a source.
pub struct StageInstance {
    code: Arc<Code>,
    stages: v1::Stages,
    open: Open,
    plan: StagePlan,
    /// None after a fault, until the next batch.
    live: Option<Instance>,
    nanos_before: u64,
}

/// What a new instance is told.
struct Open {
    stage: String,
    settings: Vec<(String, String)>,
    input: Vec<(Arc<str>, String, bool)>,
    http: Vec<Place>,
}

impl Component {
    /// What `stage` will do with a source of these columns, for the planner. Fails as [`Component::instantiate_stage`] does.
    pub fn open_stage(
        &self,
        stage: &str,
        config: &[(String, String)],
        input: &Schema,
        grants: &Grants,
    ) -> Result<StagePlan, SandboxError> {
        self.instantiate_stage(stage, config, input, grants).map(|instance| instance.plan)
    }

    /// An instance of `stage` for a source of these columns. Fails if there is no such stage, if it refuses the columns or
    /// settings, or imports what is not granted.
    pub fn instantiate_stage(
        &self,
        stage: &str,
        config: &[(String, String)],
        input: &Schema,
        grants: &Grants,
    ) -> Result<StageInstance, SandboxError> {
        grants.check(&self.imports)?;
        let (Some(stages), Some(described)) = (&self.code.stages, self.description.stage(stage)) else {
            return Err(self.no_such("stage", stage));
        };
        let settings = complete_settings(&described.settings, config)
            .map_err(|missing| SandboxError::Unusable(format!("plugin {}, stage {stage}: {missing}", self.plugin)))?;
        let columns = input.columns.iter().map(|c| (c.name.clone(), c.ty.to_string(), c.namespace == Namespace::Key));
        let open = Open { stage: described.name.clone(), settings, input: columns.collect(), http: grants.http.clone() };
        let (live, plan) =
            start(&self.code, stages, &open).map_err(|f| refusal(&format!("plugin {}, stage {stage}", self.plugin), &f))?;
        Ok(StageInstance { code: self.code.clone(), stages: stages.clone(), open, plan, live: Some(live), nanos_before: 0 })
    }
}

fn start(code: &Code, stages: &v1::Stages, open: &Open) -> Result<(Instance, StagePlan), Fault> {
    let mut instance = code.start()?;
    instance.allow_http(&open.http);
    let input: Vec<(&str, String, bool)> = open.input.iter().map(|(name, ty, key)| (&**name, ty.clone(), *key)).collect();
    let plan = stages.open(&mut instance, &code.limits, &open.stage, &open.settings, &input)?;
    Ok((instance, plan))
}

impl StageInstance {
    pub fn plan(&self) -> &StagePlan {
        &self.plan
    }

    /// Works on a batch. Rows that the guest fails on, or whose processing traps or exceeds a limit, are errors of the
    /// answer; the others are unharmed. `store` is the guest's own, if it has one: what a call that failed has done to it is
    /// undone.
    pub fn process(&mut self, input: &StageBatch, store: &mut Option<Box<dyn KeyValue>>) -> StageAnswer {
        let rows = input.timestamps.len();
        let before = self.guest_nanos();
        let lengths_agree = input.origin.offsets.len() == rows
            && input.columns.len() == self.plan.reads.len()
            && input.columns.iter().all(|c| c.len() == rows)
            && input.headers.as_ref().is_none_or(|h| h.len() == rows);
        if !lengths_agree {
            return self.all_failed(input, "the batch has not what the stage's plan reads");
        }
        let seeds = RowSeeds::of_records(&self.code.plugin, &input.origin);
        let isolation_ms = self.code.limits.isolation_ms;
        let watch = self.code.watch.clone();
        let pieces = match rows {
            0 => Vec::new(),
            rows => isolate(0..rows, isolation_ms, &watch, |part| self.attempt(input, &seeds, part, store)),
        };
        let mut answer = self.join(input, pieces);
        answer.guest_nanos = self.guest_nanos() - before;
        for error in &mut answer.errors {
            error.message = self.code.named("stage", &self.open.stage, std::mem::take(&mut error.message));
        }
        answer
    }

    /// Calls the guest for no rows of such a batch: what a call costs by itself.
    pub fn empty_call(&mut self, input: &StageBatch) -> Result<(), String> {
        let seeds = RowSeeds::of_records(&self.code.plugin, &input.origin);
        self.attempt(input, &seeds, 0..0, &mut None).map(drop).map_err(|fault| fault.to_string())
    }

    /// Nanoseconds spent in the guest since this instance was made.
    pub fn guest_nanos(&self) -> u64 {
        self.nanos_before + self.live.as_ref().map_or(0, |i| i.nanos)
    }

    fn attempt(
        &mut self,
        input: &StageBatch,
        seeds: &RowSeeds,
        rows: Range<usize>,
        store: &mut Option<Box<dyn KeyValue>>,
    ) -> Result<Answered, Fault> {
        let mut instance = match self.live.take() {
            Some(instance) => instance,
            None => {
                let (instance, plan) = start(&self.code, &self.stages, &self.open).map_err(|f| Fault::Start(f.to_string()))?;
                if plan != self.plan {
                    return Err(Fault::Start("it planned something else than the first time".to_owned()));
                }
                instance
            }
        };
        instance.lend_store(store.take());
        let result = self.evaluate(&mut instance, input, seeds, rows);
        let (lent, kept) = instance.take_store(result.is_ok());
        *store = lent;
        let result = result.and_then(|answer| kept.map(|()| answer));
        if result.as_ref().err().is_none_or(Fault::instance_survives) {
            self.live = Some(instance);
        } else {
            self.nanos_before += instance.nanos;
        }
        result
    }

    fn evaluate(
        &self,
        instance: &mut Instance,
        input: &StageBatch,
        seeds: &RowSeeds,
        rows: Range<usize>,
    ) -> Result<Answered, Fault> {
        let mut buffers = Vec::with_capacity(input.columns.len());
        for column in &input.columns {
            encode(&column.slice(rows.start, rows.len()), &mut buffers).map_err(Fault::Error)?;
        }
        instance.set_seeds(seeds.slice(rows.clone()));
        // A stage that wants headers gets them also where the batch has none.
        let none: Vec<Arc<[Header]>>;
        let headers = match &input.headers {
            _ if !self.plan.wants_headers => None,
            Some(headers) => Some(&headers[rows.clone()]),
            None => {
                none = vec![Arc::from([]); rows.len()];
                Some(none.as_slice())
            }
        };
        let batch = BatchColumns {
            rows: rows.len(),
            columns: &buffers,
            timestamps: self.plan.wants_timestamps.then(|| &input.timestamps[rows.clone()]),
            headers,
        };
        let (outputs, errors) = self.stages.process(instance, &self.code.limits, &batch, self.plan.outputs.len())?;
        let decoded = self.plan.outputs.iter().zip(outputs).map(|(output, rows)| {
            let OutputRows { source_rows, columns, timestamps, headers } = rows;
            let columns = decode(output.guest_types(), source_rows.len(), columns).map_err(Fault::Answer)?;
            Ok(StageRows { source_rows, columns, timestamps, headers })
        });
        Ok(Answered { outputs: decoded.collect::<Result<_, Fault>>()?, errors })
    }

    /// One answer from the pieces.
    fn join(&self, input: &StageBatch, mut pieces: Vec<Piece<Answered>>) -> StageAnswer {
        if let [(_, Ok(_))] = pieces.as_slice()
            && let Some((_, Ok(one))) = pieces.pop()
        {
            return StageAnswer { outputs: one.outputs, errors: one.errors, guest_nanos: 0 };
        }
        let mut errors = Vec::new();
        let mut answered: Vec<(u32, Vec<StageRows>)> = Vec::with_capacity(pieces.len());
        for (part, result) in pieces {
            let shift = part.start as u32;
            match result {
                Ok(answer) => {
                    errors.extend(answer.errors.into_iter().map(|e| RowError { row: e.row + shift, ..e }));
                    answered.push((shift, answer.outputs));
                }
                Err(fault) => {
                    let message = fault.to_string();
                    errors.extend(part.map(|row| RowError { row: row as u32, message: message.clone() }));
                }
            }
        }
        let mut outputs = Vec::with_capacity(self.plan.outputs.len());
        for (number, output) in self.plan.outputs.iter().enumerate() {
            let parts = answered.iter_mut().map(|(shift, outputs)| {
                let nothing = StageRows { source_rows: Vec::new(), columns: Vec::new(), timestamps: None, headers: None };
                (*shift, std::mem::replace(&mut outputs[number], nothing))
            });
            match join_rows(output, parts.collect(), input) {
                Ok(rows) => outputs.push(rows),
                Err(e) => return self.all_failed(input, &format!("the plugin's answers do not go together: {e}")),
            }
        }
        StageAnswer { outputs, errors, guest_nanos: 0 }
    }

    fn all_failed(&self, input: &StageBatch, message: &str) -> StageAnswer {
        let rows = 0..input.timestamps.len() as u32;
        let empty = |output: &StageOutput| StageRows {
            source_rows: Vec::new(),
            columns: output.guest_types().map(|ty| new_empty_array(&ty.to_arrow())).collect(),
            timestamps: None,
            headers: None,
        };
        StageAnswer {
            outputs: self.plan.outputs.iter().map(empty).collect(),
            errors: rows.map(|row| RowError { row, message: message.to_owned() }).collect(),
            guest_nanos: 0,
        }
    }
}

/// What a call answered.
struct Answered {
    outputs: Vec<StageRows>,
    errors: Vec<RowError>,
}

/// One output's rows from the pieces that answered, each with the number of its first row.
fn join_rows(
    output: &StageOutput,
    parts: Vec<(u32, StageRows)>,
    input: &StageBatch,
) -> Result<StageRows, arrow_schema::ArrowError> {
    let sets_timestamps = parts.iter().any(|(_, rows)| rows.timestamps.is_some());
    let sets_headers = parts.iter().any(|(_, rows)| rows.headers.is_some());
    let mut source_rows: Vec<u32> = Vec::new();
    let mut columns: Vec<Vec<ArrayRef>> = output.guest_types().map(|_| Vec::new()).collect();
    let (mut timestamps, mut headers) = (Vec::new(), Vec::new());
    for (shift, rows) in parts {
        let sources: Vec<u32> = rows.source_rows.iter().map(|row| row + shift).collect();
        if sets_timestamps {
            match rows.timestamps {
                Some(set) => timestamps.extend_from_slice(&set),
                None => timestamps.extend(sources.iter().map(|row| input.timestamps[*row as usize])),
            }
        }
        if sets_headers {
            match (rows.headers, &input.headers) {
                (Some(set), _) => headers.extend(set),
                (None, Some(source)) => headers.extend(sources.iter().map(|row| source[*row as usize].clone())),
                (None, None) => headers.extend(sources.iter().map(|_| Arc::from([]))),
            }
        }
        columns.iter_mut().zip(rows.columns).for_each(|(all, column)| all.push(column));
        source_rows.extend(sources);
    }
    let columns = output.guest_types().zip(&columns).map(|(ty, parts)| concat(ty, parts)).collect::<Result<_, _>>()?;
    Ok(StageRows {
        source_rows,
        columns,
        timestamps: sets_timestamps.then(|| timestamps.into()),
        headers: sets_headers.then_some(headers),
    })
}

fn concat(ty: &SqlType, parts: &[ArrayRef]) -> Result<ArrayRef, arrow_schema::ArrowError> {
    match parts {
        [] => Ok(new_empty_array(&ty.to_arrow())),
        [one] => Ok(one.clone()),
        several => {
            let parts: Vec<&dyn Array> = several.iter().map(|c| &**c as &dyn Array).collect();
            arrow_select::concat::concat(&parts)
        }
    }
}
