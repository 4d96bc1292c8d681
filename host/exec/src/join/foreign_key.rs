//! Foreign-key join of two tables: the left row names the key of a right row.
//!
//! The tables are partitioned by different keys, so the two sides are operators of different parts that talk through
//! internal topics. The left side tells the right partition which of its rows want a right row (a subscription, under the
//! foreign key); the right side answers with the right row, and answers again whenever that row changes (under the left
//! key). The left side joins an answer with its row as it is by then; an answer to an older state of the row, known by
//! the row's hash, is dropped.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use calzone_formats::{Decoder, Encoder, FormatColumn, Part};
use calzone_plan::Expr;
use calzone_types::{Batch, Origin, RecordBatch, Side, column_from_values};

use super::Layout;
use super::table_table::Side as TableSide;
use crate::codec::{self, DecodeError};
use crate::environment::Environment;
use crate::error::{ErrorClass, ExecError};
use crate::expression::{Evaluator, Rows};
use crate::operator::{Context, Operator, Reader, StoreId};
use crate::rows::{ChangeBuilder, SideBuilder};
use crate::table_store::TableStore;
use crate::task::OutputTopic;

/// What the left side asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instruction {
    /// The row wants the right row; answer only if there is one.
    SubscribeIfFound = 0,
    /// The row wants the right row; answer in any case, for an older joined row may have to go.
    Subscribe = 1,
    /// The row is gone or wants another right row; no answer.
    Unsubscribe = 2,
    /// The row is gone: answer, so that the joined row goes too.
    UnsubscribeAndAnswer = 3,
}

/// Reads an internal topic of such messages: the key's columns, the key's bytes, the message.
pub(crate) struct Messages {
    key: Decoder,
}

impl Messages {
    pub fn new(format: &calzone_formats::FormatSpec, columns: &[FormatColumn]) -> Result<Messages, ExecError> {
        let key = Decoder::new(format, Part::Key, columns, &vec![true; columns.len()]);
        Ok(Messages { key: key.map_err(|error| ExecError::Plan(error.message))? })
    }
}

impl Reader for Messages {
    fn read(&mut self, topic: &Arc<str>, records: &RecordBatch, _: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        if records.is_empty() {
            return Ok(None);
        }
        let mut columns = self.key.decode(records).columns;
        let (mut keys, mut values) = (BinaryBuilder::new(), BinaryBuilder::new());
        for record in records.iter() {
            keys.append_option(record.key);
            values.append_option(record.value);
        }
        columns.extend([Arc::new(keys.finish()) as ArrayRef, Arc::new(values.finish())]);
        Ok(Some(Batch {
            new: Side::all_live(columns),
            old: None,
            timestamps: records.iter().map(|record| record.timestamp).collect(),
            windows: None,
            origin: Origin {
                topic: topic.clone(),
                partition: records.get(0).partition.max(0),
                offsets: records.iter().map(|record| record.offset).collect(),
            },
            headers: None,
        }))
    }
}

/// The last two columns of a batch of messages: key bytes and message.
fn message(batch: &Batch, row: usize) -> Option<(&[u8], &[u8])> {
    let [.., key, value] = batch.new.columns.as_slice() else { return None };
    let (key, value) = (key.as_binary_opt::<i32>()?, value.as_binary_opt::<i32>()?);
    (key.is_valid(row) && value.is_valid(row)).then(|| (key.value(row), value.value(row)))
}

/// The side of the left table: inputs are its changes (0) and the answers (1).
pub(crate) struct ForeignKeyLeft {
    layout: Layout,
    left: TableSide,
    foreign_key: Evaluator,
    foreign_key_encoder: Encoder,
    key_encoder: Encoder,
    registrations: OutputTopic,
    responses: OutputTopic,
    /// Joined rows, where those downstream want to know the old one.
    joined: Option<TableStore>,
    step: Arc<str>,
}

