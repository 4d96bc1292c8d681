//! GROUP BY over sessions: records of a group that are at most a gap apart share a window.

use std::ops::ControlFlow;
use std::sync::Arc;

use calzone_plan::plan::{AggregateStep, WindowSpec};
use calzone_types::{Batch, SqlType, Value};

use super::unwindowed::push_values;
use super::{Functions, GroupBy, evaluate_rows};
use crate::codec;
use crate::environment::Environment;
use crate::error::{ErrorClass, ExecError};
use crate::operator::{Context, Operator, StoreId, Stores, StreamTime};
use crate::rows::ChangeBuilder;

/// Sessions lie under this byte, their group, end and start.
const SESSION: u8 = 0;
/// The same sessions by end, group and start, so that old ones can be found.
const EXPIRY: u8 = 1;

/// One row a group and session. A record that joins sessions first deletes them (tombstones, in the order of the store),
/// then gives the merged one.
pub(crate) struct SessionAggregate {
    group_by: GroupBy,
    functions: Functions,
    store: StoreId,
    gap_ms: i64,
    window: WindowSpec,
    stream_time: StreamTime,
    needs_old: bool,
    types: Vec<SqlType>,
    step: Arc<str>,
}

struct Session {
    start: i64,
    end: i64,
    states: Vec<Value>,
}

impl SessionAggregate {
    pub fn new(
        step: &AggregateStep,
        window: WindowSpec,
        gap_ms: i64,
        store: StoreId,
        stream_time: StreamTime,
        needs_old: bool,
        environment: &mut dyn Environment,
    ) -> Result<SessionAggregate, ExecError> {
        let group_by = GroupBy::new(&step.group_by, environment)?;
        let functions = Functions::new(&step.aggregates, environment)?;
        let mut types = group_by.types();
        types.extend(functions.result_types());
        Ok(SessionAggregate {
            group_by,
            functions,
            store,
            gap_ms,
            window,
            stream_time,
            needs_old,
            types,
            step: step.name.clone(),
        })
    }

    /// Sessions of the group that a record of that time touches, by end and start.
    fn find(&self, group: &[u8], timestamp: i64, stores: &mut Stores) -> Result<Vec<Session>, ExecError> {
        let mut from = vec![SESSION];
        from.extend_from_slice(group);
        let prefix = from.len();
        let to = codec::prefix_end(&from);
        from.extend_from_slice(&codec::ordered_i64(timestamp.saturating_sub(self.gap_ms)));
        let latest_start = timestamp.saturating_add(self.gap_ms);
        let mut sessions = Vec::new();
        let mut failed = Ok(());
        let mut read = |key: &[u8], value: &[u8]| -> Result<(), codec::DecodeError> {
            let mut bounds = &key[prefix..];
            let (end, start) = (codec::read_time(&mut bounds)?, codec::read_time(&mut bounds)?);
            if start <= latest_start {
                let (_, states) = self.functions.read(value)?;
                sessions.push(Session { start, end, states });
            }
            Ok(())
        };
        stores.get(self.store).range(&from, &to, &mut |key, value| match read(key, value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Err(error);
                ControlFlow::Break(())
            }
        })?;
        failed?;
        Ok(sessions)
    }

    fn kept_ms(&self) -> i64 {
        self.window.retention_ms.max(self.gap_ms.saturating_add(self.window.grace_ms))
    }

    fn keys(group: &[u8], start: i64, end: i64) -> (Vec<u8>, Vec<u8>) {
        let (start, end) = (codec::ordered_i64(start), codec::ordered_i64(end));
        ([&[SESSION], group, &end, &start].concat(), [&[EXPIRY], end.as_slice(), group, &start].concat())
    }

    fn put(&self, group: &[u8], session: &Session, stores: &mut Stores) -> Result<(), ExecError> {
        let (key, expiry) = SessionAggregate::keys(group, session.start, session.end);
        let mut value = Vec::new();
        self.functions.write(session.end, &session.states, &mut value);
        let store = stores.get(self.store);
        store.put(&key, &value)?;
        Ok(store.put(&expiry, &[])?)
    }

    fn remove(&self, group: &[u8], start: i64, end: i64, stores: &mut Stores) -> Result<(), ExecError> {
        let (key, expiry) = SessionAggregate::keys(group, start, end);
        let store = stores.get(self.store);
        store.delete(&key)?;
        Ok(store.delete(&expiry)?)
    }
}

