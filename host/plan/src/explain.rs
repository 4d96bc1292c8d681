//! A plan as a tree for people.

use std::fmt::Write;

use crate::catalog::KeyWindow;
use crate::error_policy::{ChosenBy, PolicyAction, QueryPolicy};
use crate::finish::inputs;
use crate::plan::{JoinHow, Output, QueryPlan, SourceColumn, Step, StepKind, StepOutput, WindowSpecKind};

/// The plan, from its sink down to its sources, one step a line. `#n` is the n-th column of the step below.
pub fn explain(plan: &QueryPlan) -> String {
    let mut text = String::new();
    match &plan.output {
        Output::Sink(sink) => {
            let kept = if sink.materialize { ", kept for pull queries" } else { "" };
            let to = if sink.writes { format!(" to topic {}", sink.sink.topic) } else { String::new() };
            line(&mut text, 0, &format!("Sink {}{to}{kept}", sink.sink.name), None);
        }
        Output::Client { .. } => {
            let limit = plan.limit.map(|n| format!(", at most {n} rows")).unwrap_or_default();
            line(&mut text, 0, &format!("Client{limit}"), None);
        }
    }
    if let Some(policy) = &plan.error_policy {
        line(&mut text, 1, &errors(policy), None);
    }
    step(&mut text, 1, &plan.root);
    text
}

/// What becomes of records that fail.
fn errors(policy: &QueryPolicy) -> String {
    let by = match &policy.chosen_by {
        ChosenBy::Query => String::new(),
        ChosenBy::Source(source) => format!(" (of source {source})"),
        ChosenBy::Setting(name) => format!(" (of setting {name})"),
    };
    let mut text = format!("Errors meet policy {}{by}: {}", policy.policy.name, policy.policy.decider);
    if policy.policy.decider.may(PolicyAction::DeadLetter) {
        text += &format!(", dead letters to {}", policy.dead_letter_topic);
    }
    if policy.retries() {
        text += &format!(", retries through {}, locks in {}", policy.retry_topic, policy.redirect_topic);
    }
    if let Some(lock_by) = &policy.policy.lock_by {
        text += &format!(", locked by {lock_by}");
    }
    for other in &policy.others {
        text += &format!("; {}: {}", other.name, other.decider);
    }
    text
}

fn step(text: &mut String, depth: usize, s: &Step) {
    let what = match &s.kind {
        StepKind::Source(source) => {
            let pseudo: Vec<String> =
                source.columns.iter().filter(|c| !matches!(c, SourceColumn::Schema(_))).map(|c| format!("{c:?}")).collect();
            let pseudo = if pseudo.is_empty() { String::new() } else { format!(" with {}", pseudo.join(", ")) };
            let kept = source.materialize.as_ref().map(|store| format!(", kept in {store}")).unwrap_or_default();
            format!("Source {} from topic {}{pseudo}{kept}", source.source.name, source.source.topic)
        }
        StepKind::Filter { predicate, .. } => format!("Filter {predicate:?}"),
        StepKind::Project { columns, .. } => format!("Project {columns:?}"),
        StepKind::FlatMap { calls, .. } => format!("FlatMap {calls:?}"),
        StepKind::SelectKey { columns, .. } => format!("SelectKey {columns:?}"),
        StepKind::Repartition { name, .. } => format!("Repartition {name}"),
        StepKind::Aggregate(a) => {
            let window = a.window.map(|w| match w.kind {
                WindowSpecKind::Time { size_ms, advance_ms } => {
                    format!(" in windows of {size_ms} ms every {advance_ms} ms, grace {} ms", w.grace_ms)
                }
                WindowSpecKind::Session { gap_ms } => format!(" in sessions with gaps of {gap_ms} ms, grace {} ms", w.grace_ms),
            });
            format!("Aggregate {:?} by {:?}{}", a.aggregates, a.group_by, window.unwrap_or_default())
        }
        StepKind::Suppress { grace_ms, .. } => format!("Suppress until windows close, grace {grace_ms} ms"),
        StepKind::Join(join) => {
            let how = match &join.how {
                JoinHow::StreamStream { before_ms, after_ms, grace_ms } => {
                    let grace = grace_ms.map(|g| format!(", grace {g} ms")).unwrap_or_default();
                    format!("of streams within {before_ms} ms before and {after_ms} ms after{grace}")
                }
                JoinHow::StreamTable => "of a stream with a table".to_owned(),
                JoinHow::TableTable => "of tables".to_owned(),
                JoinHow::ForeignKey { foreign_key } => format!("of tables on foreign key {foreign_key:?}"),
            };
            format!("{} {:?} {how}", join.name, join.kind)
        }
        StepKind::Stage(stage) => {
            let store = if stage.key_value { ", with a store" } else { "" };
            let others: Vec<String> = stage.others.iter().map(|o| format!(", and into {}", o.sink.sink.name)).collect();
            format!("Stage {} of plugin {}{store}{}", stage.name, stage.plugin, others.concat())
        }
    };
    line(text, depth, &what, Some(&s.output));
    inputs(s).into_iter().for_each(|input| step(text, depth + 1, input));
}

fn line(text: &mut String, depth: usize, what: &str, output: Option<&StepOutput>) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{}{what}", "  ".repeat(depth));
    if let Some(output) = output {
        let columns = output.columns.iter().enumerate().map(|(i, c)| {
            let key = if output.key.contains(&i) { " KEY" } else { "" };
            format!("{} {}{key}", c.name, c.ty)
        });
        let window = match output.window {
            Some(KeyWindow { kind, size_ms }) => {
                format!(" {kind:?}{}", size_ms.map(|ms| format!(" {ms} ms")).unwrap_or_default())
            }
            None => String::new(),
        };
        let kind = if output.is_table { "table" } else { "stream" };
        let _ = write!(text, " => {kind} [{}]{window}", columns.collect::<Vec<_>>().join(", "));
    }
    text.push('\n');
}
