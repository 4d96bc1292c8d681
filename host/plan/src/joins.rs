//! FROM with JOIN: which kinds of join there are, what they join on, what their key is.

use std::collections::BTreeSet;
use std::sync::Arc;

use calzone_sql::ast::{self, CompareOp, ExprKind, JoinKind, Relation};
use calzone_sql::{Span, format_expression};

use crate::catalog::{SourceKind, WindowType};
use crate::context::PlanContext;
use crate::error::{PlanError, Result};
use crate::expression::Expr;
use crate::names::{Clause, NamedSource, Names, column_ref, expect_source};
use crate::plan::{JoinHow, JoinStep, Step, StepColumn, StepKind, StepOutput};
use crate::rewrite::visit;
use crate::rows::{self, Rows};
use crate::scope::{Computed, Scope};
use crate::typing::Typing;
use crate::with_properties::default_key_format;

/// One JOIN of a FROM clause, with the sides of its ON turned so that `left` is about sources before it.
#[derive(Clone, Debug)]
pub(crate) struct JoinClause {
    pub kind: JoinKind,
    pub within: Option<ast::Within>,
    pub left: ast::Expr,
    pub right: ast::Expr,
    /// Position of the joined source.
    pub source: usize,
    pub on_span: Span,
    pub span: Span,
}

/// The FROM clause: its sources in order and how they are joined.
pub(crate) fn resolve(ctx: &PlanContext, from: &Relation) -> Result<(Names, Vec<JoinClause>)> {
    let mut names = Names::default();
    let mut joins = Vec::new();
    collect(ctx, from, &mut names, &mut joins)?;
    let clauses = joins.iter().map(|(join, source)| clause(&names, join, *source)).collect::<Result<Vec<_>>>()?;
    if let Some(last) = clauses.last() {
        names.join_key = synthetic_key(&names, &clauses, last);
    }
    Ok((names, clauses))
}

fn collect<'a>(
    ctx: &PlanContext,
    relation: &'a Relation,
    names: &mut Names,
    joins: &mut Vec<(&'a ast::Join, usize)>,
) -> Result<()> {
    match relation {
        Relation::Source { name, alias } => {
            let source = expect_source(ctx.catalog, name)?.clone();
            let alias = alias.as_ref().unwrap_or(name);
            if names.source(&alias.node).is_some() {
                let message = format!("{} occurs twice in FROM. Give one of them an alias.", alias.node);
                return Err(PlanError::at(alias.span, message));
            }
            if names.sources.iter().any(|s| s.source.name == source.name) {
                let message = format!(
                    "{} cannot be joined with itself. Make a second stream or table over its topic to join with.",
                    source.name
                );
                return Err(PlanError::at(name.span, message));
            }
            names.sources.push(NamedSource { alias: alias.node.as_str().into(), source });
        }
        Relation::Join(join) => {
            collect(ctx, &join.left, names, joins)?;
            collect(ctx, &join.right, names, joins)?;
            joins.push((join, names.sources.len() - 1));
        }
    }
    Ok(())
}

fn clause(names: &Names, join: &ast::Join, source: usize) -> Result<JoinClause> {
    let ExprKind::Compare { op: CompareOp::Equal, left, right } = &join.on.kind else {
        let message = format!(
            "JOIN ON needs one comparison with =, not {}. Conditions beyond it go into WHERE.",
            format_expression(&join.on)
        );
        return Err(PlanError::at(join.on.span, message));
    };
    // Names after this join are not known to it.
    let visible = Names { sources: names.sources[..=source].to_vec(), ..Names::default() };
    let (left, right) = (visible.qualify(left, Clause::JoinOn)?, visible.qualify(right, Clause::JoinOn)?);
    let (left_source, right_source) = (one_source(&left)?, one_source(&right)?);
    let joined = &*names.sources[source].alias;
    let (left, right) = match (left_source == joined, right_source == joined) {
        (false, true) => (left, right),
        (true, false) => (right, left),
        _ => {
            let message =
                format!("JOIN ON must compare {joined} with a source before it, but compares {left_source} with {right_source}.");
            return Err(PlanError::at(join.on.span, message));
        }
    };
    Ok(JoinClause { kind: join.kind, within: join.within.clone(), left, right, source, on_span: join.on.span, span: join.span })
}