impl Operator for SessionAggregate {
    fn process(&mut self, _: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let step = self.step.clone();
        let (batch, groups, arguments) = evaluate_rows(&mut self.group_by, &mut self.functions, batch, &step, context);
        let results = &self.types[groups.columns.len()..];
        let mut changes = ChangeBuilder::new(results, self.needs_old, true, batch.len());
        let mut group = Vec::new();
        for row in groups.grouped.set_indices() {
            let timestamp = batch.timestamps[row];
            // Sessions that ended longer ago than they are retained are not found any more, though they may still be stored.
            let forgotten = self.stream_time.minus(self.kept_ms());
            self.stream_time.advance(timestamp);
            let closed = self.stream_time.minus(self.window.grace_ms.saturating_add(self.gap_ms));
            group.clear();
            groups.write_key(row, &mut group);
            let mut found = self.find(&group, timestamp, context.stores)?;
            found.retain(|session| session.end > forgotten);
            let start = found.iter().map(|s| s.start).fold(timestamp, i64::min);
            let end = found.iter().map(|s| s.end).fold(timestamp, i64::max);
            if end < closed {
                let message = format!("The session that a record of time {timestamp} belongs to ended at {end} and was closed.");
                context.report_row(ErrorClass::Late, &self.step, &batch.origin, row, message);
                continue;
            }
            let grows = (start, end) != (timestamp, timestamp);
            let mut states = self.functions.initial();
            for session in found {
                if grows {
                    self.remove(&group, session.start, session.end, context.stores)?;
                    push_values(None, &mut changes.new, 0);
                    if let Some(side) = &mut changes.old {
                        push_values(Some(&self.functions.results(&session.states, &batch, row)?), side, 0);
                    }
                    changes.key_from(0, row);
                    changes.end(session.end, (&batch, row), Some((session.start, session.end)));
                }
                states = self.functions.merge(states, session.states, &batch, row)?;
            }
            self.functions.accumulate(&mut states, &arguments, &batch, row)?;
            let merged = Session { start, end, states };
            self.put(&group, &merged, context.stores)?;
            push_values(Some(&self.functions.results(&merged.states, &batch, row)?), &mut changes.new, 0);
            if let Some(side) = &mut changes.old {
                push_values(None, side, 0);
            }
            changes.key_from(0, row);
            changes.end(end, (&batch, row), Some((start, end)));
        }
        Ok(changes.finish_with_keys(&[&groups.columns], &batch.origin.topic, batch.origin.partition))
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        self.stream_time.flush(context.stores)?;
        let oldest = self.stream_time.minus(self.kept_ms());
        if oldest <= 0 {
            return Ok(None);
        }
        let to = [&[EXPIRY], codec::ordered_i64(oldest).as_slice()].concat();
        let mut expired: Vec<Vec<u8>> = Vec::new();
        context.stores.get(self.store).range(&[EXPIRY], &to, &mut |key, _| {
            expired.push(key.to_vec());
            ControlFlow::Continue(())
        })?;
        for key in expired {
            let mut end = key.get(1..9).unwrap_or_default();
            let Some((group, mut start)) =
                key.get(9..).and_then(|rest| rest.split_last_chunk::<8>()).map(|(g, s)| (g, s.as_slice()))
            else {
                return Err(codec::DecodeError.into());
            };
            let (end, start) = (codec::read_time(&mut end)?, codec::read_time(&mut start)?);
            self.remove(group, start, end, context.stores)?;
        }
        Ok(None)
    }

    fn reload(&mut self, stores: &mut Stores) -> Result<(), ExecError> {
        self.stream_time.reload(stores)
    }
}