impl ForeignKeyLeft {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        layout: Layout,
        left: TableSide,
        foreign_key: &Expr,
        foreign_key_encoder: Encoder,
        key_encoder: Encoder,
        (registrations, responses): (Arc<str>, Arc<str>),
        joined: Option<TableStore>,
        name: &Arc<str>,
        environment: &mut dyn Environment,
    ) -> Result<ForeignKeyLeft, ExecError> {
        Ok(ForeignKeyLeft {
            layout,
            left,
            foreign_key: Evaluator::new(foreign_key, environment).map_err(ExecError::Plan)?,
            foreign_key_encoder,
            key_encoder,
            registrations: OutputTopic::Internal(registrations),
            responses: OutputTopic::Internal(responses),
            joined,
            step: name.clone(),
        })
    }

    /// The left rows before this change.
    fn keep(&self, batch: &Batch, context: &mut Context<'_>) -> Result<Side, ExecError> {
        if let (false, Some(old)) = (self.left.owned, &batch.old) {
            return Ok(old.clone());
        }
        let mut old = SideBuilder::new(&self.left.table.types, batch.len());
        let (mut key, mut buffer) = (Vec::new(), Vec::new());
        for row in 0..batch.len() {
            TableStore::key_of(&batch.new.columns, &self.layout.left_key, None, row, &mut key);
            let was_there = self.left.table.read(context.stores, &key, &mut old, 0)?.is_some();
            if !was_there {
                old.null_cells(0, self.left.table.types.len());
            }
            old.end_row(was_there);
            match batch.new.is_live(row) {
                true => self.left.table.put(context.stores, &key, batch.timestamps[row], &batch.new.columns, row, &mut buffer)?,
                false => self.left.table.delete(context.stores, &key)?,
            }
        }
        Ok(old.finish())
    }

    /// The foreign keys of rows, as bytes; `None` where there is no row or its foreign key is null.
    fn foreign_keys(
        &mut self,
        batch: &Batch,
        side: &Side,
        context: Option<&mut Context<'_>>,
    ) -> Result<Vec<Option<Vec<u8>>>, ExecError> {
        let rows = Rows::side(batch, side);
        let evaluated = match &side.live {
            Some(live) => self.foreign_key.evaluate_selected(rows, live),
            None => self.foreign_key.evaluate(rows),
        };
        if let Some(context) = context {
            context.report(ErrorClass::Expression, &self.step, &batch.origin, evaluated.errors);
        }
        let columns = [evaluated.column];
        let bound = self.foreign_key_encoder.bind(&columns);
        (0..batch.len())
            .map(|row| {
                if !side.is_live(row) || columns[0].is_null(row) {
                    return Ok(None);
                }
                let mut bytes = Vec::new();
                let written = bound.write(row, &mut bytes).map_err(|message| self.unwritable(batch, row, message))?;
                Ok(written.then_some(bytes))
            })
            .collect()
    }

    fn unwritable(&self, batch: &Batch, row: usize, message: String) -> ExecError {
        ExecError::Serialization { topic: self.step.to_string(), place: ExecError::place(&batch.origin, row), message }
    }

    /// Tells the right side what the changed rows want.
    fn register(&mut self, batch: &Batch, context: &mut Context<'_>) -> Result<(), ExecError> {
        let old_side = self.keep(batch, context)?;
        let new = self.foreign_keys(batch, &batch.new, Some(&mut *context))?;
        let old = self.foreign_keys(batch, &old_side, None)?;
        let keys: Vec<ArrayRef> = self.layout.left_key.iter().map(|i| batch.new.columns[*i].clone()).collect();
        let bound = self.key_encoder.bind(&keys);
        let mut left_key = Vec::new();
        for row in 0..batch.len() {
            left_key.clear();
            bound.write(row, &mut left_key).map_err(|message| self.unwritable(batch, row, message))?;
            let hash = if batch.new.is_live(row) { row_hash(&batch.new.columns, row) } else { 0 };
            let mut send = |foreign_key: Option<&[u8]>, instruction: Instruction| {
                let records = context.out.batch(&self.registrations);
                let key = |out: &mut Vec<u8>| {
                    out.extend_from_slice(foreign_key.unwrap_or_default());
                    foreign_key.is_some()
                };
                records.push_with(0, batch.timestamps[row], RecordBatch::ANY_PARTITION, key, |out| {
                    out.push(instruction as u8);
                    out.extend_from_slice(&hash.to_be_bytes());
                    out.extend_from_slice(&left_key);
                    true
                });
            };
            let (was, is) = (old_side.is_live(row), batch.new.is_live(row));
            let (from, to) = (old[row].as_deref(), new[row].as_deref());
            if self.layout.keeps_left() {
                if !was && !is {
                    continue;
                }
                if let Some(from) = from.filter(|from| Some(*from) != to) {
                    // A row that is gone gets its answer from here: its foreign key is the only one it has.
                    send(Some(from), if is { Instruction::Unsubscribe } else { Instruction::UnsubscribeAndAnswer });
                    if !is {
                        continue;
                    }
                }
                match to {
                    Some(to) => send(Some(to), Instruction::Subscribe),
                    // Nothing to ask for: the joined row has no right side.
                    None => self.answer_alone(batch, row, &left_key, hash, context),
                }
            } else {
                match (from, to) {
                    (Some(from), Some(to)) => {
                        if from != to {
                            send(Some(from), Instruction::Unsubscribe);
                        }
                        send(Some(to), Instruction::Subscribe);
                    }
                    (Some(from), None) => send(Some(from), Instruction::UnsubscribeAndAnswer),
                    (None, Some(to)) => send(Some(to), Instruction::SubscribeIfFound),
                    (None, None) => {}
                }
            }
        }
        Ok(())
    }

    /// An answer without a right row, sent to itself so that it keeps its place among the others.
    fn answer_alone(&self, batch: &Batch, row: usize, left_key: &[u8], hash: u64, context: &mut Context<'_>) {
        let key = |out: &mut Vec<u8>| {
            out.extend_from_slice(left_key);
            true
        };
        let records = context.out.batch(&self.responses);
        records.push_with(0, batch.timestamps[row], RecordBatch::ANY_PARTITION, key, |out| {
            out.extend_from_slice(&hash.to_be_bytes());
            true
        });
    }

    /// Joins answers with the left rows as they are now.
    fn join(&mut self, batch: &Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let keys = self.layout.left_key.len();
        let positions: Vec<usize> = (0..keys).collect();
        let mut changes = ChangeBuilder::new(&self.layout.types, self.joined.is_some(), false, batch.len());
        let mut store_key = Vec::new();
        for row in 0..batch.len() {
            let Some((_, message)) = message(batch, row) else { continue };
            let (hash, right) = message.split_first_chunk::<8>().ok_or(DecodeError)?;
            TableStore::key_of(&batch.new.columns, &positions, None, row, &mut store_key);
            let mut left = SideBuilder::new(&self.left.table.types, 1);
            let found = self.left.table.read(context.stores, &store_key, &mut left, 0)?.is_some();
            match found {
                true => left.end_row(true),
                // The key lies among the left row's columns: the deletion must carry it.
                false => {
                    let key = self.layout.left_key.iter().enumerate();
                    let key: Vec<_> = key.map(|(i, at)| (*at, calzone_types::value_at(&batch.new.columns[i], row))).collect();
                    left.push_dead(&key);
                }
            }
            let left = left.finish();
            let current = if found { row_hash(&left.columns, 0) } else { 0 };
            if u64::from_be_bytes(*hash) != current {
                continue;
            }
            let live = found && (!right.is_empty() || self.layout.keeps_left());
            for i in 0..self.layout.keys {
                match batch.new.columns.get(i).filter(|_| i < keys) {
                    Some(column) => changes.new.columns[i].push(&calzone_types::value_at(column, row)),
                    None => changes.new.columns[i].push_null(),
                }
            }
            changes.new.copy_cells(self.layout.left_at(), &left.columns, 0);
            let right_at = self.layout.right_at();
            let right_types = &self.layout.right;
            match right.is_empty() {
                true => changes.new.null_cells(right_at, right_types.len()),
                false => {
                    codec::read_row_into(right_types, right, &mut changes.new.columns[right_at..right_at + right_types.len()])?;
                }
            }
            changes.new.end_row(live);
            if let (Some(joined), Some(old)) = (&self.joined, &mut changes.old) {
                let was_there = joined.read(context.stores, &store_key, old, 0)?.is_some();
                if !was_there {
                    old.null_cells(0, self.layout.types.len());
                }
                old.end_row(was_there);
            }
            changes.end(batch.timestamps[row], (batch, row), None);
            self.keep_joined(&store_key, &left, right, live, batch, row, context)?;
        }
        Ok(changes.finish(&batch.origin.topic, batch.origin.partition))
    }

    #[allow(clippy::too_many_arguments)]
    fn keep_joined(
        &self,
        key: &[u8],
        left: &Side,
        right: &[u8],
        live: bool,
        batch: &Batch,
        row: usize,
        context: &mut Context<'_>,
    ) -> Result<(), ExecError> {
        let Some(joined) = &self.joined else { return Ok(()) };
        if !live {
            return joined.delete(context.stores, key);
        }
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.layout.types.len());
        for i in 0..self.layout.keys {
            let value =
                batch.new.columns.get(i).map_or(calzone_types::Value::Null, |column| calzone_types::value_at(column, row));
            columns.push(column_from_values(&self.layout.types[i], [&value]));
        }
        columns.extend(left.columns.iter().cloned());
        let cells = match right.is_empty() {
            true => vec![calzone_types::Value::Null; self.layout.right.len()],
            false => codec::read_row(&self.layout.right, right)?.1,
        };
        columns.extend(self.layout.right.iter().zip(&cells).map(|(ty, cell)| column_from_values(ty, [cell])));
        joined.put(context.stores, key, batch.timestamps[row], &columns, 0, &mut Vec::new())
    }
}

