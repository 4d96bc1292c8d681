//! Takes out columns that nobody uses, from the end of the plan to its sources: what is not read is not decoded, not sent
//! through internal topics and not stored.

use crate::expression::{Expr, ExprKind};
use crate::plan::{JoinHow, Step, StepKind, StepOutput};
use crate::walk::{visit, visit_mut};

/// Which columns of a step are used, by position.
type Used = Vec<bool>;

/// Where each column went; None: taken out.
type Moved = Vec<Option<usize>>;

/// Prunes a plan. All columns of the root stay.
pub(crate) fn prune(root: Step) -> Step {
    let all = vec![true; root.output.columns.len()];
    prune_step(root, all).0
}

fn prune_step(step: Step, mut used: Used) -> (Step, Moved) {
    // A table's rows are known by their key; a join or a repartitioning needs the key it works by.
    if step.output.is_table || keeps_key(&step.kind) {
        step.output.key.iter().for_each(|&k| used[k] = true);
    }
    let output = step.output;
    match step.kind {
        StepKind::Source(mut source) => {
            let moved = moves(&used);
            source.columns = kept(source.columns, &used);
            (Step { kind: StepKind::Source(source), output: shrunk(output, &used, &moved) }, moved)
        }
        StepKind::Filter { input, mut predicate } => {
            let mut below = used.clone();
            mark(&predicate, &mut below);
            let (input, moved) = prune_step(*input, below);
            renumber(&mut predicate, &moved);
            let output = input.output.clone();
            (Step { kind: StepKind::Filter { input: Box::new(input), predicate }, output }, moved)
        }
        StepKind::Project { input, columns } => {
            let (input, columns, moved) = computed(*input, columns, &used);
            (Step { kind: StepKind::Project { input, columns }, output: shrunk(output, &used, &moved) }, moved)
        }
        StepKind::SelectKey { input, columns } => {
            let (input, columns, moved) = computed(*input, columns, &used);
            (Step { kind: StepKind::SelectKey { input, columns }, output: shrunk(output, &used, &moved) }, moved)
        }
        StepKind::FlatMap { input, mut calls } => {
            // Every call stays: it decides how many rows there are.
            let width = input.output.columns.len();
            let mut below: Used = used[..width].to_vec();
            calls.iter().flat_map(|c| &c.arguments).for_each(|a| mark(a, &mut below));
            let (input, mut moved) = prune_step(*input, below);
            calls.iter_mut().flat_map(|c| &mut c.arguments).for_each(|a| renumber(a, &moved));
            let first_call = input.output.columns.len();
            moved.extend((0..calls.len()).map(|i| Some(first_call + i)));
            let mut columns = input.output.columns.clone();
            columns.extend(output.columns[width..].iter().cloned());
            let output = StepOutput { columns, ..input.output.clone() };
            (Step { kind: StepKind::FlatMap { input: Box::new(input), calls }, output }, moved)
        }
        StepKind::Repartition { input, name, formats, drop_null_key } => {
            let (input, moved) = prune_step(*input, used);
            let output = input.output.clone();
            (Step { kind: StepKind::Repartition { input: Box::new(input), name, formats, drop_null_key }, output }, moved)
        }
        StepKind::Suppress { input, name, grace_ms, formats } => {
            let (input, moved) = prune_step(*input, used);
            let output = input.output.clone();
            (Step { kind: StepKind::Suppress { input: Box::new(input), name, grace_ms, formats }, output }, moved)
        }
        StepKind::Aggregate(mut aggregate) => {
            // Groups and aggregates are few, and all of them were asked for.
            let mut below = vec![false; aggregate.input.output.columns.len()];
            aggregate.group_by.iter().for_each(|e| mark(e, &mut below));
            aggregate.aggregates.iter().flat_map(|c| &c.arguments).for_each(|e| mark(e, &mut below));
            let (input, moved) = prune_step(aggregate.input, below);
            aggregate.group_by.iter_mut().for_each(|e| renumber(e, &moved));
            aggregate.aggregates.iter_mut().flat_map(|c| &mut c.arguments).for_each(|e| renumber(e, &moved));
            aggregate.input = input;
            let same = (0..output.columns.len()).map(Some).collect();
            (Step { kind: StepKind::Aggregate(aggregate), output }, same)
        }
        StepKind::Join(mut join) => {
            let key_columns = usize::from(!matches!(join.how, JoinHow::ForeignKey { .. }));
            let left_width = join.left.output.columns.len();
            let mut left_used: Used = used[key_columns..key_columns + left_width].to_vec();
            let mut right_used: Used = used[key_columns + left_width..].to_vec();
            join.left.output.key.iter().for_each(|&k| left_used[k] = true);
            join.right.output.key.iter().for_each(|&k| right_used[k] = true);
            if let JoinHow::ForeignKey { foreign_key } = &join.how {
                mark(foreign_key, &mut left_used);
            }
            let (left, left_moved) = prune_step(join.left, left_used);
            let (right, right_moved) = prune_step(join.right, right_used);
            if let JoinHow::ForeignKey { foreign_key } = &mut join.how {
                renumber(foreign_key, &left_moved);
            }
            let right_first = key_columns + left.output.columns.len();
            let mut moved: Moved = (0..key_columns).map(Some).collect();
            moved.extend(left_moved.iter().map(|m| m.map(|i| i + key_columns)));
            moved.extend(right_moved.iter().map(|m| m.map(|i| i + right_first)));
            let columns =
                output.columns.into_iter().zip(&moved).filter(|(_, to)| to.is_some()).map(|(column, _)| column).collect();
            let key = output.key.iter().filter_map(|&k| moved[k]).collect();
            (join.left, join.right) = (left, right);
            (Step { kind: StepKind::Join(join), output: StepOutput { columns, key, ..output } }, moved)
        }
        // What crosses into the guest is the plugin's own choice.
        kind @ StepKind::Stage(_) => {
            let same = (0..output.columns.len()).map(Some).collect();
            (Step { kind, output }, same)
        }
    }
}

