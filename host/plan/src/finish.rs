//! Last touches to a plan: columns nobody uses go, internal formats are checked, plugins are listed.

use std::collections::BTreeSet;
use std::sync::Arc;

use calzone_formats::{FormatColumn, FormatSpec, Part};
use calzone_functions::Implementation;
use calzone_functions::definition::AggregateImplementation;

use crate::catalog::Source;
use crate::error::Result;
use crate::expression::{Expr, ExprKind};
use crate::plan::{JoinHow, Output, PluginUse, QueryPlan, Step, StepKind};
use crate::prune::prune;
use crate::walk::visit;
use crate::with_properties::check_format;

/// Makes a plan of steps.
pub(crate) fn finish(root: Step, output: Output, sources: &[Arc<Source>], limit: Option<u64>) -> Result<QueryPlan> {
    let root = prune(root);
    check_internal_formats(&root)?;
    let mut plugins = BTreeSet::new();
    collect_plugins(&root, &mut plugins);
    let reads = sources.iter().map(|s| s.name.clone()).collect();
    Ok(QueryPlan { root, output, reads, plugins: plugins.into_iter().collect(), limit, error_policy: None })
}

/// The steps below a step.
pub(crate) fn inputs(step: &Step) -> Vec<&Step> {
    match &step.kind {
        StepKind::Source(_) => Vec::new(),
        StepKind::Filter { input, .. }
        | StepKind::Project { input, .. }
        | StepKind::FlatMap { input, .. }
        | StepKind::SelectKey { input, .. }
        | StepKind::Repartition { input, .. }
        | StepKind::Suppress { input, .. } => vec![input],
        StepKind::Aggregate(aggregate) => vec![&aggregate.input],
        StepKind::Join(join) => vec![&join.left, &join.right],
        StepKind::Stage(stage) => vec![&stage.input],
    }
}

/// The expressions of a step itself.
pub(crate) fn expressions(step: &Step) -> Vec<&Expr> {
    match &step.kind {
        StepKind::Filter { predicate, .. } => vec![predicate],
        StepKind::Project { columns, .. } | StepKind::SelectKey { columns, .. } => columns.iter().collect(),
        StepKind::FlatMap { calls, .. } => calls.iter().flat_map(|c| &c.arguments).collect(),
        StepKind::Aggregate(a) => a.group_by.iter().chain(a.aggregates.iter().flat_map(|c| &c.arguments)).collect(),
        StepKind::Join(join) => match &join.how {
            JoinHow::ForeignKey { foreign_key } => vec![foreign_key],
            _ => Vec::new(),
        },
        StepKind::Source(_) | StepKind::Repartition { .. } | StepKind::Suppress { .. } | StepKind::Stage(_) => Vec::new(),
    }
}

fn check_internal_formats(step: &Step) -> Result<()> {
    match &step.kind {
        StepKind::Repartition { formats, .. } => {
            check_part(&formats.key, Part::Key, step, true)?;
            check_part(&formats.value, Part::Value, step, false)?;
        }
        StepKind::Aggregate(aggregate) => {
            check_part(&aggregate.formats.key, Part::Key, step, true)?;
            let states: Vec<FormatColumn> = aggregate
                .aggregates
                .iter()
                .map(|call| FormatColumn::new(format!("state of {}", call.function.name), call.function.state_type.clone()))
                .collect();
            check_format(&aggregate.formats.value, Part::Value, &states)?;
        }
        _ => {}
    }
    inputs(step).into_iter().try_for_each(check_internal_formats)
}

fn check_part(spec: &FormatSpec, part: Part, step: &Step, keys: bool) -> Result<()> {
    let output = &step.output;
    let columns: Vec<FormatColumn> = output
        .columns
        .iter()
        .enumerate()
        .filter(|(i, _)| output.key.contains(i) == keys)
        .map(|(_, c)| FormatColumn { name: c.name.clone(), ty: c.ty.clone() })
        .collect();
    check_format(spec, part, &columns)
}

fn collect_plugins(step: &Step, plugins: &mut BTreeSet<PluginUse>) {
    let mut add = |name: &Arc<str>, plugin: &Arc<str>, item: &Arc<str>| {
        plugins.insert(PluginUse { name: name.clone(), plugin: plugin.clone(), item: item.clone() });
    };
    for expr in expressions(step) {
        visit(expr, &mut |e| {
            if let ExprKind::Call { function, .. } = &e.kind
                && let Implementation::Plugin { plugin, function: item } = &function.implementation
            {
                add(&function.name, plugin, item);
            }
        });
    }
    match &step.kind {
        StepKind::FlatMap { calls, .. } => {
            for call in calls {
                if let Implementation::Plugin { plugin, function } = &call.function.implementation {
                    add(&call.function.name, plugin, function);
                }
            }
        }
        StepKind::Aggregate(aggregate) => {
            for call in &aggregate.aggregates {
                if let AggregateImplementation::Plugin { plugin, function, .. } = &call.function.implementation {
                    add(&call.function.name, plugin, function);
                }
            }
        }
        StepKind::Stage(stage) => add(&stage.name, &stage.plugin, &stage.stage),
        _ => {}
    }
    inputs(step).into_iter().for_each(|input| collect_plugins(input, plugins));
}
