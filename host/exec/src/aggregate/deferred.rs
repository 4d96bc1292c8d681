//! Aggregate functions that take many steps at a time, as plugins do: while an operator walks a batch, it only notes what is
//! to be done to which group; the functions do it all at once before the changes leave. As nothing but results depends on
//! them, it makes no difference where batches are cut.

use arrow_array::ArrayRef;
use calzone_functions::{AggregateAction, AggregateStep};
use calzone_types::{Batch, Value, value_at};
use hashbrown::HashMap;

use super::functions::{Arguments, Functions};
use super::groups::Groups;
use crate::error::ExecError;
use crate::rows::{ChangeBuilder, SideBuilder};

/// The steps of a batch, and where their results go.
pub(crate) struct Deferred {
    /// Is there such a function at all?
    active: bool,
    /// The slot of each group.
    slots: Vec<u32>,
    groups: HashMap<u32, u32, foldhash::fast::RandomState>,
    steps: Vec<AggregateStep>,
    /// Results asked for so far.
    results: u32,
    /// For each change, the result that its new and its old side show.
    new: Vec<Option<u32>>,
    old: Vec<Option<u32>>,
    /// Slots whose held change shows a result as what was there before.
    held: Vec<(u32, u32)>,
}

impl Deferred {
    pub fn new(functions: &Functions) -> Deferred {
        Deferred {
            active: functions.any_batched(),
            slots: Vec::new(),
            groups: HashMap::default(),
            steps: Vec::new(),
            results: 0,
            new: Vec::new(),
            old: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Notes a step on the group in that slot, whose result is wanted or not. Gives the number of the result.
    pub fn step(&mut self, slot: u32, row: usize, action: AggregateAction, result: bool) -> Option<u32> {
        if !self.active {
            return None;
        }
        let slots = &mut self.slots;
        let group = *self.groups.entry(slot).or_insert_with(|| {
            slots.push(slot);
            slots.len() as u32 - 1
        });
        self.steps.push(AggregateStep { group, row: row as u32, action, result });
        self.results += u32::from(result);
        result.then(|| self.results - 1)
    }

    /// Notes that the result of the group as it is now is wanted.
    pub fn look(&mut self, slot: u32) -> Option<u32> {
        self.step(slot, 0, AggregateAction::Look, true)
    }

    /// Notes what a change shows, in the order of changes.
    pub fn show(&mut self, new: Option<u32>, old: Option<u32>) {
        if self.active {
            self.new.push(new);
            self.old.push(old);
        }
    }

    /// Notes that the change that the slot holds back shows a result as what was there before.
    pub fn hold(&mut self, slot: u32, old: Option<u32>) {
        if let Some(result) = old {
            self.held.push((slot, result));
        }
    }

    /// Does all steps: `arguments` are those of the rows, and `old_arguments` of rows that are taken back out, which are
    /// counted on from the last of `batch`. Fills the functions' columns, which begin at `first`, in the changes' new sides,
    /// and in the old ones unless those are held back.
    pub fn finish(
        &mut self,
        functions: &Functions,
        groups: &mut Groups,
        (batch, arguments, old_arguments): (Option<&Batch>, Option<&Arguments>, Option<&Arguments>),
        changes: &mut ChangeBuilder,
        first: usize,
    ) -> Result<(), ExecError> {
        if !self.active || (self.steps.is_empty() && self.new.is_empty()) {
            return Ok(());
        }
        for position in functions.batched() {
            let columns = argument_columns(position, arguments, old_arguments)?;
            let taken = self.slots.iter().map(|slot| match &mut groups.slot(*slot).states {
                Some(states) => std::mem::replace(&mut states[position], Value::Null),
                None => Value::Null,
            });
            let mut states: Vec<Value> = taken.collect();
            let updated = functions.update(position, &mut states, &self.steps, &columns);
            let results = updated.map_err(|(step, message)| {
                let row = self.steps.get(step).map_or(0, |s| s.row as usize);
                functions.failure(position, message, batch.map(|batch| (batch, row % batch.len().max(1))))
            })?;
            for (slot, state) in self.slots.iter().zip(states) {
                if let Some(states) = &mut groups.slot(*slot).states {
                    states[position] = state;
                }
            }
            fill(&mut changes.new, first + position, &self.new, &results);
            if let Some(side) = &mut changes.old
                && batch.is_some()
            {
                fill(side, first + position, &self.old, &results);
            }
            for (slot, result) in &self.held {
                if let Some(old) = groups.slot(*slot).held.as_mut().and_then(|held| held.old.as_mut()) {
                    old[position] = value_at(results.as_ref(), *result as usize);
                }
            }
        }
        self.slots.clear();
        self.groups.clear();
        self.steps.clear();
        self.results = 0;
        self.new.clear();
        self.old.clear();
        self.held.clear();
        Ok(())
    }
}

fn fill(side: &mut SideBuilder, column: usize, shown: &[Option<u32>], results: &ArrayRef) {
    for result in shown {
        match result {
            Some(result) => side.columns[column].push(&value_at(results.as_ref(), *result as usize)),
            None => side.columns[column].push_null(),
        }
    }
}

/// The argument columns of a function: the rows, then the rows that are taken back out.
fn argument_columns(
    position: usize,
    arguments: Option<&Arguments>,
    old_arguments: Option<&Arguments>,
) -> Result<Vec<ArrayRef>, ExecError> {
    let Some(arguments) = arguments else { return Ok(Vec::new()) };
    match old_arguments {
        None => Ok(arguments[position].clone()),
        Some(old) => arguments[position]
            .iter()
            .zip(&old[position])
            .map(|(new, old)| {
                arrow_select::concat::concat(&[new.as_ref(), old.as_ref()])
                    .map_err(|e| ExecError::Plan(format!("arguments of an aggregate function do not go together: {e}")))
            })
            .collect(),
    }
}
