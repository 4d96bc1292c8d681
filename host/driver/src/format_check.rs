//! What the parser reads, printed, must read the same: checked on every statement of every case.

use std::collections::BTreeMap;

use calzone_sql::ast::Statement;
use calzone_sql::{format_statement, parse};

use crate::case::Case;
use crate::outcome::Failure;

/// Prints each statement of a case and reads it again. Text that is no statement is left to the case itself.
pub fn check(case: &Case) -> Result<(), Failure> {
    let mut variables = BTreeMap::new();
    check_script(&case.statements.join("\n"), &mut variables)?;
    for step in &case.steps {
        check_script(&step.sql, &mut variables)?;
        check_script(step.script.as_deref().unwrap_or_default(), &mut variables)?;
    }
    Ok(())
}

fn check_script(script: &str, variables: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let Ok(statements) = parse(script, variables) else { return Ok(()) };
    for parsed in statements {
        match &parsed.statement {
            Statement::Define { variable, value } => drop(variables.insert(variable.clone(), value.clone())),
            Statement::Undefine { variable } => drop(variables.remove(variable)),
            _ => {}
        }
        let printed = format_statement(&parsed.statement);
        let fail = |what: &str| Failure::new("format", format!("{what}\nread: {}\nprinted: {printed}", parsed.text));
        // What a variable stood for is in the tree by now; a `${` in a printed text is only text.
        let again = calzone_sql::parse_statement(&printed).map_err(|error| fail(&error.to_string()))?;
        if again.statement != parsed.statement {
            return Err(fail("the printed statement reads differently"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_checked_with_their_variables() {
        let case: Case = serde_json::from_str(
            r#"{"id": "x", "suite": "sql", "steps": [{"sql": "DEFINE t = 'a';"}, {"sql": "DROP STREAM ${t};"}, {"sql": "nonsense"}]}"#,
        )
        .expect("a case");
        assert!(check(&case).is_ok());
    }
}
