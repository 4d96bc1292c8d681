//! GROUP BY over tumbling and hopping windows.

use std::sync::Arc;

use calzone_functions::AggregateAction;
use calzone_plan::plan::{AggregateStep, WindowSpec};
use calzone_types::{Batch, SqlType};

use super::groups::Groups;
use super::unwindowed::{HELD_CHANGE_BYTES, push_key, push_old, push_states, push_values};
use super::{Deferred, Functions, GroupBy, evaluate_rows};
use crate::codec;
use crate::environment::Environment;
use crate::error::{ErrorClass, ExecError};
use crate::operator::{Context, Operator, StoreId, Stores, StreamTime};
use crate::rows::ChangeBuilder;

/// One row a group and window. Windows are aligned to the epoch; a record updates those it lies in by ascending start.
/// A window is closed to a record when its end is not after stream time minus grace.
pub(crate) struct TimeWindowAggregate {
    group_by: GroupBy,
    deferred: Deferred,
    functions: Functions,
    /// Keys are the window's start, then the group: windows expire in order of time.
    groups: Groups,
    size_ms: i64,
    advance_ms: i64,
    window: WindowSpec,
    stream_time: StreamTime,
    needs_old: bool,
    cache_bytes: usize,
    types: Vec<SqlType>,
    topic: Arc<str>,
    partition: i32,
    step: Arc<str>,
    key: Vec<u8>,
}

impl TimeWindowAggregate {
    pub fn new(
        step: &AggregateStep,
        window: WindowSpec,
        (size_ms, advance_ms): (i64, i64),
        store: StoreId,
        stream_time: StreamTime,
        (needs_old, cache_bytes): (bool, usize),
        environment: &mut dyn Environment,
    ) -> Result<TimeWindowAggregate, ExecError> {
        if size_ms <= 0 || advance_ms <= 0 {
            return Err(ExecError::Plan("A window's size and advance must be positive.".into()));
        }
        let group_by = GroupBy::new(&step.group_by, environment)?;
        let functions = Functions::deferring(&step.aggregates, environment)?;
        let mut types = group_by.types();
        types.extend(functions.result_types());
        Ok(TimeWindowAggregate {
            group_by,
            deferred: Deferred::new(&functions),
            functions,
            groups: Groups::new(store),
            size_ms,
            advance_ms,
            window,
            stream_time,
            needs_old,
            cache_bytes,
            types,
            topic: "".into(),
            partition: 0,
            step: step.name.clone(),
            key: Vec::new(),
        })
    }

    /// Start of the first window that a time lies in.
    fn first_start(&self, timestamp: i64) -> i64 {
        let earliest = (timestamp - self.size_ms + self.advance_ms).max(0);
        earliest - earliest.rem_euclid(self.advance_ms)
    }

    fn release(&mut self) -> Result<Option<Batch>, ExecError> {
        let held = self.groups.take_held();
        let mut changes = ChangeBuilder::new(&self.types, self.needs_old, true, held.len());
        let key_types = self.group_by.types();
        for slot in held {
            let entry = self.groups.slot(slot);
            let Some(held) = entry.held.take() else { continue };
            let shown = if entry.states.is_some() { self.deferred.look(slot) } else { None };
            self.deferred.show(shown, None);
            let mut key = &*entry.key;
            let start = codec::read_time(&mut key)?;
            push_key(&key_types, key, &mut changes)?;
            push_states(&self.functions, entry.states.as_deref(), &mut changes.new, key_types.len());
            if let Some(side) = &mut changes.old {
                push_values(held.old.as_deref(), side, key_types.len());
            }
            changes.end_held(entry.timestamp, held.offset, Some((start, start + self.size_ms)));
        }
        self.deferred.finish(&self.functions, &mut self.groups, (None, None, None), &mut changes, key_types.len())?;
        Ok(changes.finish(&self.topic, self.partition))
    }
}

impl Operator for TimeWindowAggregate {
    fn process(&mut self, _: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        (self.topic, self.partition) = (batch.origin.topic.clone(), batch.origin.partition);
        let (batch, groups, arguments) =
            evaluate_rows(&mut self.group_by, &mut self.functions, batch, &self.step.clone(), context);
        let results = &self.types[groups.columns.len()..];
        let mut changes = ChangeBuilder::new(results, self.needs_old, true, batch.len());
        for row in groups.grouped.set_indices() {
            let (timestamp, offset) = (batch.timestamps[row], batch.origin.offsets[row]);
            self.stream_time.advance(timestamp);
            let closed = self.stream_time.minus(self.window.grace_ms);
            let mut start = self.first_start(timestamp);
            while start <= timestamp {
                let end = start.saturating_add(self.size_ms);
                if end <= closed {
                    let message =
                        format!("The window from {start} to {end} was closed when a record of time {timestamp} came for it.");
                    context.report_row(ErrorClass::Late, &self.step, &batch.origin, row, message);
                    start += self.advance_ms;
                    continue;
                }
                self.key.clear();
                self.key.extend_from_slice(&codec::ordered_i64(start));
                groups.write_key(row, &mut self.key);
                let slot = self.groups.find(&self.key, &self.functions, context.stores)?;
                let entry = self.groups.slot(slot);
                let wants_old = self.needs_old && entry.held.is_none();
                let old = match &entry.states {
                    Some(states) if wants_old => Some(self.functions.results(states, &batch, row)?),
                    _ => None,
                };
                let shown_old = if old.is_some() { self.deferred.look(slot) } else { None };
                entry.timestamp = entry.timestamp.max(timestamp);
                let states = entry.states.get_or_insert_with(|| self.functions.initial());
                self.functions.accumulate(states, &arguments, &batch, row)?;
                let shown = self.deferred.step(slot, row, AggregateAction::Accumulate, self.cache_bytes == 0);
                self.groups.touch(slot);
                if self.cache_bytes > 0 {
                    self.deferred.hold(slot, shown_old);
                    self.groups.hold(slot, offset, || old);
                } else {
                    let entry = self.groups.slot(slot);
                    self.deferred.show(shown, shown_old);
                    push_states(&self.functions, entry.states.as_deref(), &mut changes.new, 0);
                    if let Some(side) = &mut changes.old {
                        push_old(&self.functions, old.as_deref(), side, 0);
                    }
                    changes.key_from(0, row);
                    changes.end(entry.timestamp, (&batch, row), Some((start, end)));
                }
                start += self.advance_ms;
            }
        }
        let inputs = (Some(&batch), Some(&arguments), None);
        self.deferred.finish(&self.functions, &mut self.groups, inputs, &mut changes, 0)?;
        if self.groups.held_count() * HELD_CHANGE_BYTES > self.cache_bytes {
            return self.release();
        }
        Ok(changes.finish_with_keys(&[&groups.columns], &self.topic, self.partition))
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let released = self.release()?;
        self.groups.flush(&self.functions, context.stores)?;
        self.stream_time.flush(context.stores)?;
        // A window can be removed when it is closed and its retention is over.
        let kept_ms = self.window.retention_ms.max(self.size_ms.saturating_add(self.window.grace_ms));
        let oldest = self.stream_time.minus(kept_ms);
        if oldest > 0 {
            self.groups.remove_below(&codec::ordered_i64(oldest), context.stores)?;
        }
        Ok(released)
    }

    fn reload(&mut self, stores: &mut Stores) -> Result<(), ExecError> {
        self.stream_time.reload(stores)
    }
}
