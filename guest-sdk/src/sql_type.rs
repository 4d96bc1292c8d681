//! SQL types as a plugin sees them.

use std::fmt;

/// A SQL type. Read from and printed as text: `ARRAY<STRING>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlType {
    Boolean,
    Integer,
    Bigint,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Varchar,
    Bytes,
    Date,
    Time,
    Timestamp,
    Array(Box<SqlType>),
    Map(Box<SqlType>, Box<SqlType>),
    /// Names and types of the fields.
    Struct(Vec<(String, SqlType)>),
}

impl SqlType {
    /// Reads a type; the error says where the text is wrong.
    pub fn parse(text: &str) -> Result<SqlType, String> {
        let mut parser = Parser { text, at: 0 };
        let ty = parser.sql_type()?;
        parser.end()?;
        Ok(ty)
    }

    /// Reads `name TYPE, name TYPE`; names are upper case unless they stand in backticks.
    pub fn parse_columns(text: &str) -> Result<Vec<(String, SqlType)>, String> {
        let mut parser = Parser { text, at: 0 };
        let mut columns = Vec::new();
        loop {
            let name = parser.name()?;
            columns.push((name, parser.sql_type()?));
            if !parser.take(',') {
                parser.end()?;
                return Ok(columns);
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&mut self) -> &str {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        &self.text[self.at..]
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        self.at += if found { c.len_utf8() } else { 0 };
        found
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        if self.take(c) { Ok(()) } else { Err(self.wrong(&format!("`{c}`"))) }
    }

    fn end(&mut self) -> Result<(), String> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.wrong("the end")) }
    }

    fn wrong(&self, wanted: &str) -> String {
        format!("`{}`: expected {wanted} at position {}", self.text, self.at)
    }

    fn name(&mut self) -> Result<String, String> {
        if self.take('`') {
            let rest = &self.text[self.at..];
            let mut name = String::new();
            let mut chars = rest.char_indices().peekable();
            while let Some((i, c)) = chars.next() {
                if c != '`' {
                    name.push(c);
                } else if chars.peek().is_some_and(|(_, next)| *next == '`') {
                    chars.next();
                    name.push('`');
                } else {
                    self.at += i + 1;
                    return Ok(name);
                }
            }
            return Err(self.wrong("a closing backtick"));
        }
        Ok(self.word()?.to_uppercase())
    }

    fn word(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if len == 0 {
            return Err(self.wrong("a word"));
        }
        let word = rest[..len].to_owned();
        self.at += len;
        Ok(word)
    }

    fn number(&mut self) -> Result<u8, String> {
        let word = self.word()?;
        word.parse().map_err(|_| self.wrong("a number"))
    }

    fn sql_type(&mut self) -> Result<SqlType, String> {
        let word = self.word()?.to_uppercase();
        Ok(match word.as_str() {
            "BOOLEAN" => SqlType::Boolean,
            "INT" | "INTEGER" => SqlType::Integer,
            "BIGINT" => SqlType::Bigint,
            "DOUBLE" => SqlType::Double,
            "VARCHAR" | "STRING" => SqlType::Varchar,
            "BYTES" => SqlType::Bytes,
            "DATE" => SqlType::Date,
            "TIME" => SqlType::Time,
            "TIMESTAMP" => SqlType::Timestamp,
            "DECIMAL" => {
                self.expect('(')?;
                let precision = self.number()?;
                self.expect(',')?;
                let scale = self.number()?;
                self.expect(')')?;
                SqlType::Decimal { precision, scale }
            }
            "ARRAY" => {
                self.expect('<')?;
                let element = self.sql_type()?;
                self.expect('>')?;
                SqlType::Array(Box::new(element))
            }
            "MAP" => {
                self.expect('<')?;
                let key = self.sql_type()?;
                self.expect(',')?;
                let value = self.sql_type()?;
                self.expect('>')?;
                SqlType::Map(Box::new(key), Box::new(value))
            }
            "STRUCT" => {
                self.expect('<')?;
                let mut fields = Vec::new();
                while !self.take('>') {
                    if !fields.is_empty() {
                        self.expect(',')?;
                    }
                    let name = self.name()?;
                    fields.push((name, self.sql_type()?));
                }
                SqlType::Struct(fields)
            }
            _ => return Err(format!("`{}`: `{word}` is not a type", self.text)),
        })
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let simple = match self {
            SqlType::Boolean => "BOOLEAN",
            SqlType::Integer => "INTEGER",
            SqlType::Bigint => "BIGINT",
            SqlType::Double => "DOUBLE",
            SqlType::Varchar => "STRING",
            SqlType::Bytes => "BYTES",
            SqlType::Date => "DATE",
            SqlType::Time => "TIME",
            SqlType::Timestamp => "TIMESTAMP",
            SqlType::Decimal { precision, scale } => return write!(f, "DECIMAL({precision}, {scale})"),
            SqlType::Array(element) => return write!(f, "ARRAY<{element}>"),
            SqlType::Map(key, value) => return write!(f, "MAP<{key}, {value}>"),
            SqlType::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (i, (name, ty)) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}`{}` {ty}", name.replace('`', "``"))?;
                }
                ">"
            }
        };
        f.write_str(simple)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_survive_their_text() {
        for text in ["STRING", "DECIMAL(10, 2)", "MAP<STRING, ARRAY<BIGINT>>", "STRUCT<`A` INTEGER, `b``c` STRUCT<>>"] {
            assert_eq!(SqlType::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(SqlType::parse(" array < int > ").unwrap().to_string(), "ARRAY<INTEGER>");
        assert!(SqlType::parse("ARRAY<INT").unwrap_err().contains("expected `>`"));
        assert!(SqlType::parse("TEXT").unwrap_err().contains("not a type"));
    }

    #[test]
    fn columns_are_upper_case_unless_quoted() {
        let columns = SqlType::parse_columns("sauce varchar, `n` decimal(3,1)").unwrap();
        assert_eq!(columns[0], ("SAUCE".to_owned(), SqlType::Varchar));
        assert_eq!(columns[1], ("n".to_owned(), SqlType::Decimal { precision: 3, scale: 1 }));
    }
}