impl Operator for ForeignKeyLeft {
    fn process(&mut self, input: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        if input == 0 {
            self.register(&batch, context)?;
            return Ok(None);
        }
        self.join(&batch, context)
    }
}

/// The side of the right table: inputs are subscriptions (0) and its changes (1).
pub(crate) struct ForeignKeyRight {
    right: TableSide,
    /// Length of the foreign key's bytes, those bytes, the left key's bytes; the value is the left row's hash.
    subscriptions: StoreId,
    key_positions: Vec<usize>,
    key_encoder: Encoder,
    responses: OutputTopic,
    step: Arc<str>,
}

impl ForeignKeyRight {
    pub fn new(
        right: TableSide,
        subscriptions: StoreId,
        key_positions: Vec<usize>,
        key_encoder: Encoder,
        responses: Arc<str>,
        name: &Arc<str>,
    ) -> ForeignKeyRight {
        let responses = OutputTopic::Internal(responses);
        ForeignKeyRight { right, subscriptions, key_positions, key_encoder, responses, step: name.clone() }
    }

    fn answer(&self, left_key: &[u8], hash: &[u8], right: &[u8], timestamp: i64, context: &mut Context<'_>) {
        let key = |out: &mut Vec<u8>| {
            out.extend_from_slice(left_key);
            true
        };
        context.out.batch(&self.responses).push_with(0, timestamp, RecordBatch::ANY_PARTITION, key, |out| {
            out.extend_from_slice(hash);
            out.extend_from_slice(right);
            true
        });
    }

