//! Rows of queries, in columns of equal width.

use serde_json::Value;

/// Narrowest column when the screen is divided.
const WIDTH_MIN: usize = 5;

pub struct Grid {
    names: Vec<String>,
    width: usize,
    wrap: bool,
}

impl Grid {
    /// `schema` as in a query's header; a column width of 0 divides the screen.
    pub fn new(schema: &str, screen_width: usize, column_width: usize, wrap: bool) -> Grid {
        let names = column_names(schema);
        let width =
            if column_width > 0 { column_width } else { (screen_width / names.len().max(1)).saturating_sub(2).max(WIDTH_MIN) };
        Grid { names, width, wrap }
    }

    pub fn header(&self) -> String {
        let ruler = format!("+{}\n", format!("{}+", "-".repeat(self.width)).repeat(self.names.len()));
        format!("{ruler}{}{ruler}", self.lines(&self.names))
    }

    /// A row as the envelope of /query has it.
    pub fn row(&self, row: &Value) -> String {
        if row["tombstone"] == true {
            let mut cells: Vec<String> = self.cells(row);
            for (cell, value) in cells.iter_mut().zip(row["columns"].as_array().into_iter().flatten()) {
                if value.is_null() {
                    *cell = "<TOMBSTONE>".to_owned();
                }
            }
            return self.lines(&cells);
        }
        self.lines(&self.cells(row))
    }

    fn cells(&self, row: &Value) -> Vec<String> {
        row["columns"].as_array().into_iter().flatten().map(cell_text).collect()
    }

    fn lines(&self, cells: &[String]) -> String {
        let parts: Vec<Vec<String>> = cells.iter().map(|c| self.parts(c)).collect();
        let height = parts.iter().map(Vec::len).max().unwrap_or(1);
        let mut out = String::new();
        for at in 0..height {
            out.push('|');
            for cell in &parts {
                let part = cell.get(at).map_or("", String::as_str);
                out.push_str(&format!("{part:<width$}|", width = self.width));
            }
            out.push('\n');
        }
        out
    }

    /// A cell's lines: all of it, or one that ends in dots where it does not fit.
    fn parts(&self, cell: &str) -> Vec<String> {
        let chars: Vec<char> = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if chars.len() <= self.width {
            return vec![chars.into_iter().collect()];
        }
        if self.wrap {
            return chars.chunks(self.width).map(|part| part.iter().collect()).collect();
        }
        let kept: String = chars.iter().take(self.width.saturating_sub(3)).collect();
        vec![format!("{kept}...")]
    }
}

/// A value as a person reads it: nested ones as `{NAME=value}`.
pub fn cell_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(cell_text).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", cell_text(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// The names of `` `A` STRING KEY, `B` STRUCT<`C` INTEGER> ``: those that stand in no type.
fn column_names(schema: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut at_start) = (0, true);
    let mut chars = schema.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '`' => {
                let mut name = String::new();
                while let Some(c) = chars.next() {
                    if c == '`' && chars.next_if_eq(&'`').is_none() {
                        break;
                    }
                    name.push(c);
                }
                if depth == 0 && at_start {
                    names.push(name);
                    at_start = false;
                }
            }
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_found_outside_of_types() {
        for (schema, names) in [
            ("`A` STRING KEY, `B` STRUCT<`C` INTEGER, `D` STRING>, `E` DECIMAL(4, 2)", vec!["A", "B", "E"]),
            ("`a``b` STRING", vec!["a`b"]),
            ("", vec![]),
        ] {
            assert_eq!(column_names(schema), names);
        }
    }

    #[test]
    fn long_cells_wrap_or_are_cut() {
        let row = json!({ "columns": [3, "a rather long user name", null] });
        let schema = "`ID` BIGINT, `USR` STRING, `PRICE` DOUBLE";
        assert_eq!(
            Grid::new(schema, 120, 12, true).row(&row),
            "|3           |a rather lon|null        |\n|            |g user name |            |\n"
        );
        assert_eq!(Grid::new(schema, 120, 12, false).row(&row), "|3           |a rather ...|null        |\n");
        let header = Grid::new(schema, 120, 0, true).header();
        assert_eq!(header.lines().next().map(str::len), Some(118));
    }

    #[test]
    fn deleted_rows_say_so() {
        let row = json!({ "columns": ["k", null], "tombstone": true });
        assert_eq!(Grid::new("`K` STRING, `V` INTEGER", 30, 0, true).row(&row), "|k            |<TOMBSTONE>  |\n");
    }

    #[test]
    fn nested_values_have_names() {
        assert_eq!(cell_text(&json!({ "CITY": "x", "NOS": [1, null] })), "{CITY=x, NOS=[1, null]}");
    }
}