fn keeps_key(kind: &StepKind) -> bool {
    matches!(kind, StepKind::Repartition { .. } | StepKind::SelectKey { .. } | StepKind::Join(_) | StepKind::Aggregate(_))
}

/// Prunes the input of a step that computes columns anew, and the columns themselves.
fn computed(input: Step, columns: Vec<Expr>, used: &Used) -> (Box<Step>, Vec<Expr>, Moved) {
    let mut columns = kept(columns, used);
    let mut below = vec![false; input.output.columns.len()];
    columns.iter().for_each(|e| mark(e, &mut below));
    let (input, moved) = prune_step(input, below);
    columns.iter_mut().for_each(|e| renumber(e, &moved));
    (Box::new(input), columns, moves(used))
}

fn kept<T>(items: Vec<T>, used: &Used) -> Vec<T> {
    items.into_iter().zip(used).filter(|(_, used)| **used).map(|(item, _)| item).collect()
}

fn moves(used: &Used) -> Moved {
    let mut next = 0;
    let mut place = |used: &bool| {
        used.then(|| {
            next += 1;
            next - 1
        })
    };
    used.iter().map(&mut place).collect()
}

/// The output without unused columns. A key that is not whole any more is none.
fn shrunk(output: StepOutput, used: &Used, moved: &Moved) -> StepOutput {
    let key: Option<Vec<usize>> = output.key.iter().map(|&k| moved[k]).collect();
    StepOutput { columns: kept(output.columns, used), key: key.unwrap_or_default(), ..output }
}

fn mark(expr: &Expr, used: &mut Used) {
    visit(expr, &mut |e| {
        if let ExprKind::Column(at) = e.kind {
            used[at] = true;
        }
    });
}

fn renumber(expr: &mut Expr, moved: &Moved) {
    visit_mut(expr, &mut |e| {
        if let ExprKind::Column(at) = &mut e.kind
            && let Some(to) = moved[*at]
        {
            *at = to;
        }
    });
}