    fn subscribe(&mut self, batch: &Batch, context: &mut Context<'_>) -> Result<(), ExecError> {
        let positions: Vec<usize> = (0..self.key_positions.len()).collect();
        let mut store_key = Vec::new();
        for row in 0..batch.len() {
            let Some((foreign_key, message)) = message(batch, row) else { continue };
            let (instruction, rest) = message.split_first().ok_or(DecodeError)?;
            let (hash, left_key) = rest.split_first_chunk::<8>().ok_or(DecodeError)?;
            let mut subscription = subscription_prefix(foreign_key);
            subscription.extend_from_slice(left_key);
            let subscribes = *instruction <= Instruction::Subscribe as u8;
            let store = context.stores.get(self.subscriptions);
            match subscribes {
                true => store.put(&subscription, hash)?,
                false => store.delete(&subscription)?,
            }
            TableStore::key_of(&batch.new.columns, &positions, None, row, &mut store_key);
            let right = context.stores.get(self.right.table.store).get(&store_key)?;
            let timestamp = match &right {
                Some(right) => codec::read_row_start(&mut right.as_slice())?.max(batch.timestamps[row]),
                None => batch.timestamps[row],
            };
            let right = right.as_deref().unwrap_or_default();
            if *instruction == Instruction::UnsubscribeAndAnswer as u8 {
                self.answer(left_key, hash, &[], timestamp, context);
            } else if *instruction == Instruction::Subscribe as u8 || (subscribes && !right.is_empty()) {
                self.answer(left_key, hash, right, timestamp, context);
            }
        }
        Ok(())
    }

