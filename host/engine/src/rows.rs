//! Statements that answer with rows: SELECT and PRINT.

use calzone_sql::ast::Statement;

use crate::engine::Engine;
use crate::print::PrintStream;
use crate::pull::PullRows;
use crate::push::RowStream;
use crate::submit::parse_error;
use crate::{Session, StatementError};

/// The answer to a SELECT or PRINT.
pub enum Rows {
    /// A push query, or a pull query over a stream.
    Stream(RowStream),
    /// A pull query over a table: all its rows.
    Pull(PullRows),
    Print(PrintStream),
}

impl Engine {
    /// Starts the one SELECT or PRINT that `text` holds; SET and DEFINE may stand before it.
    pub fn query(&self, text: &str, session: &Session) -> Result<Rows, StatementError> {
        if self.is_stopping() {
            return Err(StatementError::new(crate::ErrorKind::Unavailable, "the server is stopping"));
        }
        if let Some(offset) = session.after_sequence_number
            && offset >= 0
        {
            self.await_applied(offset)?;
        }
        let mut statements = calzone_sql::parse(text, self.variables(session)).map_err(|e| parse_error(&e))?;
        if statements.len() != 1 {
            return Err(StatementError::bad_statement(
                format!("Expected exactly one SELECT or PRINT statement; found {} statements.", statements.len()),
                text,
            ));
        }
        let parsed = statements.remove(0);
        match &parsed.statement {
            Statement::Print(print) => self.print(print).map(Rows::Print).map_err(|e| e.in_statement(&parsed.text)),
            Statement::Query(query) if query.emit.is_some() => {
                self.start_rows(query, &parsed.text, session, false).map(Rows::Stream)
            }
            Statement::Query(query) => {
                if self.is_stream(query) {
                    return self.start_rows(query, &parsed.text, session, true).map(Rows::Stream);
                }
                self.pull(query, &parsed.text, session).map(Rows::Pull)
            }
            _ => Err(StatementError::bad_statement(
                "Only SELECT and PRINT answer with rows: send other statements to /ksql.",
                &parsed.text,
            )),
        }
    }

    /// Ends a push query; false if there is none of that id.
    pub fn close_query(&self, id: &str) -> bool {
        self.push_queries.close(id)
    }

    fn is_stream(&self, query: &calzone_sql::ast::Query) -> bool {
        let calzone_sql::ast::Relation::Source { name, .. } = &query.from else { return false };
        self.catalog().sources.get(&name.node).is_some_and(|s| s.kind == calzone_plan::SourceKind::Stream)
    }
}
