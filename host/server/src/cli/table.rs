//! Lists with a header, as ksqlDB's command line shows them.

/// A list. Its text starts with an empty line, as it follows a prompt.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
        Table { header: header.into_iter().map(str::to_owned).collect(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|c| c.replace('\n', " ")).collect());
    }

    /// Columns as wide as their widest cell; the last one is not filled up.
    pub fn text(&self) -> String {
        let mut widths: Vec<usize> = self.header.iter().map(|h| h.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let ruler = "-".repeat(widths.iter().map(|w| w + 3).sum::<usize>().saturating_sub(1));
        let line = |cells: &[String]| {
            let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            format!(" {}", padded.join(" | ")).trim_end().to_owned()
        };
        let mut lines = vec![String::new(), line(&self.header), ruler.clone()];
        lines.extend(self.rows.iter().map(|row| line(row)));
        lines.push(ruler);
        lines.push(String::new());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let mut table = Table::new(["Variable Name", "Value"]);
        table.row(["who".to_owned(), "ann".to_owned()]);
        assert_eq!(
            table.text(),
            "\n Variable Name | Value\n-----------------------\n who           | ann\n-----------------------\n"
        );
        assert_eq!(Table::new(["Variable Name", "Value"]).text().lines().count(), 4);
    }
}
