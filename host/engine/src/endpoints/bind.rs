//! Values for the question marks of a query: each becomes one literal, whatever is in it.

use calzone_sandbox::Parameter;
use calzone_sql::quote_text;

/// The statement with its question marks replaced by values. Those in quotes and comments are none.
pub fn bind(sql: &str, parameters: &[Parameter]) -> Result<String, String> {
    let mut out = String::with_capacity(sql.len() + 16 * parameters.len());
    let mut left = parameters.iter();
    let mut marks = 0;
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\'' | '"' | '`' => quoted_bytes(rest, c),
            '-' if rest.starts_with("--") => rest.find('\n').map_or(rest.len(), |end| end + 1),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '?' => {
                marks += 1;
                if let Some(value) = left.next() {
                    out.push_str(&literal(value)?);
                }
                rest = &rest[1..];
                continue;
            }
            c => c.len_utf8(),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    if marks == parameters.len() {
        return Ok(out);
    }
    Err(format!("the query has {marks} question marks, but {} parameters were given", parameters.len()))
}

/// Bytes up to and with the closing quote. A doubled one reads as the start of another quoted text, which comes to the same.
fn quoted_bytes(rest: &str, quote: char) -> usize {
    rest[1..].find(quote).map_or(rest.len(), |end| end + 2)
}

fn literal(value: &Parameter) -> Result<String, String> {
    Ok(match value {
        Parameter::Null => "NULL".to_owned(),
        Parameter::Boolean(value) => value.to_string(),
        // The number below zero that has no positive counterpart cannot be written as minus and a number.
        Parameter::Bigint(i64::MIN) => "(-9223372036854775807 - 1)".to_owned(),
        Parameter::Bigint(value) => value.to_string(),
        Parameter::Double(value) if value.is_finite() => format!("{value:E}"),
        Parameter::Double(value) => return Err(format!("{value} cannot be a parameter")),
        // A dollar sign that would make the next one stand for itself is doubled for the same reason.
        Parameter::Text(text) => quote_text(&text.replace("$${", "$$${")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use calzone_sql::ast::{ExprKind, Statement};
    use calzone_types::Value;

    fn text(value: &str) -> Parameter {
        Parameter::Text(value.to_owned())
    }

    #[test]
    fn only_bare_question_marks_are_replaced() {
        for (sql, wanted) in [
            ("SELECT ? FROM t;", "SELECT 'x' FROM t;"),
            ("a = '?' AND b = ?", "a = '?' AND b = 'x'"),
            ("`?``?` = ? -- ?\n", "`?``?` = 'x' -- ?\n"),
            ("/* ? */ ?", "/* ? */ 'x'"),
        ] {
            assert_eq!(bind(sql, &[text("x")]).as_deref(), Ok(wanted));
        }
        assert!(bind("a = ?", &[]).unwrap_err().contains("1 question mark"));
        assert!(bind("a = '?'", &[text("x")]).unwrap_err().contains("0 question marks"));
        assert!(bind("?", &[Parameter::Double(f64::NAN)]).is_err());
    }

    /// What is bound is one value and the same, whatever is in it.
    #[test]
    fn no_text_becomes_a_part_of_the_statement() {
        for value in
            ["", "it's", "' OR '1' = '1", "a -- b", "/* */", "\\", "\\'", "${x}", "$${x}", "$$${x}", "?", "x\ny", "ü\u{0}"]
        {
            let bound = bind("SELECT * FROM t WHERE a = ?;", &[text(value)]).unwrap();
            let parsed = calzone_sql::parse(&bound, &Default::default()).unwrap_or_else(|e| panic!("{bound}: {e}"));
            let [one] = parsed.as_slice() else { panic!("{bound}: {} statements", parsed.len()) };
            let Statement::Query(query) = &one.statement else { panic!("{bound}") };
            let Some(ExprKind::Compare { right, .. }) = query.filter.as_ref().map(|f| &f.kind) else { panic!("{bound}") };
            assert!(matches!(&right.kind, ExprKind::Literal(Value::Varchar(found)) if found == value), "{bound}");
        }
    }
}
