//! A plugin that is played: a stage that passes rows on and fails for some.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{Array, Int64Array};
use calzone_engine::query::Guest;
use calzone_exec::{Stage, StageAnswer, StageRows, TaskStore};
use calzone_functions::{Aggregate, Binding, FunctionDefinition, RowError, Scalar};
use calzone_plan::plan::{StageColumn, StageStep, StepColumn};
use calzone_plan::{OfferedOutput, PluginLookup, StageOffer};
use calzone_sandbox::Grants;
use calzone_sql::ast::Grant;
use calzone_types::{Batch, Value};

/// Does the stage fail for a row with this number, always?
pub fn fails(n: i64) -> bool {
    n % 11 == 3
}

/// How often the moody stage fails for a row with this number before it does not.
pub fn passing_failures(n: i64) -> u32 {
    if n % 11 == 5 { 2 } else { 0 }
}

/// What the moody stage needs and does not always have: rows fail while what they need is out.
#[derive(Clone, Default)]
pub struct Outage {
    /// A bit for each of the remainders.
    out: Arc<AtomicU64>,
}

impl Outage {
    /// Rows fail by the remainder of their number.
    pub const REMAINDERS: u64 = 4;

    /// Ends the outage for these rows, or begins it.
    pub fn toggle(&self, remainder: u64) {
        self.out.fetch_xor(1 << remainder, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.out.store(0, Ordering::Relaxed);
    }

    fn strikes(&self, n: i64) -> bool {
        self.out.load(Ordering::Relaxed) & (1 << (n as u64 % Outage::REMAINDERS)) != 0
    }
}

/// The planner's view: every column passes, and `N` is looked at.
pub struct PlayedPlugins;

impl PluginLookup for PlayedPlugins {
    fn stage(
        &self,
        _: &str,
        _: Option<&str>,
        _: &[(String, String)],
        _: &[Grant],
        input: &[StepColumn],
        key: &[usize],
    ) -> Result<StageOffer, String> {
        let reads = input.iter().position(|column| &*column.name == "N").ok_or("there is no column N")?;
        Ok(StageOffer {
            stage: "stage".into(),
            reads: vec![reads],
            outputs: vec![OfferedOutput {
                name: "".into(),
                columns: (0..input.len()).map(StageColumn::PassThrough).collect(),
                output: input.to_vec(),
                key: key.to_vec(),
            }],
        })
    }

    fn function(&self, plugin: &str, _: Option<&str>) -> Result<FunctionDefinition, String> {
        Err(format!("plugin {plugin} has no functions"))
    }
}

/// A revision's code; what it does is the same in all revisions.
pub struct PlayedGuest {
    pub outage: Outage,
}

impl Guest for PlayedGuest {
    fn scalar(&self, function: &str, _: &Binding, _: &Grants) -> Result<Box<dyn Scalar>, String> {
        Err(format!("there is no function {function}"))
    }

    fn aggregate(&self, function: &str, _: &Binding, _: &[Value], _: &Grants) -> Result<Arc<dyn Aggregate>, String> {
        Err(format!("there is no function {function}"))
    }

    fn stage(&self, step: &StageStep, _: &Grants) -> Result<Box<dyn Stage>, String> {
        // With any setting it is the moody one.
        let outage = (!step.config.is_empty()).then(|| self.outage.clone());
        Ok(Box::new(PlayedStage { number: step.reads[0], outage }))
    }
}

struct PlayedStage {
    /// Position of the column that decides.
    number: usize,
    /// Of the moody stage.
    outage: Option<Outage>,
}

impl PlayedStage {
    fn fails(&self, n: i64, attempt: u32) -> bool {
        let moody = |outage: &Outage| attempt <= passing_failures(n) || outage.strikes(n);
        fails(n) || self.outage.as_ref().is_some_and(moody)
    }
}

/// Which attempt at the row this is, from 1.
fn attempt(input: &Batch, row: u32) -> u32 {
    let headers = input.headers.as_ref().map_or(&[][..], |rows| &rows[row as usize][..]);
    let header = headers.iter().find(|(name, _)| &**name == "calzone.attempt");
    let text = header.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(1)
}

impl Stage for PlayedStage {
    fn process(&mut self, input: &Batch, _: &mut Option<Box<dyn TaskStore>>) -> StageAnswer {
        let numbers = input.new.columns[self.number].as_any().downcast_ref::<Int64Array>();
        let (mut answer, mut rows) = (StageAnswer::default(), StageRows::default());
        for row in 0..input.len() as u32 {
            let n = numbers.filter(|n| n.is_valid(row as usize)).map_or(0, |n| n.value(row as usize));
            match self.fails(n, attempt(input, row)) {
                true => answer.errors.push(RowError { row, message: format!("{n} is not welcome") }),
                false => rows.source_rows.push(row),
            }
        }
        answer.outputs.push(rows);
        answer
    }
}
