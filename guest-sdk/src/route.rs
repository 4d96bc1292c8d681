//! Stages that only say where a row goes: what `#[stage(into = [...])]` makes.

use std::fmt::Display;

use crate::bindings::stage::exports::calzone::plugin::stages as wit;
use crate::bindings::types::RowError;

/// What such a stage's function returns: the number of an output, counted from 0 in the order of `into`. None leaves the
/// row out, an error makes it fail.
pub trait Route {
    fn route(self) -> Result<Option<usize>, String>;
}

impl Route for usize {
    fn route(self) -> Result<Option<usize>, String> {
        Ok(Some(self))
    }
}

impl Route for Option<usize> {
    fn route(self) -> Result<Option<usize>, String> {
        Ok(self)
    }
}

impl<R: Route, E: Display> Route for Result<R, E> {
    fn route(self) -> Result<Option<usize>, String> {
        self.map_err(|e| e.to_string()).and_then(Route::route)
    }
}

/// Collects where the rows of a batch go.
pub struct Routes {
    /// Per output, the rows that go there: 4 bytes each.
    source_rows: Vec<Vec<u8>>,
    errors: Vec<RowError>,
}

impl Routes {
    pub fn new(outputs: usize) -> Routes {
        Routes { source_rows: vec![Vec::new(); outputs], errors: Vec::new() }
    }

    pub fn push(&mut self, row: usize, result: impl Route) {
        match result.route() {
            Ok(None) => {}
            Ok(Some(output)) if output < self.source_rows.len() => {
                self.source_rows[output].extend_from_slice(&(row as u32).to_le_bytes());
            }
            Ok(Some(output)) => {
                let last = self.source_rows.len() - 1;
                self.fail(row, format!("there is no output {output}: they are 0 to {last}"));
            }
            Err(message) => self.fail(row, message),
        }
    }

    /// A row that must not be left out only because a column is null.
    pub fn push_null(&mut self, row: usize) {
        self.fail(row, "a column is null; take an Option where nulls have a way too".to_owned());
    }

    fn fail(&mut self, row: usize, message: String) {
        self.errors.push(RowError { row: row as u32, message });
    }

    pub fn finish(self) -> wit::Answer {
        let rows = |source_rows| wit::Rows { source_rows, columns: Vec::new(), timestamps: None, headers: None };
        wit::Answer { outputs: self.source_rows.into_iter().map(rows).collect(), errors: self.errors }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_where_they_are_sent() {
        let mut routes = Routes::new(2);
        routes.push(0, 1);
        routes.push(1, None::<usize>);
        routes.push(2, Ok::<usize, String>(0));
        routes.push(3, Err::<usize, _>("no"));
        routes.push(4, 2);
        routes.push(5, 1);
        let answer = routes.finish();
        assert_eq!(answer.outputs[0].source_rows, [2, 0, 0, 0]);
        assert_eq!(answer.outputs[1].source_rows, [0, 0, 0, 0, 5, 0, 0, 0]);
        let failed: Vec<(u32, &str)> = answer.errors.iter().map(|e| (e.row, e.message.as_str())).collect();
        assert_eq!(failed, [(3, "no"), (4, "there is no output 2: they are 0 to 1")]);
    }
}
