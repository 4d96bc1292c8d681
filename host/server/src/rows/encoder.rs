//! The three forms that rows have on the wire.

use arrow_array::ArrayRef;
use bytes::Bytes;
use calzone_engine::{PullRows, QueryEnd};
use calzone_formats::json::{write_api_cell, write_string};
use calzone_types::{Batch, Schema};
use serde_json::json;

use crate::error::generic_error;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// A line with names and types, then a line a row.
    Delimited,
    /// The same as elements of one JSON array.
    JsonArray,
    /// A JSON array of objects: `header`, `row`, `finalMessage`, `errorMessage`.
    Envelope,
}

impl RowFormat {
    pub fn content_type(self) -> &'static str {
        match self {
            RowFormat::Delimited => "application/vnd.ksqlapi.delimited.v1",
            RowFormat::JsonArray => "application/json",
            RowFormat::Envelope => "application/vnd.ksql.v1+json",
        }
    }
}

/// Writes the rows of one query.
pub struct Encoder {
    format: RowFormat,
    id: String,
    schema: Schema,
}

impl Encoder {
    pub fn new(format: RowFormat, id: String, schema: Schema) -> Encoder {
        Encoder { format, id, schema }
    }

    /// What comes before the first row.
    pub fn header(&self) -> Bytes {
        let text = match self.format {
            RowFormat::Envelope => {
                let header = json!({ "header": { "queryId": self.id, "schema": self.schema.to_string() } });
                format!("[{header},\n")
            }
            RowFormat::Delimited => format!("{}\n", self.names_and_types()),
            RowFormat::JsonArray => format!("[{}", self.names_and_types()),
        };
        Bytes::from(text)
    }

    fn names_and_types(&self) -> String {
        let names: Vec<&str> = self.schema.columns.iter().map(|c| &*c.name).collect();
        let types: Vec<String> = self.schema.columns.iter().map(|c| c.ty.to_string()).collect();
        json!({ "queryId": self.id, "columnNames": names, "columnTypes": types }).to_string()
    }

