//! Statements as they are shown back to clients and kept with what they made.

use calzone_plan::PlanContext;
use calzone_sql::ast::{InsertValues, Parsed};

/// The normal form of a statement that has one, else what was typed.
pub fn shown(context: &PlanContext<'_>, parsed: &Parsed) -> String {
    calzone_plan::normalize(context, &parsed.statement).unwrap_or_else(|| parsed.text.clone())
}

/// An INSERT VALUES without its values: errors are logged by clients, and rows may hold secrets.
pub fn masked(insert: &InsertValues) -> String {
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    let columns: Vec<String> = insert.columns.iter().map(|c| quoted(&c.node)).collect();
    let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    let values = vec!["'[value]'"; insert.values.len()].join(", ");
    format!("INSERT INTO {}{columns} VALUES ({values});", quoted(&insert.name.node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use calzone_sql::ast::Statement;

    #[test]
    fn values_are_not_shown() {
        for (text, expected) in [
            ("insert into s (a, `b``c`) values (1, 'secret');", "INSERT INTO `S` (`A`, `b``c`) VALUES ('[value]', '[value]');"),
            ("INSERT INTO s VALUES (1);", "INSERT INTO `S` VALUES ('[value]');"),
        ] {
            let parsed = calzone_sql::parse(text, &Default::default()).unwrap();
            let Statement::InsertValues(insert) = &parsed[0].statement else { panic!("{text}") };
            assert_eq!(masked(insert), expected);
        }
    }
}