/// The one source that an expression is about.
fn one_source(tree: &ast::Expr) -> Result<&str> {
    let mut sources = BTreeSet::new();
    visit(tree, &mut |e| {
        if let ExprKind::Column { source: Some(source), .. } = &e.kind {
            sources.insert(source.node.as_str());
        }
        true
    });
    match (sources.pop_first(), sources.pop_first()) {
        (Some(only), None) => Ok(only),
        _ => {
            let message =
                format!("Each side of JOIN ON must use columns of exactly one source, but {} does not.", format_expression(tree));
            Err(PlanError::at(tree.span, message))
        }
    }
}

/// The name of the key column that the whole join makes, if no column of a source is its key.
fn synthetic_key(names: &Names, clauses: &[JoinClause], last: &JoinClause) -> Option<Arc<str>> {
    let is_column = |tree: &ast::Expr| matches!(tree.kind, ExprKind::Column { .. });
    let is_foreign_key = clauses.len() == 1 && foreign_key_shape(names, last);
    if is_foreign_key || (last.kind != JoinKind::Full && (is_column(&last.left) || is_column(&last.right))) {
        return None;
    }
    let taken = |name: &str| names.sources.iter().any(|s| s.source.schema.find(name).is_some());
    let mut name = "ROWKEY".to_owned();
    let mut n = 1;
    while taken(&name) {
        name = format!("ROWKEY_{n}");
        n += 1;
    }
    Some(name.into())
}

/// Are these two tables, joined on something else than the left one's primary key?
fn foreign_key_shape(names: &Names, clause: &JoinClause) -> bool {
    let left = &names.sources[0];
    let is_table = |s: &NamedSource| s.source.kind == SourceKind::Table;
    is_table(left) && is_table(&names.sources[clause.source]) && !is_only_key(left, &clause.left)
}

fn is_only_key(source: &NamedSource, tree: &ast::Expr) -> bool {
    let mut keys = source.source.schema.key();
    match (keys.next(), keys.next()) {
        (Some(key), None) => *tree == column_ref(Some(&source.alias), &key.name),
        _ => false,
    }
}

/// Reads and joins all sources of a query.
pub(crate) fn build(ctx: &PlanContext, names: &Names, clauses: &[JoinClause]) -> Result<Rows> {
    let read = |source: &NamedSource| rows::read(source, names.is_join(), rows::partitions_of(ctx, &source.source));
    let Some(first) = names.sources.first() else { return Err(PlanError::new("The query reads no source.")) };
    let mut left = read(first);
    for (i, clause) in clauses.iter().enumerate() {
        let prefix = "L_".repeat(clauses.len() - 1 - i);
        let is_last = i + 1 == clauses.len();
        let joined = &names.sources[clause.source];
        let synthetic = if is_last { names.join_key.clone() } else { None };
        let left_names = &names.sources[..clause.source];
        left = Joining { ctx, clause, name: format!("{prefix}Join"), left_names, joined, synthetic }.join(left, read(joined))?;
    }
    Ok(left)
}

/// One join being built.
struct Joining<'a> {
    ctx: &'a PlanContext<'a>,
    clause: &'a JoinClause,
    name: String,
    left_names: &'a [NamedSource],
    joined: &'a NamedSource,
    synthetic: Option<Arc<str>>,
}

