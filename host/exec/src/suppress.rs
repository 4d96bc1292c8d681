//! EMIT FINAL: windows are shown once, when they are closed.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use calzone_formats::{Encoder, FormatColumn, Part};
use calzone_plan::plan::{InternalFormats, StepOutput, WindowSpec, WindowSpecKind};
use calzone_types::{Batch, SqlType};

use crate::codec;
use crate::error::ExecError;
use crate::operator::{Context, Operator, StoreId, Stores, StreamTime};
use crate::rows::ChangeBuilder;

/// Holds the last row of each window and group until stream time passes the window's end and grace. Closed windows come
/// out in the order of their start (sessions: end), then of the key's bytes in its format.
pub(crate) struct Suppress {
    store: StoreId,
    key: Encoder,
    key_positions: Vec<usize>,
    types: Vec<SqlType>,
    window: WindowSpec,
    stream_time: StreamTime,
    /// No window in the store is ordered before this: while nothing can be closed, the store is left alone.
    earliest: i64,
    step: Arc<str>,
}

impl Suppress {
    pub fn new(
        name: &Arc<str>,
        output: &StepOutput,
        window: WindowSpec,
        formats: &InternalFormats,
        store: StoreId,
        stream_time: StreamTime,
    ) -> Result<Suppress, ExecError> {
        let column = |i: &usize| FormatColumn { name: output.columns[*i].name.clone(), ty: output.columns[*i].ty.clone() };
        let key: Vec<FormatColumn> = output.key.iter().map(column).collect();
        Ok(Suppress {
            store,
            key: Encoder::new(&formats.key, Part::Key, &key).map_err(|error| ExecError::Plan(error.message))?,
            key_positions: output.key.clone(),
            types: output.columns.iter().map(|column| column.ty.clone()).collect(),
            window,
            stream_time,
            earliest: i64::MIN,
            step: name.clone(),
        })
    }

    /// The time by which windows are ordered.
    fn order(&self, start: i64, end: i64) -> i64 {
        if matches!(self.window.kind, WindowSpecKind::Session { .. }) { end } else { start }
    }

    /// Range of `order` that is closed now and not yet forgotten: from, to (exclusive).
    fn closed(&self) -> (i64, i64) {
        let now = self.stream_time.value();
        match self.window.kind {
            WindowSpecKind::Time { size_ms, advance_ms } => {
                // A window that was not shown when the newest window begins longer after it than it is retained is gone.
                let newest = now - now.rem_euclid(advance_ms);
                let retained = newest.saturating_sub(self.window.retention_ms);
                (retained, now.saturating_sub(self.window.grace_ms).saturating_sub(size_ms).saturating_add(1))
            }
            WindowSpecKind::Session { gap_ms } => (i64::MIN, now.saturating_sub(self.window.grace_ms).saturating_sub(gap_ms)),
        }
    }
}

impl Operator for Suppress {
    fn process(&mut self, _: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let Some(windows) = batch.windows.as_ref() else {
            return Err(ExecError::Plan(format!("{}: EMIT FINAL needs a window.", self.step)));
        };
        let keys: Vec<ArrayRef> = self.key_positions.iter().map(|i| batch.new.columns[*i].clone()).collect();
        let bound = self.key.bind(&keys);
        let mut changes = ChangeBuilder::new(&self.types, false, true, 0);
        let (mut key, mut value, mut closed_keys) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..batch.len() {
            let (start, end) = (windows.start[row], windows.end[row]);
            key.clear();
            key.extend_from_slice(&codec::ordered_i64(self.order(start, end)));
            bound.write(row, &mut key).map_err(|message| ExecError::Serialization {
                topic: self.step.to_string(),
                place: ExecError::place(&batch.origin, row),
                message,
            })?;
            key.extend_from_slice(&codec::ordered_i64(start));
            let store = context.stores.get(self.store);
            match batch.new.is_live(row) {
                true => {
                    value.clear();
                    codec::write_integer(start, &mut value);
                    codec::write_integer(end, &mut value);
                    codec::write_row(batch.timestamps[row], &batch.new.columns, row, &mut value);
                    store.put(&key, &value)?;
                    self.earliest = self.earliest.min(self.order(start, end));
                }
                false => store.delete(&key)?,
            }
            let before = self.stream_time.value();
            self.stream_time.advance(batch.timestamps[row]);
            if self.stream_time.value() == before {
                continue;
            }
            let (from, to) = self.closed();
            if to <= self.earliest {
                continue;
            }
            let mut earliest = Some(i64::MAX);
            let mut failed = Ok(());
            let mut give = |mut bytes: &[u8]| -> Result<(), codec::DecodeError> {
                let (start, end) = (codec::read_integer(&mut bytes)?, codec::read_integer(&mut bytes)?);
                let timestamp = codec::read_row_into(&self.types, bytes, &mut changes.new.columns)?;
                changes.new.end_row(true);
                changes.end(timestamp, (&batch, row), Some((start, end)));
                Ok(())
            };
            // Everything before `to` leaves the store; what is older than `from` was retained too short to be shown.
            let (from, to) = (codec::ordered_i64(from), codec::ordered_i64(to));
            store.range(&[], &[], &mut |key, value| {
                if key >= to.as_slice() {
                    earliest = codec::read_time(&mut &*key).ok();
                    return ControlFlow::Break(());
                }
                closed_keys.push(key.to_vec());
                if key < from.as_slice() {
                    return ControlFlow::Continue(());
                }
                match give(value) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Err(error);
                        ControlFlow::Break(())
                    }
                }
            })?;
            failed?;
            self.earliest = earliest.unwrap_or(i64::MIN);
            for key in closed_keys.drain(..) {
                store.delete(&key)?;
            }
        }
        debug_assert!(keys.iter().all(|column| column.len() == batch.len()));
        Ok(changes.finish(&batch.origin.topic, batch.origin.partition))
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        self.stream_time.flush(context.stores)?;
        Ok(None)
    }

    fn reload(&mut self, stores: &mut Stores) -> Result<(), ExecError> {
        self.earliest = i64::MIN;
        self.stream_time.reload(stores)
    }
}
