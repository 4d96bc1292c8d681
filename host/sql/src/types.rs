//! Types as written, and back.

use calzone_types::SqlType;
use calzone_types::sql_type::DECIMAL_PRECISION_MAX;

use crate::ast::{TypeKind, TypeName};
use crate::expression::literal::separated;
use crate::keywords::{in_backticks, quote_name};
use crate::parser::{Parser, Parsing};
use crate::token::{Symbol, TokenKind};

/// A type: a simple one, `ARRAY<t>`, `MAP<k, v>`, `STRUCT<f t, …>`, or a name given by CREATE TYPE.
pub(crate) fn type_name(p: &mut Parser) -> Parsing<TypeName> {
    p.nested(|p| {
        let start = p.start();
        let kind = type_kind(p)?;
        Ok(TypeName { kind, span: p.span_from(start) })
    })
}

fn type_kind(p: &mut Parser) -> Parsing<TypeKind> {
    if let TokenKind::Word { folded, quoted: false } = p.peek() {
        match folded.as_str() {
            "ARRAY" if p.is_symbol_at(1, Symbol::Less) => {
                p.advance();
                p.advance();
                let element = type_name(p)?;
                p.expect_symbol(Symbol::Greater, "'>' after the element type of ARRAY")?;
                return Ok(TypeKind::Array(Box::new(element)));
            }
            "MAP" if p.is_symbol_at(1, Symbol::Less) => {
                p.advance();
                p.advance();
                let key = type_name(p)?;
                p.expect_symbol(Symbol::Comma, "',' between the key and value type of MAP")?;
                let value = type_name(p)?;
                p.expect_symbol(Symbol::Greater, "'>' after the value type of MAP")?;
                return Ok(TypeKind::Map(Box::new(key), Box::new(value)));
            }
            "STRUCT" if p.is_symbol_at(1, Symbol::Less) || p.is_symbol_at(1, Symbol::NotEqual) => return structure(p),
            "ARRAY" | "MAP" | "STRUCT" => {
                p.advance();
                return Err(p.expected("'<' and the types inside"));
            }
            "DECIMAL" | "DEC" if p.is("DECIMAL") || p.is_symbol_at(1, Symbol::OpenParen) => return decimal(p),
            _ => {
                if let Some(ty) = simple(folded) {
                    p.advance();
                    ignored_parameters(p)?;
                    return Ok(TypeKind::Simple(ty));
                }
            }
        }
    }
    let name = p.name("a type")?;
    Ok(TypeKind::Custom(name.node))
}

fn simple(word: &str) -> Option<SqlType> {
    Some(match word {
        "BOOLEAN" => SqlType::Boolean,
        "INT" | "INTEGER" => SqlType::Integer,
        "BIGINT" => SqlType::Bigint,
        "DOUBLE" => SqlType::Double,
        "VARCHAR" | "STRING" => SqlType::Varchar,
        "BYTES" => SqlType::Bytes,
        "DATE" => SqlType::Date,
        "TIME" => SqlType::Time,
        "TIMESTAMP" => SqlType::Timestamp,
        _ => return None,
    })
}

fn structure(p: &mut Parser) -> Parsing<TypeKind> {
    p.advance();
    if p.take_symbol(Symbol::NotEqual) {
        return Ok(TypeKind::Struct(Vec::new()));
    }
    p.advance();
    let mut fields = Vec::new();
    if !p.is_symbol(Symbol::Greater) {
        fields = p.list(|p| {
            let name = p.name("a field's name in STRUCT")?;
            Ok((name, type_name(p)?))
        })?;
    }
    p.expect_symbol(Symbol::Greater, "',' or '>' after the fields of STRUCT")?;
    Ok(TypeKind::Struct(fields))
}

fn decimal(p: &mut Parser) -> Parsing<TypeKind> {
    let start = p.start();
    p.advance();
    p.expect_symbol(Symbol::OpenParen, "'(precision, scale)' after DECIMAL")?;
    let precision = p.whole_number("the precision of DECIMAL")?.node;
    p.expect_symbol(Symbol::Comma, "',' between precision and scale of DECIMAL")?;
    let scale = p.whole_number("the scale of DECIMAL")?.node;
    p.expect_symbol(Symbol::CloseParen, "')' after the scale of DECIMAL")?;
    if !(1..=u64::from(DECIMAL_PRECISION_MAX)).contains(&precision) {
        let message = format!("the precision of DECIMAL must be from 1 to {DECIMAL_PRECISION_MAX}, {precision} is not");
        return Err(p.fault_from(start, message));
    }
    if scale > precision {
        let message = format!("the scale of DECIMAL must not exceed its precision: {scale} is more than {precision}");
        return Err(p.fault_from(start, message));
    }
    Ok(TypeKind::Simple(SqlType::Decimal { precision: precision as u16, scale: scale as u16 }))
}

/// `VARCHAR(10)`, `VARCHAR(STRING)`: parameters of simple types have no meaning and are dropped, as in ksqlDB.
fn ignored_parameters(p: &mut Parser) -> Parsing<()> {
    if !p.is_symbol(Symbol::OpenParen) {
        return Ok(());
    }
    p.parenthesised("the parameters of a type", |p| {
        if p.take("STRING") { Ok(()) } else { p.whole_number("a type's parameter").map(|_| ()) }
    })?;
    Ok(())
}

/// The type with ksqlDB's words: `STRING` for VARCHAR, `INTEGER` for INT.
pub(crate) fn format_type(out: &mut String, ty: &TypeName) {
    match &ty.kind {
        TypeKind::Simple(ty) => out.push_str(&ty.to_string()),
        TypeKind::Custom(name) => out.push_str(&custom_text(name)),
        TypeKind::Array(element) => {
            out.push_str("ARRAY<");
            format_type(out, element);
            out.push('>');
        }
        TypeKind::Map(key, value) => {
            out.push_str("MAP<");
            format_type(out, key);
            out.push_str(", ");
            format_type(out, value);
            out.push('>');
        }
        TypeKind::Struct(fields) => {
            out.push_str("STRUCT<");
            separated(out, fields, |out, (name, ty)| {
                out.push_str(&quote_name(&name.node));
                out.push(' ');
                format_type(out, ty);
            });
            out.push('>');
        }
    }
}

/// A custom type that has a built-in type's name must be quoted to be meant.
fn custom_text(name: &str) -> String {
    if simple(name).is_some() || matches!(name, "ARRAY" | "MAP" | "STRUCT" | "DEC") {
        in_backticks(name)
    } else {
        quote_name(name)
    }
}
