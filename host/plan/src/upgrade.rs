//! CREATE OR REPLACE: what a running query may become without losing its state or surprising its readers.

use std::collections::BTreeSet;

use calzone_types::{Column, Schema};

use crate::catalog::{QueryInfo, Source};
use crate::error::{PlanError, Result};
use crate::finish::{expressions, inputs};
use crate::plan::{AggregateStep, JoinHow, JoinStep, QueryPlan, SourceColumn, Step, StepKind};

/// May the source become this other one? Its key stays, and value columns are only added at the end.
pub(crate) fn check_source(old: &Source, new: &Source) -> Result<()> {
    let refuse =
        |what: String| Err(PlanError::new(format!("{} cannot be replaced: {what} Drop it and create it anew.", old.name)));
    if old.topic != new.topic {
        return refuse(format!("its topic is '{}', not '{}'.", old.topic, new.topic));
    }
    if old.key_format != new.key_format || old.value_format.format != new.value_format.format || old.window != new.window {
        return refuse("formats and window must stay as they are.".to_owned());
    }
    let columns = |schema: &Schema, key: bool| -> Vec<Column> {
        if key {
            schema.key().cloned().collect()
        } else {
            schema.columns.iter().filter(|c| c.namespace != calzone_types::Namespace::Key).cloned().collect()
        }
    };
    if columns(&old.schema, true) != columns(&new.schema, true) {
        return refuse("its key must stay the same.".to_owned());
    }
    let (old_values, new_values) = (columns(&old.schema, false), columns(&new.schema, false));
    let lost: Vec<String> = old_values
        .iter()
        .enumerate()
        .filter(|(i, c)| new_values.get(*i) != Some(c))
        .map(|(_, c)| format!("`{}` {}", c.name, c.ty))
        .collect();
    if !lost.is_empty() {
        return refuse(format!("columns can only be added at the end, but {} would change, move or go.", lost.join(", ")));
    }
    Ok(())
}

/// May the query become this other one? Filters and projections may change; whatever keeps state must stay as it is.
pub fn check_upgrade(old: &QueryInfo, new: &QueryPlan) -> Result<()> {
    let refuse =
        |what: &str| Err(PlanError::new(format!("Query {} cannot be replaced: {what} Drop it and create it anew.", old.id)));
    if old.plan.reads != new.reads {
        return refuse("it would read other sources.");
    }
    let (before, after) = (stateful(&old.plan.root), stateful(&new.root));
    if before.len() != after.len() {
        return refuse("it would group, join or repartition where it did not, or no longer.");
    }
    for (b, a) in before.iter().zip(&after) {
        match (&b.kind, &a.kind) {
            (StepKind::Aggregate(b), StepKind::Aggregate(a)) => {
                if let Some(what) = aggregate_change(b, a) {
                    return refuse(what);
                }
            }
            (StepKind::Join(b), StepKind::Join(a)) => {
                if !same_join(b, a) {
                    return refuse("its joins must stay the same.");
                }
            }
            (StepKind::Repartition { name: b_name, .. }, StepKind::Repartition { name: a_name, .. }) if b_name == a_name => {
                let computed = |step: &Step| inputs(step).first().map(|input| format!("{:?}", expressions(input)));
                if b.output.columns != a.output.columns || b.output.key != a.output.key || computed(b) != computed(a) {
                    return refuse("other columns would go through its internal topic.");
                }
            }
            (StepKind::Suppress { grace_ms: b, .. }, StepKind::Suppress { grace_ms: a, .. }) if b == a => {}
            (StepKind::Stage(_), StepKind::Stage(_)) => {}
            _ => return refuse("the order of its steps would change."),
        }
    }
    Ok(())
}

/// Steps that keep state or own a topic, from the sink to the sources.
fn stateful(step: &Step) -> Vec<&Step> {
    let own = matches!(
        step.kind,
        StepKind::Aggregate(_)
            | StepKind::Join(_)
            | StepKind::Repartition { .. }
            | StepKind::Suppress { .. }
            | StepKind::Stage(_)
    );
    own.then_some(step).into_iter().chain(inputs(step).into_iter().flat_map(stateful)).collect()
}

fn aggregate_change(old: &AggregateStep, new: &AggregateStep) -> Option<&'static str> {
    let calls = |a: &AggregateStep| {
        a.aggregates.iter().map(|c| (c.function.name.clone(), c.function.state_type.clone(), c.ty.clone())).collect::<Vec<_>>()
    };
    if old.window != new.window {
        return Some("its windows must stay the same.");
    }
    if calls(old) != calls(new) || old.group_by.len() != new.group_by.len() {
        return Some("its GROUP BY and its aggregate functions must stay the same.");
    }
    // A filter below would count rows that the state was not made of, as far as columns tell.
    if columns_read(&old.input) != columns_read(&new.input) {
        return Some("the rows it groups must have the same columns.");
    }
    // With the same columns below, equal expressions have equal positions.
    let expressions = |a: &AggregateStep| format!("{:?} {:?}", a.group_by, a.aggregates);
    if expressions(old) != expressions(new) {
        return Some("its GROUP BY and the arguments of its aggregate functions must stay the same.");
    }
    None
}

fn columns_read(step: &Step) -> BTreeSet<String> {
    match &step.kind {
        StepKind::Source(source) => {
            let name = |column: &SourceColumn| match column {
                SourceColumn::Schema(i) => source.source.schema.columns.get(*i).map(|c| c.name.to_string()).unwrap_or_default(),
                pseudo => format!("{pseudo:?}"),
            };
            source.columns.iter().map(|c| format!("{}.{}", source.alias, name(c))).collect()
        }
        _ => inputs(step).into_iter().flat_map(columns_read).collect(),
    }
}

fn same_join(old: &JoinStep, new: &JoinStep) -> bool {
    let how = match (&old.how, &new.how) {
        (
            JoinHow::StreamStream { before_ms: b1, after_ms: a1, grace_ms: g1 },
            JoinHow::StreamStream { before_ms: b2, after_ms: a2, grace_ms: g2 },
        ) => (b1, a1, g1) == (b2, a2, g2),
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    };
    how && old.kind == new.kind
        && old.left.output.columns == new.left.output.columns
        && old.right.output.columns == new.right.output.columns
}
