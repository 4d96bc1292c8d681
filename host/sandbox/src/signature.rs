//! Signatures and types as components write them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use calzone_functions::{Parameter, ParameterType};
use calzone_types::sql_type::DECIMAL_PRECISION_MAX;
use calzone_types::{Field, SqlType};

/// Depth of types inside types; nobody means more.
const DEPTH_MAX: usize = 32;
/// Bytes of a type's or signature's text.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// A signature, read: `join_all(separator varchar, varchar...) -> varchar`.
#[derive(Clone, Debug)]
pub struct SignatureText {
    pub name: String,
    pub parameters: Vec<Parameter>,
    /// The parameter that may occur any number of times.
    pub variadic: Option<usize>,
    /// How many parameters at the end stand behind a semicolon: literals of an aggregate function.
    pub literals: usize,
    /// None: the component computes it.
    pub returns: Option<ParameterType>,
}

/// Reads a signature. The error says where the text is wrong.
pub fn parse_signature(text: &str) -> Result<SignatureText, String> {
    let mut parser = Parser::new(text)?;
    let name = parser.word()?;
    parser.expect("(")?;
    let (mut parameters, mut variadic, mut columns) = (Vec::new(), None, None);
    while !parser.take(")") {
        if columns.is_none() && parser.take(";") {
            columns = Some(parameters.len());
        } else if !parameters.is_empty() {
            parser.expect(",")?;
        }
        parameters.push(parser.parameter()?);
        if parser.take("...") && variadic.replace(parameters.len() - 1).is_some() {
            return Err(format!("`{text}`: only one parameter may have `...`"));
        }
    }
    parser.expect("->")?;
    let start = parser.at;
    let returns = if parser.word().is_ok_and(|w| w.eq_ignore_ascii_case("computed")) {
        None
    } else {
        parser.at = start;
        Some(parser.parameter_type(0)?)
    };
    parser.end()?;
    if let Some(returns) = &returns {
        check_returns(text, &parameters, returns)?;
    }
    let literals = columns.map_or(0, |columns| parameters.len() - columns);
    Ok(SignatureText { name, parameters, variadic, literals, returns })
}

/// Reads a type: `ARRAY<STRING>`.
pub fn parse_type(text: &str) -> Result<SqlType, String> {
    let mut parser = Parser::new(text)?;
    let ty = parser.parameter_type(0)?;
    parser.end()?;
    sql_type(&ty).ok_or_else(|| format!("`{text}` is not one type"))
}

impl SignatureText {
    /// Do arguments of exactly these types belong to this signature, with this result?
    pub fn fits(&self, arguments: &[SqlType], returns: &SqlType) -> bool {
        let Some(spans) = self.spans(arguments.len()) else { return false };
        let mut variables = HashMap::new();
        let mut matches = |pattern: &ParameterType, ty: &SqlType| unify(pattern, ty, &mut variables);
        let fit = self.parameters.iter().zip(spans).all(|(p, span)| arguments[span].iter().all(|ty| matches(&p.ty, ty)));
        fit && self.returns.as_ref().is_none_or(|pattern| matches(pattern, returns))
    }

    /// Of several signatures that fit, the planner takes the one for which this is greatest: not variadic, many parameters,
    /// few type variables.
    pub fn rank(&self) -> (bool, usize, Reverse<usize>) {
        let generic = self.parameters.iter().filter(|p| has_variables(&p.ty)).count();
        (self.variadic.is_none(), self.parameters.len(), Reverse(generic))
    }

    /// Which parameter each argument belongs to.
    pub fn parameters_of(&self, arguments: usize) -> Option<Vec<usize>> {
        let spans = self.spans(arguments)?;
        Some(spans.into_iter().enumerate().flat_map(|(parameter, span)| span.map(move |_| parameter)).collect())
    }

    /// Which arguments each parameter gets.
    fn spans(&self, arguments: usize) -> Option<Vec<Range<usize>>> {
        let fixed = self.parameters.len() - usize::from(self.variadic.is_some());
        let repeated = arguments.checked_sub(fixed).filter(|n| *n == 0 || self.variadic.is_some())?;
        let mut start = 0;
        let spans = (0..self.parameters.len()).map(|i| {
            let end = start + if self.variadic == Some(i) { repeated } else { 1 };
            std::mem::replace(&mut start, end)..end
        });
        Some(spans.collect())
    }
}

/// Does `ty` match `pattern`, with the type variables bound so far? A variable may be bound by it.
fn unify(pattern: &ParameterType, ty: &SqlType, variables: &mut HashMap<char, SqlType>) -> bool {
    match (pattern, ty) {
        (ParameterType::Sql(wanted), ty) => wanted == ty,
        (ParameterType::AnyDecimal, SqlType::Decimal { .. }) | (ParameterType::AnyStruct, SqlType::Struct(_)) => true,
        (ParameterType::Any, _) => true,
        (ParameterType::Generic(variable), ty) => variables.entry(*variable).or_insert_with(|| ty.clone()) == ty,
        (ParameterType::Array(element), SqlType::Array(ty)) => unify(element, ty, variables),
        (ParameterType::Map(key, value), SqlType::Map(k, v)) => unify(key, k, variables) && unify(value, v, variables),
        _ => false,
    }
}

