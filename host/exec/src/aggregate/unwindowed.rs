//! GROUP BY without windows, over streams and tables.

use std::sync::Arc;

use calzone_functions::AggregateAction;
use calzone_plan::plan::AggregateStep;
use calzone_types::{Batch, ColumnBuilder, SqlType, Value};

use super::functions::Arguments;
use super::groups::Groups;
use super::{Deferred, Functions, GroupBy, GroupColumns, evaluate_rows};
use crate::codec;
use crate::environment::Environment;
use crate::error::ExecError;
use crate::operator::{Context, Operator, StoreId};
use crate::rows::ChangeBuilder;

/// Bytes a held change is taken to need, for the limit of the cache.
pub(super) const HELD_CHANGE_BYTES: usize = 256;

/// One row a group. A table's change takes the old row out of its group and the new one into its own.
pub(crate) struct Aggregate {
    group_by: GroupBy,
    deferred: Deferred,
    functions: Functions,
    groups: Groups,
    is_table: bool,
    needs_old: bool,
    /// How much may be held back until a flush; 0: every change is forwarded.
    cache_bytes: usize,
    types: Vec<SqlType>,
    topic: Arc<str>,
    partition: i32,
    step: Arc<str>,
    key: Vec<u8>,
}

impl Aggregate {
    pub fn new(
        step: &AggregateStep,
        store: StoreId,
        needs_old: bool,
        cache_bytes: usize,
        environment: &mut dyn Environment,
    ) -> Result<Aggregate, ExecError> {
        let group_by = GroupBy::new(&step.group_by, environment)?;
        let functions = Functions::deferring(&step.aggregates, environment)?;
        let mut types = group_by.types();
        types.extend(functions.result_types());
        Ok(Aggregate {
            group_by,
            deferred: Deferred::new(&functions),
            functions,
            groups: Groups::new(store),
            is_table: step.input.output.is_table,
            needs_old,
            cache_bytes,
            types,
            topic: "".into(),
            partition: 0,
            step: step.name.clone(),
            key: Vec::new(),
        })
    }

    /// Takes the rows of one record out of and into one group.
    fn update(
        &mut self,
        batch: &Batch,
        row: usize,
        retract: Option<&Sides>,
        accumulate: Option<&Sides>,
        changes: &mut ChangeBuilder,
        context: &mut Context<'_>,
    ) -> Result<(), ExecError> {
        let Some(group) = accumulate.or(retract) else { return Ok(()) };
        self.key.clear();
        group.groups.write_key(row, &mut self.key);
        let slot = self.groups.find(&self.key, &self.functions, context.stores)?;
        let entry = self.groups.slot(slot);
        let hold = self.cache_bytes > 0;
        let wants_old = self.needs_old && entry.held.is_none();
        let old = match &entry.states {
            Some(states) if wants_old => Some(self.functions.results(states, batch, row)?),
            _ => None,
        };
        let shown_old = if old.is_some() { self.deferred.look(slot) } else { None };
        entry.timestamp = entry.timestamp.max(batch.timestamps[row]);
        let mut shown = None;
        if let (Some(sides), Some(states)) = (retract, &mut entry.states) {
            self.functions.retract(states, &sides.arguments, batch, row)?;
            // Rows that are taken back out stand behind the others in the arguments.
            let result = accumulate.is_none() && !hold;
            shown = self.deferred.step(slot, batch.len() + row, AggregateAction::Retract, result);
        }
        if let Some(sides) = accumulate {
            let states = entry.states.get_or_insert_with(|| self.functions.initial());
            self.functions.accumulate(states, &sides.arguments, batch, row)?;
            shown = self.deferred.step(slot, row, AggregateAction::Accumulate, !hold);
        }
        let timestamp = entry.timestamp;
        self.groups.touch(slot);
        if hold {
            self.deferred.hold(slot, shown_old);
            self.groups.hold(slot, batch.origin.offsets[row], || old);
            return Ok(());
        }
        let entry = self.groups.slot(slot);
        self.deferred.show(shown, shown_old);
        push_states(&self.functions, entry.states.as_deref(), &mut changes.new, 0);
        if let Some(side) = &mut changes.old {
            push_old(&self.functions, old.as_deref(), side, 0);
        }
        changes.key_from(usize::from(accumulate.is_none()), row);
        changes.end(timestamp, (batch, row), None);
        Ok(())
    }

