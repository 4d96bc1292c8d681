//! The key of a query's result: which selected column is it.

use calzone_sql::format_expression;

use crate::error::{PlanError, Result};
use crate::names::Names;
use crate::rows::Rows;
use crate::select::Selected;

/// For each key column of the rows the selected column that it is, if one is.
pub(crate) fn find(rows: &Rows, selected: &[Selected]) -> Vec<Option<usize>> {
    let position =
        |viable: &Vec<calzone_sql::ast::Expr>| viable.iter().find_map(|tree| selected.iter().position(|s| s.tree == *tree));
    rows.keys.iter().map(position).collect()
}

/// The key columns that are selected, in the order of SELECT; the others are no part of the key any more.
pub(crate) fn in_selected_order(rows: &Rows, selected: &[Selected]) -> Vec<Option<usize>> {
    let mut chosen: Vec<usize> = find(rows, selected).into_iter().flatten().collect();
    chosen.sort_unstable();
    chosen.into_iter().map(Some).collect()
}

/// As [`find`], but every key column must be selected, and just once: a sink must have its key.
pub(crate) fn choose(rows: &Rows, selected: &[Selected], names: &Names) -> Result<Vec<Option<usize>>> {
    let chosen = find(rows, selected);
    let missing: Vec<String> = rows
        .keys
        .iter()
        .zip(&chosen)
        .filter(|(_, chosen)| chosen.is_none())
        .map(|(viable, _)| viable.iter().map(format_expression).collect::<Vec<_>>().join(" or "))
        .collect();
    if !missing.is_empty() {
        let synthetic = match &names.join_key {
            Some(key) => format!(
                " {key} is made by the join, because no column of its sources is equal to the key of every row; it may have an alias."
            ),
            None => String::new(),
        };
        return Err(PlanError::new(format!(
            "SELECT must give the key of the result, but lacks {}. Add it.{synthetic}",
            missing.join(" and ")
        )));
    }
    for index in chosen.iter().flatten() {
        let key = &selected[*index];
        let copies: Vec<&Selected> = selected.iter().filter(|s| s.tree == key.tree).collect();
        if let [_, second, ..] = copies.as_slice() {
            let message = format!(
                "SELECT gives the key column twice, as {} and {}. Write AS_VALUE({}) for a copy among the values.",
                key.name,
                second.name,
                format_expression(&second.tree)
            );
            return Err(PlanError::at(second.span, message));
        }
    }
    Ok(chosen)
}