/// A result type must follow from the arguments.
fn check_returns(text: &str, parameters: &[Parameter], returns: &ParameterType) -> Result<(), String> {
    match returns {
        ParameterType::Generic(variable) if !parameters.iter().any(|p| mentions(&p.ty, *variable)) => {
            Err(format!("`{text}`: no parameter says what type `{variable}` is"))
        }
        ParameterType::Array(element) => check_returns(text, parameters, element),
        ParameterType::Map(key, value) => {
            check_returns(text, parameters, key).and_then(|()| check_returns(text, parameters, value))
        }
        ParameterType::Any | ParameterType::AnyDecimal | ParameterType::AnyStruct => {
            Err(format!("`{text}`: the result must be of one type; write `-> computed` to compute it"))
        }
        _ => Ok(()),
    }
}

fn has_variables(ty: &ParameterType) -> bool {
    match ty {
        ParameterType::Generic(_) => true,
        ParameterType::Array(element) => has_variables(element),
        ParameterType::Map(key, value) => has_variables(key) || has_variables(value),
        _ => false,
    }
}

fn mentions(ty: &ParameterType, variable: char) -> bool {
    match ty {
        ParameterType::Generic(other) => *other == variable,
        ParameterType::Array(element) => mentions(element, variable),
        ParameterType::Map(key, value) => mentions(key, variable) || mentions(value, variable),
        _ => false,
    }
}

/// The type that a pattern without variables is.
fn sql_type(pattern: &ParameterType) -> Option<SqlType> {
    match pattern {
        ParameterType::Sql(ty) => Some(ty.clone()),
        ParameterType::Array(element) => Some(SqlType::array(sql_type(element)?)),
        ParameterType::Map(key, value) => Some(SqlType::map(sql_type(key)?, sql_type(value)?)),
        _ => None,
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Parser<'a>, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("a type or signature of {} bytes; {TEXT_BYTES_MAX} are enough", text.len()));
        }
        Ok(Parser { text, at: 0 })
    }

    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(self.wrong(&format!("`{token}`"))) }
    }

    fn end(&mut self) -> Result<(), String> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.wrong("the end")) }
    }

    fn wrong(&self, wanted: &str) -> String {
        format!("`{}`: expected {wanted} at position {}", crate::limits::cut(self.text, 200), self.at + 1)
    }

    fn word(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if len == 0 {
            return Err(self.wrong("a word"));
        }
        self.at += len;
        Ok(rest[..len].to_owned())
    }

    fn field_name(&mut self) -> Result<String, String> {
        if !self.take("`") {
            return Ok(self.word()?.to_uppercase());
        }
        let rest = &self.text[self.at..];
        let mut name = String::new();
        let mut chars = rest.char_indices().peekable();
        while let Some((i, c)) = chars.next() {
            if c != '`' {
                name.push(c);
            } else if chars.next_if(|(_, next)| *next == '`').is_some() {
                name.push('`');
            } else {
                self.at += i + 1;
                return Ok(name);
            }
        }
        Err(self.wrong("a closing backtick"))
    }

    fn number(&mut self) -> Result<u16, String> {
        let word = self.word()?;
        word.parse().map_err(|_| self.wrong("a number"))
    }

    /// `type` or `name type`.
    fn parameter(&mut self) -> Result<Parameter, String> {
        let start = self.at;
        let name = self.word()?;
        // Two words in a row: the first one is the name.
        if self.rest().starts_with(char::is_alphabetic) {
            return Ok(Parameter { name, ty: self.parameter_type(0)?, doc: String::new() });
        }
        self.at = start;
        Ok(Parameter { name: String::new(), ty: self.parameter_type(0)?, doc: String::new() })
    }

    fn parameter_type(&mut self, depth: usize) -> Result<ParameterType, String> {
        if depth > DEPTH_MAX {
            return Err(self.wrong(&format!("at most {DEPTH_MAX} types inside each other")));
        }
        let word = self.word()?;
        let simple = match word.to_ascii_uppercase().as_str() {
            "BOOLEAN" => SqlType::Boolean,
            "INT" | "INTEGER" => SqlType::Integer,
            "BIGINT" => SqlType::Bigint,
            "DOUBLE" => SqlType::Double,
            "VARCHAR" | "STRING" => SqlType::Varchar,
            "BYTES" => SqlType::Bytes,
            "DATE" => SqlType::Date,
            "TIME" => SqlType::Time,
            "TIMESTAMP" => SqlType::Timestamp,
            "ANY" => return Ok(ParameterType::Any),
            "DECIMAL" => return self.decimal(),
            "ARRAY" => {
                self.expect("<")?;
                let element = self.parameter_type(depth + 1)?;
                self.expect(">")?;
                return Ok(ParameterType::Array(Box::new(element)).simplified());
            }
            "MAP" => {
                self.expect("<")?;
                let key = self.parameter_type(depth + 1)?;
                self.expect(",")?;
                let value = self.parameter_type(depth + 1)?;
                self.expect(">")?;
                return Ok(ParameterType::Map(Box::new(key), Box::new(value)).simplified());
            }
            "STRUCT" => return self.structure(depth),
            _ => {
                let mut letters = word.chars();
                return match (letters.next(), letters.next()) {
                    (Some(letter), None) if letter.is_ascii_uppercase() => Ok(ParameterType::Generic(letter)),
                    _ => Err(format!("`{}`: `{word}` is not a type", crate::limits::cut(self.text, 200))),
                };
            }
        };
        Ok(ParameterType::Sql(simple))
    }

    fn decimal(&mut self) -> Result<ParameterType, String> {
        if !self.take("(") {
            return Ok(ParameterType::AnyDecimal);
        }
        let precision = self.number()?;
        let scale = if self.take(",") { self.number()? } else { 0 };
        self.expect(")")?;
        if precision == 0 || precision > DECIMAL_PRECISION_MAX || scale > precision {
            return Err(self.wrong(&format!("a precision of 1 to {DECIMAL_PRECISION_MAX} and a scale within it before")));
        }
        Ok(ParameterType::Sql(SqlType::decimal(precision, scale)))
    }

    fn structure(&mut self, depth: usize) -> Result<ParameterType, String> {
        if !self.take("<") {
            return Ok(ParameterType::AnyStruct);
        }
        let mut fields: Vec<Field> = Vec::new();
        while !self.take(">") {
            if !fields.is_empty() {
                self.expect(",")?;
            }
            let name = self.field_name()?;
            let ty = self.parameter_type(depth + 1)?;
            let ty = sql_type(&ty).ok_or_else(|| self.wrong("a field of one type before"))?;
            if fields.iter().any(|f| *f.name == *name) {
                return Err(self.wrong(&format!("no second field `{name}` before")));
            }
            fields.push(Field::new(name, ty));
        }
        Ok(ParameterType::Sql(SqlType::structure(fields)))
    }
}