    /// Each row of a batch, whose columns at `positions` are those of the schema. Deleted rows show in the envelope only.
    pub fn rows(&self, batch: &Batch, positions: &[usize], out: &mut impl Extend<Bytes>) {
        let columns: Vec<&ArrayRef> = positions.iter().map(|p| &batch.new.columns[*p]).collect();
        // One allocation for the whole batch; the pieces share it.
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let live = batch.new.is_live(row);
            if live || self.format == RowFormat::Envelope {
                self.row(&columns, row, live, &mut bytes);
                ends.push(bytes.len());
            }
        }
        let bytes = Bytes::from(bytes);
        let mut start = 0;
        out.extend(ends.into_iter().map(|end| {
            let piece = bytes.slice(start..end);
            start = end;
            piece
        }));
    }

    fn row(&self, columns: &[&ArrayRef], row: usize, live: bool, out: &mut Vec<u8>) {
        match self.format {
            RowFormat::Delimited => {
                self.cells(columns, row, out);
                out.push(b'\n');
            }
            RowFormat::JsonArray => {
                out.push(b',');
                self.cells(columns, row, out);
            }
            RowFormat::Envelope => {
                self.object(columns, row, live, out);
                out.extend_from_slice(b",\n");
            }
        }
    }

    fn object(&self, columns: &[&ArrayRef], row: usize, live: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"row":{"columns":"#);
        self.cells(columns, row, out);
        out.extend_from_slice(if live { b"}}" } else { br#","tombstone":true}}"# });
    }

    fn cells(&self, columns: &[&ArrayRef], row: usize, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, (array, column)) in columns.iter().zip(self.schema.columns.iter()).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_api_cell(array.as_ref(), &column.ty, row, out);
        }
        out.push(b']');
    }

    /// What comes after the last row.
    pub fn end(&self, end: &QueryEnd) -> Vec<Bytes> {
        let message = match end {
            QueryEnd::LimitReached => "Limit Reached",
            QueryEnd::Complete | QueryEnd::Closed => "Query Completed",
            QueryEnd::Failed(message) => {
                let error = generic_error(50000, message);
                return match self.format {
                    RowFormat::Delimited => vec![Bytes::from(format!("{error}\n"))],
                    RowFormat::JsonArray => vec![Bytes::from(format!(",{error}")), Bytes::from_static(b"]")],
                    RowFormat::Envelope => {
                        vec![Bytes::from(json!({ "errorMessage": error }).to_string()), Bytes::from_static(b"]")]
                    }
                };
            }
        };
        match self.format {
            RowFormat::Delimited => Vec::new(),
            RowFormat::JsonArray => vec![Bytes::from_static(b"]")],
            RowFormat::Envelope => {
                let mut text = br#"{"finalMessage":"#.to_vec();
                write_string(message, &mut text);
                text.push(b'}');
                vec![Bytes::from(text), Bytes::from_static(b"]")]
            }
        }
    }

    /// A whole answer whose rows are all there. The envelope is one piece then, and says nothing at its end.
    pub fn all(&self, rows: &PullRows) -> Vec<Bytes> {
        let columns: Vec<&ArrayRef> = rows.columns.iter().collect();
        if self.format == RowFormat::Envelope {
            let header = json!({ "header": { "queryId": self.id, "schema": self.schema.to_string() } });
            let mut bytes = format!("[{header}").into_bytes();
            for row in 0..rows.rows {
                bytes.extend_from_slice(b",\n");
                self.object(&columns, row, true, &mut bytes);
            }
            bytes.push(b']');
            return vec![Bytes::from(bytes)];
        }
        let mut pieces = vec![self.header()];
        let mut bytes = Vec::new();
        for row in 0..rows.rows {
            bytes.clear();
            self.row(&columns, row, true, &mut bytes);
            pieces.push(Bytes::copy_from_slice(&bytes));
        }
        if self.format == RowFormat::JsonArray {
            pieces.push(Bytes::from_static(b"]"));
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, StringArray};
    use calzone_types::{Column, Origin, Side, SqlType};
    use std::sync::Arc;

    fn schema() -> Schema {
        Schema::new([Column::key("K", SqlType::Varchar), Column::value("V", SqlType::Double)])
    }

    fn columns() -> Vec<ArrayRef> {
        let key: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let value: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.5), None]));
        vec![key, value]
    }

    /// The second row is deleted; the columns are the other way round.
    fn batch() -> Batch {
        let mut columns = columns();
        columns.reverse();
        Batch {
            new: Side { columns, live: Some(vec![true, false].into()) },
            old: None,
            timestamps: vec![0, 0].into(),
            windows: None,
            origin: Origin { topic: "t".into(), partition: 0, offsets: vec![0, 1].into() },
            headers: None,
        }
    }

    fn texts(pieces: Vec<Bytes>) -> Vec<String> {
        pieces.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect()
    }

    fn stream(format: RowFormat, end: QueryEnd) -> Vec<String> {
        let encoder = Encoder::new(format, "q1".into(), schema());
        let mut pieces = vec![encoder.header()];
        encoder.rows(&batch(), &[1, 0], &mut pieces);
        pieces.extend(encoder.end(&end));
        texts(pieces)
    }

    #[test]
    fn rows_as_they_come() {
        assert_eq!(
            stream(RowFormat::Delimited, QueryEnd::LimitReached),
            ["{\"queryId\":\"q1\",\"columnNames\":[\"K\",\"V\"],\"columnTypes\":[\"STRING\",\"DOUBLE\"]}\n", "[\"a\",1.5]\n"]
        );
        assert_eq!(
            stream(RowFormat::JsonArray, QueryEnd::Complete),
            ["[{\"queryId\":\"q1\",\"columnNames\":[\"K\",\"V\"],\"columnTypes\":[\"STRING\",\"DOUBLE\"]}", ",[\"a\",1.5]", "]"]
        );
        assert_eq!(
            stream(RowFormat::Envelope, QueryEnd::LimitReached),
            [
                "[{\"header\":{\"queryId\":\"q1\",\"schema\":\"`K` STRING KEY, `V` DOUBLE\"}},\n",
                "{\"row\":{\"columns\":[\"a\",1.5]}},\n",
                "{\"row\":{\"columns\":[\"b\",null],\"tombstone\":true}},\n",
                "{\"finalMessage\":\"Limit Reached\"}",
                "]"
            ]
        );
    }

    #[test]
    fn failures_end_the_rows_and_say_why() {
        for (format, wanted) in [
            (RowFormat::Delimited, "{\"@type\":\"generic_error\",\"error_code\":50000,\"message\":\"why\"}\n"),
            (RowFormat::JsonArray, ",{\"@type\":\"generic_error\",\"error_code\":50000,\"message\":\"why\"}"),
            (RowFormat::Envelope, "{\"errorMessage\":{\"@type\":\"generic_error\",\"error_code\":50000,\"message\":\"why\"}}"),
        ] {
            let pieces = stream(format, QueryEnd::Failed("why".into()));
            assert!(pieces.contains(&wanted.to_owned()), "{pieces:?}");
        }
    }

    #[test]
    fn all_rows_at_once() {
        let rows = PullRows { id: "q2".into(), schema: schema(), columns: columns(), rows: 2 };
        let all = |format| texts(Encoder::new(format, "q2".into(), schema()).all(&rows));
        assert_eq!(
            all(RowFormat::Envelope),
            ["[{\"header\":{\"queryId\":\"q2\",\"schema\":\"`K` STRING KEY, `V` DOUBLE\"}},\n\
              {\"row\":{\"columns\":[\"a\",1.5]}},\n{\"row\":{\"columns\":[\"b\",null]}}]"]
        );
        assert_eq!(all(RowFormat::Delimited)[1..], ["[\"a\",1.5]\n", "[\"b\",null]\n"]);
        assert_eq!(all(RowFormat::JsonArray)[1..], [",[\"a\",1.5]", ",[\"b\",null]", "]"]);
        let none = PullRows { columns: columns().iter().map(|c| c.slice(0, 0)).collect(), rows: 0, ..rows };
        let encoder = Encoder::new(RowFormat::Envelope, "q2".into(), schema());
        assert!(texts(encoder.all(&none))[0].ends_with("}}]"));
    }
}
