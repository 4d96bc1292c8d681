//! What a pull query's WHERE says about keys and windows, so that rows are looked up rather than all read.

use crate::expression::{Expr, ExprKind};
use crate::walk::visit;
use calzone_sql::ast::CompareOp;

/// Alternatives (`OR`) that are looked at one by one; beyond, all rows are read and filtered.
const DISJUNCTS_MAX: usize = 64;

/// Keys looked up one by one; beyond, all rows are read and filtered.
const KEYS_MAX: usize = 4096;

/// Which keys can pass the filter. Every expression is constant and has its key column's type.
#[derive(Clone, Debug)]
pub enum KeyBounds {
    /// No bound: all rows are read.
    All,
    /// These keys, each with all its columns; the same key may occur twice.
    Keys(Vec<Vec<Expr>>),
    /// Keys of a single column in a range.
    Range(Range),
}

/// A range that is open where it has no bound.
#[derive(Clone, Debug, Default)]
pub struct Range {
    pub lower: Option<Bound>,
    pub upper: Option<Bound>,
}

/// One end of a range.
#[derive(Clone, Debug)]
pub struct Bound {
    pub value: Expr,
    pub inclusive: bool,
}

impl Range {
    /// No bound at either end?
    pub fn is_open(&self) -> bool {
        self.lower.is_none() && self.upper.is_none()
    }
}

/// One alternative of a filter, and what it says.
pub(crate) struct Disjunct<'a> {
    /// For each key column the values it may have; None: not said.
    pub keys: Vec<Option<Vec<Expr>>>,
    /// Range of the first key column.
    pub range: Range,
    pub atoms: Vec<&'a Expr>,
}

/// The alternatives of a filter; None if there are too many.
pub(crate) fn disjuncts<'a>(filter: &'a Expr, keys: &[usize]) -> Option<Vec<Disjunct<'a>>> {
    let alternatives = normal_form(filter)?;
    Some(alternatives.into_iter().map(|atoms| disjunct(atoms, keys)).collect())
}

/// The bounds that all alternatives together make.
pub(crate) fn key_bounds(disjuncts: &[Disjunct], keys: &[usize]) -> KeyBounds {
    let mut found: Vec<Vec<Expr>> = Vec::new();
    for disjunct in disjuncts {
        let Some(values) = disjunct.keys.iter().cloned().collect::<Option<Vec<Vec<Expr>>>>() else {
            return match disjuncts {
                [only] if keys.len() == 1 && !only.range.is_open() => KeyBounds::Range(only.range.clone()),
                _ => KeyBounds::All,
            };
        };
        let mut tuples: Vec<Vec<Expr>> = vec![Vec::new()];
        for column in values {
            tuples = tuples
                .iter()
                .flat_map(|t| column.iter().map(move |v| [t.as_slice(), std::slice::from_ref(v)].concat()))
                .collect();
        }
        found.extend(tuples);
        if found.len() > KEYS_MAX {
            return KeyBounds::All;
        }
    }
    if disjuncts.is_empty() || keys.is_empty() { KeyBounds::All } else { KeyBounds::Keys(found) }
}

/// Bounds of a window's start or end, if there is just one alternative.
pub(crate) fn window_range(disjuncts: &[Disjunct], is_bound: fn(&ExprKind) -> bool) -> Range {
    match disjuncts {
        [only] => range_of(&only.atoms, &|e| is_bound(&e.kind)),
        _ => Range::default(),
    }
}

fn disjunct<'a>(atoms: Vec<&'a Expr>, keys: &[usize]) -> Disjunct<'a> {
    let is_key = |e: &Expr, key: usize| matches!(e.kind, ExprKind::Column(at) if at == key);
    let values = |key: usize| {
        atoms.iter().find_map(|atom| match &atom.kind {
            ExprKind::Compare { op: CompareOp::Equal, left, right } if is_key(left, key) && is_constant(right) => {
                Some(vec![(**right).clone()])
            }
            ExprKind::Compare { op: CompareOp::Equal, left, right } if is_key(right, key) && is_constant(left) => {
                Some(vec![(**left).clone()])
            }
            ExprKind::In { operand, list } if is_key(operand, key) && list.iter().all(is_constant) => Some(list.clone()),
            _ => None,
        })
    };
    let first = keys.first().copied();
    Disjunct {
        keys: keys.iter().map(|&key| values(key)).collect(),
        range: range_of(&atoms, &|e| first.is_some_and(|key| is_key(e, key))),
        atoms,
    }
}

/// The range that comparisons of one value with constants make. Of several bounds at one end the first is kept: the filter
/// is applied to what is read in any case.
fn range_of(atoms: &[&Expr], is_it: &dyn Fn(&Expr) -> bool) -> Range {
    let mut range = Range::default();
    for atom in atoms {
        let ExprKind::Compare { op, left, right } = &atom.kind else { continue };
        let (op, value) = if is_it(left) && is_constant(right) {
            (*op, right)
        } else if is_it(right) && is_constant(left) {
            (turned(*op), left)
        } else {
            continue;
        };
        let bound = |inclusive| Bound { value: (**value).clone(), inclusive };
        match op {
            CompareOp::Less => range.upper = range.upper.or(Some(bound(false))),
            CompareOp::LessOrEqual => range.upper = range.upper.or(Some(bound(true))),
            CompareOp::Greater => range.lower = range.lower.or(Some(bound(false))),
            CompareOp::GreaterOrEqual => range.lower = range.lower.or(Some(bound(true))),
            CompareOp::Equal => {
                range.lower = range.lower.or(Some(bound(true)));
                range.upper = range.upper.or(Some(bound(true)));
            }
            CompareOp::NotEqual | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => {}
        }
    }
    range
}

/// The operator with its sides exchanged.
fn turned(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Less => CompareOp::Greater,
        CompareOp::LessOrEqual => CompareOp::GreaterOrEqual,
        CompareOp::Greater => CompareOp::Less,
        CompareOp::GreaterOrEqual => CompareOp::LessOrEqual,
        same => same,
    }
}

/// Does the expression need no row?
pub(crate) fn is_constant(expr: &Expr) -> bool {
    let mut constant = true;
    visit(expr, &mut |e| {
        if matches!(e.kind, ExprKind::Column(_) | ExprKind::WindowStart | ExprKind::WindowEnd | ExprKind::Rowtime) {
            constant = false;
        }
    });
    constant
}

/// The filter as alternatives of conditions that must all hold.
fn normal_form(expr: &Expr) -> Option<Vec<Vec<&Expr>>> {
    match &expr.kind {
        ExprKind::Or(a, b) => {
            let mut all = normal_form(a)?;
            all.extend(normal_form(b)?);
            (all.len() <= DISJUNCTS_MAX).then_some(all)
        }
        ExprKind::And(a, b) => {
            let (left, right) = (normal_form(a)?, normal_form(b)?);
            if left.len() * right.len() > DISJUNCTS_MAX {
                return None;
            }
            Some(left.iter().flat_map(|l| right.iter().map(move |r| [l.as_slice(), r].concat())).collect())
        }
        _ => Some(vec![vec![expr]]),
    }
}