trait Simplified {
    /// `ARRAY<STRING>` is a type, `ARRAY<T>` a pattern: a pattern without variables becomes the type.
    fn simplified(self) -> ParameterType;
}

impl Simplified for ParameterType {
    fn simplified(self) -> ParameterType {
        sql_type(&self).map_or(self, ParameterType::Sql)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_survive_their_text() {
        for text in ["STRING", "DECIMAL(10, 2)", "MAP<STRING, ARRAY<BIGINT>>", "STRUCT<`A` INTEGER, `b``c` STRUCT<>>"] {
            assert_eq!(parse_type(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn signatures() {
        let s = parse_signature("join_all(separator varchar, VARCHAR...) -> varchar").unwrap();
        assert_eq!((s.name.as_str(), s.variadic, s.parameters[0].name.as_str()), ("join_all", Some(1), "separator"));
        assert!(s.fits(&[SqlType::Varchar], &SqlType::Varchar));
        assert!(s.fits(&[SqlType::Varchar, SqlType::Varchar, SqlType::Varchar], &SqlType::Varchar));
        assert!(!s.fits(&[SqlType::Varchar, SqlType::Bigint], &SqlType::Varchar));
        assert!(!s.fits(&[], &SqlType::Varchar));

        let s = parse_signature("lookup(map<K, array<V>>, K) -> V").unwrap();
        let map = SqlType::map(SqlType::Varchar, SqlType::array(SqlType::Double));
        assert!(s.fits(&[map.clone(), SqlType::Varchar], &SqlType::Double));
        assert!(!s.fits(&[map, SqlType::Bigint], &SqlType::Double));
        assert!(parse_signature("pair(any, decimal, struct) -> computed").unwrap().returns.is_none());
        assert!(parse_signature("now() -> timestamp").unwrap().parameters.is_empty());
    }

    #[test]
    fn wrong_texts_say_where() {
        for (text, part) in [
            ("mask", "expected `(`"),
            ("mask(text) -> varchar", "`text` is not a type"),
            ("mask(varchar)", "expected `->`"),
            ("f(varchar..., bigint...) -> varchar", "only one parameter"),
            ("f(varchar) -> T", "no parameter says"),
            ("f(varchar) -> any", "computed"),
            ("f(decimal(99, 2)) -> varchar", "precision"),
            ("f(struct<a int, a int>) -> varchar", "second field"),
        ] {
            let error = parse_signature(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(parse_type(&"ARRAY<".repeat(10_000)).is_err());
    }
}