    fn change(&mut self, batch: &Batch, context: &mut Context<'_>) -> Result<(), ExecError> {
        let keys: Vec<ArrayRef> = self.key_positions.iter().map(|i| batch.new.columns[*i].clone()).collect();
        let bound = self.key_encoder.bind(&keys);
        let (mut store_key, mut key, mut right) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..batch.len() {
            right.clear();
            if batch.new.is_live(row) {
                codec::write_row(batch.timestamps[row], &batch.new.columns, row, &mut right);
            }
            if self.right.owned {
                TableStore::key_of(&batch.new.columns, &self.key_positions, None, row, &mut store_key);
                let store = context.stores.get(self.right.table.store);
                match right.is_empty() {
                    true => store.delete(&store_key)?,
                    false => store.put(&store_key, &right)?,
                }
            }
            key.clear();
            bound.write(row, &mut key).map_err(|message| ExecError::Serialization {
                topic: self.step.to_string(),
                place: ExecError::place(&batch.origin, row),
                message,
            })?;
            let from = subscription_prefix(&key);
            let mut subscribers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            context.stores.get(self.subscriptions).range(&from, &codec::prefix_end(&from), &mut |entry, hash| {
                subscribers.push((entry[from.len()..].to_vec(), hash.to_vec()));
                ControlFlow::Continue(())
            })?;
            for (left_key, hash) in subscribers {
                self.answer(&left_key, &hash, &right, batch.timestamps[row], context);
            }
        }
        Ok(())
    }
}

impl Operator for ForeignKeyRight {
    fn process(&mut self, input: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        match input {
            0 => self.subscribe(&batch, context)?,
            _ => self.change(&batch, context)?,
        }
        Ok(None)
    }
}

/// Subscriptions of one foreign key.
fn subscription_prefix(foreign_key: &[u8]) -> Vec<u8> {
    let mut prefix = (foreign_key.len() as u32).to_be_bytes().to_vec();
    prefix.extend_from_slice(foreign_key);
    prefix
}

/// FNV-1a over the row's cells; the same after a restart and in every version. Never 0, which stands for no row.
fn row_hash(columns: &[ArrayRef], row: usize) -> u64 {
    let mut bytes = Vec::new();
    columns.iter().for_each(|column| codec::write_cell(column, row, &mut bytes));
    let hash =
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    hash.max(1)
}
