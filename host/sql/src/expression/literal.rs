//! Literals: numbers, texts, TRUE, FALSE, NULL, and `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`, `DECIMAL '…'`.

use calzone_types::{Decimal, Value};

use crate::ast::Literal;
use crate::keywords::quote_text;
use crate::moment;
use crate::parser::{Parser, Parsing};
use crate::token::{Symbol, TokenKind};

/// A literal; `what` it is for, in the message.
pub(crate) fn literal(p: &mut Parser, what: &str) -> Parsing<Literal> {
    match literal_if_next(p)? {
        Some(literal) => Ok(literal),
        None => Err(p.expected(&format!("a literal for {what} (a number, a text in single quotes, TRUE, FALSE or NULL)"))),
    }
}

/// The literal that is next, if one is. A minus belongs to the number right behind it.
pub(crate) fn literal_if_next(p: &mut Parser) -> Parsing<Option<Literal>> {
    let start = p.start();
    let value = match p.peek() {
        TokenKind::Number(digits) => {
            let value = number(p, digits, false)?;
            p.advance();
            value
        }
        TokenKind::Symbol(Symbol::Minus) => {
            let TokenKind::Number(digits) = p.peek_at(1) else { return Ok(None) };
            let value = number(p, digits, true)?;
            p.advance();
            p.advance();
            value
        }
        TokenKind::Text(text) => {
            let value = Value::Varchar(text.clone());
            p.advance();
            value
        }
        TokenKind::Word { folded, quoted: false } => {
            let value = match folded.as_str() {
                "NULL" => Value::Null,
                "TRUE" => Value::Boolean(true),
                "FALSE" => Value::Boolean(false),
                _ => return typed(p, start),
            };
            p.advance();
            value
        }
        _ => return Ok(None),
    };
    Ok(Some(Literal { value, span: p.span_from(start) }))
}

/// `DATE '2024-02-03'` and its like, if next.
fn typed(p: &mut Parser, start: usize) -> Parsing<Option<Literal>> {
    let (TokenKind::Word { folded, .. }, TokenKind::Text(text)) = (p.peek(), p.peek_at(1)) else { return Ok(None) };
    let (value, example) = match folded.as_str() {
        "DATE" => (moment::date(text).map(Value::Date), "DATE '2024-02-03'"),
        "TIME" => (moment::time(text).map(Value::Time), "TIME '04:05:06.789'"),
        "TIMESTAMP" => (moment::timestamp(text).map(Value::Timestamp), "TIMESTAMP '2024-02-03T04:05:06.789'"),
        "DECIMAL" => (text.parse::<Decimal>().ok().map(Value::Decimal), "DECIMAL '12.50'"),
        _ => return Ok(None),
    };
    let message = format!("{} is no {folded}: write it as in {example}", quote_text(text));
    p.advance();
    p.advance();
    match value {
        Some(value) => Ok(Some(Literal { value, span: p.span_from(start) })),
        None => Err(p.fault_from(start, message)),
    }
}

/// INTEGER or BIGINT by size, DECIMAL with a point, DOUBLE with an exponent.
fn number(p: &Parser, digits: &str, negative: bool) -> Parsing<Value> {
    let text = if negative { format!("-{digits}") } else { digits.to_owned() };
    if text.contains(['e', 'E']) {
        return match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Value::Double(value)),
            _ => Err(p.fault_here(format!("{text} is larger than any DOUBLE"))),
        };
    }
    if text.contains('.') {
        return match text.parse::<Decimal>() {
            Ok(value) if value.precision() <= calzone_types::sql_type::DECIMAL_PRECISION_MAX => Ok(Value::Decimal(value)),
            _ => Err(p.fault_here(format!(
                "{text} has more digits than a DECIMAL holds ({}): write it with an exponent for a DOUBLE",
                calzone_types::sql_type::DECIMAL_PRECISION_MAX
            ))),
        };
    }
    if let Ok(value) = text.parse::<i32>() {
        return Ok(Value::Integer(value));
    }
    match text.parse::<i64>() {
        Ok(value) => Ok(Value::Bigint(value)),
        Err(_) => Err(p.fault_here(format!("{text} does not fit BIGINT: write {text}.0 for a DECIMAL or {text}e0 for a DOUBLE"))),
    }
}

/// The literal as ksqlDB prints it: words in lower case, doubles with an exponent.
pub(crate) fn format_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Integer(value) => out.push_str(&value.to_string()),
        // What fits INTEGER would read back as one.
        Value::Bigint(value) => out.push_str(&value.to_string()),
        Value::Double(value) => out.push_str(&format!("{value:E}")),
        // A decimal without a scale keeps its point, or it would read back as an integer.
        Value::Decimal(value) if value.scale == 0 => out.push_str(&format!("{value}.")),
        Value::Decimal(value) => out.push_str(&value.to_string()),
        Value::Varchar(text) => out.push_str(&quote_text(text)),
        Value::Date(days) => out.push_str(&format!("DATE '{}'", moment::date_text(*days))),
        Value::Time(ms) => out.push_str(&format!("TIME '{}'", moment::time_text(*ms))),
        Value::Timestamp(ms) => out.push_str(&format!("TIMESTAMP '{}'", moment::timestamp_text(*ms))),
        // No literal has these types; trees made by hand print something readable.
        Value::Bytes(bytes) => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            out.push_str(&format!("TO_BYTES('{hex}', 'hex')"));
        }
        Value::Array(elements) => {
            out.push_str("ARRAY[");
            separated(out, elements, format_value);
            out.push(']');
        }
        Value::Map(entries) => {
            out.push_str("MAP(");
            separated(out, entries, |out, (key, value)| {
                format_value(out, key);
                out.push_str(":=");
                format_value(out, value);
            });
            out.push(')');
        }
        Value::Struct(fields) => {
            out.push_str("STRUCT(");
            separated(out, fields, format_value);
            out.push(')');
        }
    }
}

/// Elements with `, ` between.
pub(crate) fn separated<T>(out: &mut String, elements: &[T], mut write: impl FnMut(&mut String, &T)) {
    for (i, element) in elements.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write(out, element);
    }
}