impl Joining<'_> {
    fn join(&self, mut left: Rows, mut right: Rows) -> Result<Rows> {
        self.check_kinds(&left, &right)?;
        self.check_windows(&left, &right)?;
        let left_expr = self.typed(&left.scope, &self.clause.left)?;
        let right_expr = self.typed(&right.scope, &self.clause.right)?;
        if left_expr.ty != right_expr.ty {
            let message = format!(
                "JOIN ON compares {} ({}) with {} ({}). Both sides must have the same type: CAST the one that is not a primary key.",
                format_expression(&self.clause.left),
                left_expr.ty,
                format_expression(&self.clause.right),
                right_expr.ty
            );
            return Err(PlanError::at(self.clause.on_span, message));
        }
        if right.is_table() && !right.is_keyed_by(&self.clause.right) {
            let message = format!(
                "A table is looked up by its primary key, but {} is not the whole primary key of {}.",
                format_expression(&self.clause.right),
                self.joined.alias
            );
            return Err(PlanError::at(self.clause.on_span, message));
        }
        for side in [&mut left, &mut right] {
            if side.is_table() {
                let store = format!(
                    "{}-{}-Reduce",
                    self.name,
                    if side.scope.columns.is_empty() { "" } else { &side.scope.columns[0].source }
                );
                rows::materialize(&mut side.step, &store);
            }
        }
        if left.is_table() && right.is_table() && !left.is_keyed_by(&self.clause.left) {
            return self.foreign_key_join(left, right, left_expr);
        }
        let key_format = self.key_format(&left, &right)?;
        let left_moves = !left.is_keyed_by(&self.clause.left) || left.key_format.format != key_format.format;
        let right_moves = !right.is_keyed_by(&self.clause.right) || right.key_format.format != key_format.format;
        self.check_partitions(&left, &right, left_moves || right_moves)?;
        let outer_left = matches!(self.clause.kind, JoinKind::Left | JoinKind::Full);
        let outer_right = matches!(self.clause.kind, JoinKind::Right | JoinKind::Full);
        let inherited = self.inherited_key_format(&left, &right)?;
        let (left_keys, value_format) = (left.keys.clone(), left.value_format.clone());
        let partitions = left.partitions.or(right.partitions);
        let left_was_keyed = left.is_keyed_by(&self.clause.left);
        let left = if left_moves { self.rekey(left, &left_expr, "left", &key_format, !outer_left)? } else { left };
        let right = if right_moves { self.rekey(right, &right_expr, "right", &key_format, !outer_right)? } else { right };
        let how = match (&self.clause.within, right.is_table()) {
            (Some(within), false) => {
                JoinHow::StreamStream { before_ms: within.before_ms, after_ms: within.after_ms, grace_ms: within.grace_ms }
            }
            (_, true) if left.is_table() => JoinHow::TableTable,
            _ => JoinHow::StreamTable,
        };
        let key_name = self.synthetic.as_deref().unwrap_or("KSQL_JOIN_KEY");
        let mut columns = vec![StepColumn { name: key_name.into(), ty: left_expr.ty.clone() }];
        for column in left.step.output.columns.iter().chain(&right.step.output.columns) {
            columns.push(StepColumn { name: rows::unused_name(&columns, &column.name), ty: column.ty.clone() });
        }
        let output = StepOutput { columns, key: vec![0], is_table: left.is_table(), window: left.step.output.window };
        let keys = self.viable_keys(&left_keys, left_was_keyed);
        let mut scope = join_scopes(&left.scope, &right.scope, 1, 1 + left.step.output.columns.len());
        if let Some(name) = &self.synthetic {
            scope.computed.push(Computed { tree: column_ref(None, name), position: 0, ty: left_expr.ty });
        }
        let step = self.step(left, right, how, &key_format, output);
        Ok(Rows { step, scope, keys: vec![keys], key_format: inherited, value_format, partitions })
    }

    fn foreign_key_join(&self, left: Rows, right: Rows, foreign_key: Expr) -> Result<Rows> {
        let refuse = |message: String| Err(PlanError::at(self.clause.on_span, message));
        if self.left_names.len() > 1 {
            return refuse(format!(
                "{} is not the key of the tables joined so far, and a foreign-key join can only be the first of several joins. Make a table of the first joins and join that.",
                format_expression(&self.clause.left)
            ));
        }
        if matches!(self.clause.kind, JoinKind::Right | JoinKind::Full) {
            return refuse("A foreign-key join can be an inner or a left join only.".to_owned());
        }
        if left.step.output.window.is_some() || right.step.output.window.is_some() {
            return refuse("Windowed tables cannot be joined on a foreign key.".to_owned());
        }
        let mut columns = left.step.output.columns.clone();
        for column in &right.step.output.columns {
            columns.push(StepColumn { name: rows::unused_name(&columns, &column.name), ty: column.ty.clone() });
        }
        let output = StepOutput { columns, key: left.step.output.key.clone(), is_table: true, window: None };
        let scope = join_scopes(&left.scope, &right.scope, 0, left.step.output.columns.len());
        let (keys, key_format, value_format, partitions) =
            (left.keys.clone(), left.key_format.clone(), left.value_format.clone(), left.partitions);
        let step = self.step(left, right, JoinHow::ForeignKey { foreign_key }, &key_format, output);
        Ok(Rows { step, scope, keys, key_format, value_format, partitions })
    }

    fn step(&self, left: Rows, right: Rows, how: JoinHow, key_format: &calzone_formats::FormatSpec, output: StepOutput) -> Step {
        let formats_left = rows::internal_formats(key_format, &left.value_format);
        // Subscriptions travel under the right side's own key.
        let right_key = if matches!(how, JoinHow::ForeignKey { .. }) { right.key_format.clone() } else { key_format.clone() };
        let formats_right = rows::internal_formats(&right_key, &right.value_format);
        let join = JoinStep {
            left: left.step,
            right: right.step,
            kind: self.clause.kind,
            name: self.name.as_str().into(),
            how,
            formats_left,
            formats_right,
        };
        Step { kind: StepKind::Join(Box::new(join)), output }
    }

    fn typed(&self, scope: &Scope, tree: &ast::Expr) -> Result<Expr> {
        Typing { ctx: self.ctx, scope, clause: Clause::JoinOn }.expression(tree).map_err(|e| e.or_at(tree.span))
    }

    /// Trees that the join's key equals. An outer join of both sides has a key of its own.
    fn viable_keys(&self, left_keys: &[Vec<ast::Expr>], left_was_keyed: bool) -> Vec<ast::Expr> {
        if let Some(name) = &self.synthetic {
            return vec![column_ref(None, name)];
        }
        let mut keys =
            if left_was_keyed { left_keys.first().cloned().unwrap_or_default() } else { vec![self.clause.left.clone()] };
        keys.push(self.clause.right.clone());
        if self.clause.kind == JoinKind::Full {
            // In the middle of several joins: either side may be missing, so later joins cannot count on one of them.
            return Vec::new();
        }
        keys.retain(|k| matches!(k.kind, ExprKind::Column { .. }));
        keys
    }

    /// Sends one side through a topic that is partitioned by the join key.
    fn rekey(
        &self,
        side: Rows,
        key: &Expr,
        which: &str,
        format: &calzone_formats::FormatSpec,
        drop_null_key: bool,
    ) -> Result<Rows> {
        if side.step.output.window.is_some() {
            let message = format!(
                "The windowed {} would have to be repartitioned for this join, which is not possible. Join windowed sources on their keys, with equal windows and key formats.",
                if which == "left" { &self.left_names[0].alias } else { &self.joined.alias }
            );
            return Err(PlanError::at(self.clause.span, message));
        }
        let mut columns = rows::pass_through(&side.step.output);
        let mut output = side.step.output.clone();
        let at = match key.kind {
            crate::expression::ExprKind::Column(at) => at,
            _ => {
                output.columns.push(StepColumn { name: rows::unused_name(&output.columns, "KSQL_JOIN_KEY"), ty: key.ty.clone() });
                columns.push(key.clone());
                columns.len() - 1
            }
        };
        output.key = vec![at];
        let formats = rows::internal_formats(format, &side.value_format);
        let selected = Step { kind: StepKind::SelectKey { input: Box::new(side.step), columns }, output: output.clone() };
        let name = format!("{}-{which}", self.name).into();
        let kind = StepKind::Repartition { input: Box::new(selected), name, formats, drop_null_key };
        Ok(Rows { step: Step { kind, output }, ..side })
    }

    fn check_kinds(&self, left: &Rows, right: &Rows) -> Result<()> {
        let refuse = |message: String| Err(PlanError::at(self.clause.span, message));
        let joined = &self.joined.alias;
        for name in self.left_names.iter().chain([self.joined]) {
            if name.source.value_format.format == calzone_formats::Format::Kafka {
                let message = format!(
                    "{} has the value format KAFKA, which cannot be joined. Convert it with CREATE STREAM … WITH (VALUE_FORMAT='JSON') AS SELECT first.",
                    name.alias
                );
                return refuse(message);
            }
        }
        match (left.is_table(), right.is_table(), &self.clause.within) {
            (false, false, None) => refuse(format!(
                "The join with stream {joined} needs WITHIN, which says how far apart in time two rows may be, such as WITHIN 1 HOUR."
            )),
            (false, true, Some(_)) => refuse(format!("WITHIN is for joins of two streams; {joined} is a table. Leave it out.")),
            (true, true, Some(_)) => refuse("WITHIN is for joins of two streams, not of tables. Leave it out.".to_owned()),
            (true, false, _) => refuse(format!("A stream must stand to the left of a table. Put stream {joined} first.")),
            (false, true, None) if matches!(self.clause.kind, JoinKind::Full | JoinKind::Right) => refuse(format!(
                "A stream can be joined with table {joined} by an inner or a left join only, because only rows of the stream make results."
            )),
            _ => Ok(()),
        }
    }

    fn check_windows(&self, left: &Rows, right: &Rows) -> Result<()> {
        let refuse = |message: String| Err(PlanError::at(self.clause.span, message));
        match (left.step.output.window, right.step.output.window) {
            (None, None) => Ok(()),
            (Some(_), None) | (None, Some(_)) => {
                refuse("A windowed source can only be joined with another windowed source.".to_owned())
            }
            (Some(l), Some(r)) if (l.kind == WindowType::Session) != (r.kind == WindowType::Session) => refuse(
                "Session windows can only be joined with session windows, tumbling and hopping windows only with one another."
                    .to_owned(),
            ),
            (Some(l), Some(r)) if l != r && !left.key_format.format.needs_schema_registry() => {
                refuse("Windowed sources can only be joined if their windows have the same type and size.".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The key format in which both sides meet: a table's cannot be changed, otherwise the left one's wins.
    fn key_format(&self, left: &Rows, right: &Rows) -> Result<calzone_formats::FormatSpec> {
        if right.is_table() && !left.is_table() {
            return Ok(right.key_format.clone());
        }
        self.inherited_key_format(left, right)
    }

    fn inherited_key_format(&self, left: &Rows, right: &Rows) -> Result<calzone_formats::FormatSpec> {
        let preferred = if left.key_format.format == calzone_formats::Format::None { right } else { left };
        Ok(rows::usable_key_format(&preferred.key_format, default_key_format(self.ctx)?))
    }

    fn check_partitions(&self, left: &Rows, right: &Rows, one_moves: bool) -> Result<()> {
        match (left.partitions, right.partitions) {
            (Some(l), Some(r)) if l != r && !one_moves => {
                let message = format!(
                    "{} has {l} partitions and {} has {r}, so rows with the same key do not meet. Copy one of them with CREATE … WITH (PARTITIONS={l}) AS SELECT first.",
                    self.left_names.last().map_or("the left side", |s| &s.alias),
                    self.joined.alias
                );
                Err(PlanError::at(self.clause.span, message))
            }
            _ => Ok(()),
        }
    }
}

/// Names of both sides, the left ones `left_by` and the right ones `right_by` positions further right.
fn join_scopes(left: &Scope, right: &Scope, left_by: usize, right_by: usize) -> Scope {
    let mut scope = left.shifted(left_by);
    let right = right.shifted(right_by);
    scope.columns.extend(right.columns);
    scope.computed.extend(right.computed);
    scope
}
