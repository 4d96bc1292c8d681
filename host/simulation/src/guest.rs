//! A plugin that is played: a stage that passes rows on and fails for some.

use std::sync::Arc;

use arrow_array::{Array, Int64Array};
use calzone_engine::query::Guest;
use calzone_exec::{Stage, StageAnswer, StageRows, TaskStore};
use calzone_functions::{Aggregate, Binding, FunctionDefinition, RowError, Scalar};
use calzone_plan::plan::{StageColumn, StageStep, StepColumn};
use calzone_plan::{OfferedOutput, PluginLookup, StageOffer};
use calzone_sandbox::Grants;
use calzone_sql::ast::Grant;
use calzone_types::{Batch, Value};

/// Does the stage fail for a row with this number?
pub fn fails(n: i64) -> bool {
    n % 11 == 3
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
pub struct PlayedGuest;

impl Guest for PlayedGuest {
    fn scalar(&self, function: &str, _: &Binding, _: &Grants) -> Result<Box<dyn Scalar>, String> {
        Err(format!("there is no function {function}"))
    }

    fn aggregate(&self, function: &str, _: &Binding, _: &[Value], _: &Grants) -> Result<Arc<dyn Aggregate>, String> {
        Err(format!("there is no function {function}"))
    }

    fn stage(&self, step: &StageStep, _: &Grants) -> Result<Box<dyn Stage>, String> {
        Ok(Box::new(PlayedStage { number: step.reads[0] }))
    }
}

struct PlayedStage {
    /// Position of the column that decides.
    number: usize,
}

impl Stage for PlayedStage {
    fn process(&mut self, input: &Batch, _: &mut Option<Box<dyn TaskStore>>) -> StageAnswer {
        let numbers = input.new.columns[self.number].as_any().downcast_ref::<Int64Array>();
        let (mut answer, mut rows) = (StageAnswer::default(), StageRows::default());
        for row in 0..input.len() as u32 {
            let n = numbers.filter(|n| n.is_valid(row as usize)).map_or(0, |n| n.value(row as usize));
            match fails(n) {
                true => answer.errors.push(RowError { row, message: format!("{n} is not welcome") }),
                false => rows.source_rows.push(row),
            }
        }
        answer.outputs.push(rows);
        answer
    }
}