    fn release(&mut self) -> Result<Option<Batch>, ExecError> {
        let held = self.groups.take_held();
        let mut changes = ChangeBuilder::new(&self.types, self.needs_old, false, held.len());
        let key_types = self.group_by.types();
        for slot in held {
            let entry = self.groups.slot(slot);
            let Some(held) = entry.held.take() else { continue };
            let shown = if entry.states.is_some() { self.deferred.look(slot) } else { None };
            self.deferred.show(shown, None);
            push_key(&key_types, &entry.key, &mut changes)?;
            push_states(&self.functions, entry.states.as_deref(), &mut changes.new, key_types.len());
            if let Some(side) = &mut changes.old {
                push_values(held.old.as_deref(), side, key_types.len());
            }
            changes.end_held(entry.timestamp, held.offset, None);
        }
        self.deferred.finish(&self.functions, &mut self.groups, (None, None, None), &mut changes, key_types.len())?;
        Ok(changes.finish(&self.topic, self.partition))
    }
}

/// Groups and arguments of one side of a batch.
struct Sides {
    groups: GroupColumns,
    arguments: Arguments,
}

/// Appends the results, or ends a row that is not there.
pub(super) fn push_states(functions: &Functions, states: Option<&[Value]>, side: &mut crate::rows::SideBuilder, keys: usize) {
    match states {
        Some(states) => functions.push_results(states, &mut side.columns[keys..]),
        None => functions.push_nulls(&mut side.columns[keys..]),
    }
    side.end_row(states.is_some());
}

/// As [`push_values`], but for those functions whose steps are done later.
pub(super) fn push_old(functions: &Functions, values: Option<&[Value]>, side: &mut crate::rows::SideBuilder, keys: usize) {
    match values {
        Some(values) => functions.push_values(values, &mut side.columns[keys..]),
        None => functions.push_nulls(&mut side.columns[keys..]),
    }
    side.end_row(values.is_some());
}

pub(super) fn push_values(values: Option<&[Value]>, side: &mut crate::rows::SideBuilder, keys: usize) {
    match values {
        Some(values) => side.columns[keys..].iter_mut().zip(values).for_each(|(builder, value)| builder.push(value)),
        None => side.columns[keys..].iter_mut().for_each(ColumnBuilder::push_null),
    }
    side.end_row(values.is_some());
}

/// Appends the cells of an encoded group key to both sides.
pub(super) fn push_key(types: &[SqlType], mut key: &[u8], changes: &mut ChangeBuilder) -> Result<(), ExecError> {
    for (i, ty) in types.iter().enumerate() {
        let value = codec::read_key_value(ty, &mut key)?;
        changes.new.columns[i].push(&value);
        if let Some(old) = &mut changes.old {
            old.columns[i].push(&value);
        }
    }
    Ok(())
}

impl Operator for Aggregate {
    fn process(&mut self, _: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        (self.topic, self.partition) = (batch.origin.topic.clone(), batch.origin.partition);
        let (batch, groups, arguments) =
            evaluate_rows(&mut self.group_by, &mut self.functions, batch, &self.step.clone(), context);
        let new = Sides { groups, arguments };
        let old = batch.old.as_ref().filter(|_| self.is_table).map(|side| Sides {
            groups: self.group_by.evaluate(&batch, side, |_| {}),
            arguments: self.functions.arguments(&batch, side, |_| {}),
        });
        let results = &self.types[new.groups.columns.len()..];
        let mut changes = ChangeBuilder::new(results, self.needs_old, false, batch.len());
        let mut keys = (Vec::new(), Vec::new());
        for row in 0..batch.len() {
            let accumulate = new.groups.grouped.value(row).then_some(&new);
            let retract = old.as_ref().filter(|old| old.groups.grouped.value(row));
            if let (Some(a), Some(r)) = (accumulate, retract) {
                keys.0.clear();
                keys.1.clear();
                a.groups.write_key(row, &mut keys.0);
                r.groups.write_key(row, &mut keys.1);
                if keys.0 != keys.1 {
                    self.update(&batch, row, Some(r), None, &mut changes, context)?;
                    self.update(&batch, row, None, Some(a), &mut changes, context)?;
                    continue;
                }
            }
            self.update(&batch, row, retract, accumulate, &mut changes, context)?;
        }
        let (arguments, old_arguments) = (Some(&new.arguments), old.as_ref().map(|old| &old.arguments));
        self.deferred.finish(&self.functions, &mut self.groups, (Some(&batch), arguments, old_arguments), &mut changes, 0)?;
        if self.groups.held_count() * HELD_CHANGE_BYTES > self.cache_bytes {
            return self.release();
        }
        let old_keys = old.as_ref().map_or(&new.groups.columns, |old| &old.groups.columns);
        Ok(changes.finish_with_keys(&[&new.groups.columns, old_keys], &self.topic, self.partition))
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let released = self.release()?;
        self.groups.flush(&self.functions, context.stores)?;
        Ok(released)
    }
}
