//! The parser: nothing panics, and what is read prints as something that reads the same.

use std::collections::BTreeMap;

use calzone_sql::{format_statement, parse, split_statements};

use super::corpus::{mutate, statements};
use super::random::Random;
use super::sql_text::Author;
use super::{Input, Target};

/// Scripts.
pub struct Statements;

impl Target for Statements {
    fn name(&self) -> &'static str {
        "parser"
    }

    fn generate(&self, random: &mut Random) -> Input {
        let corpus = statements();
        let text = match random.below(4) {
            0 => {
                let query = Author::new(random).query();
                if random.once_in(2) { mutate(random, &query, &corpus) } else { query }
            }
            _ => {
                let first = random.pick(&corpus);
                mutate(random, first, &corpus)
            }
        };
        vec![text.into_bytes()]
    }

    fn check(&self, input: &Input) -> Result<bool, String> {
        let text = String::from_utf8_lossy(&input[0]);
        let pieces = split_statements(&text).count();
        let script = match parse(&text, &BTreeMap::new()) {
            Ok(script) => script,
            Err(error) => {
                return if error.to_string().is_empty() { Err("an error without a word".into()) } else { Ok(false) };
            }
        };
        if script.len() != pieces {
            return Err(format!("cut differently: {} statements in {pieces} pieces", script.len()));
        }
        for parsed in script {
            let printed = format_statement(&parsed.statement);
            let again = parse(&printed, &BTreeMap::new()).map_err(|error| format!("printed text is refused: {error}"))?;
            if again.len() != 1 || again[0].statement != parsed.statement {
                return Err(format!("printed text reads differently: {printed}"));
            }
            let twice = format_statement(&again[0].statement);
            if twice != printed {
                return Err(format!("printed twice differently: {printed}\n{twice}"));
            }
        }
        Ok(true)
    }
}
