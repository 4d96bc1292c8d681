//! Table functions: what `#[table_function]` makes, and how the host calls it. They are functions that give an ARRAY, whose
//! elements are the rows.

use crate::bindings::table_function::exports::calzone::plugin::table_functions as wit;
use crate::bindings::types::{About, Column, RowError, Setting};
use crate::function::{self, ArgumentType, Binding, Function};
use crate::{Settings, SqlType};

/// One overload of a table function. Made by `#[table_function]`.
#[derive(Clone, Copy)]
pub struct TableFunction(pub Function);

fn overloads<'f>(functions: &'f [TableFunction], name: &'f str) -> impl Iterator<Item = &'f Function> {
    functions.iter().map(|f| &f.0).filter(move |f| f.name().eq_ignore_ascii_case(name))
}

fn overload<'f>(functions: &'f [TableFunction], name: &'f str, signature: u32) -> Result<&'f Function, String> {
    overloads(functions, name).nth(signature as usize).ok_or_else(|| format!("there is no signature {signature} of `{name}`"))
}

pub fn describe(author: &str, version: &str, functions: &[TableFunction]) -> wit::Description {
    let mut described: Vec<wit::Function> = Vec::new();
    for TableFunction(function) in functions {
        if described.iter().any(|d| d.name.eq_ignore_ascii_case(function.name())) {
            continue;
        }
        described.push(wit::Function {
            name: function.name().to_owned(),
            doc: function.doc.to_owned(),
            signatures: overloads(functions, function.name())
                .map(|f| wit::Signature { text: f.signature.to_owned(), doc: f.doc.to_owned() })
                .collect(),
        });
    }
    wit::Description { about: About { author: author.to_owned(), version: version.to_owned() }, functions: described }
}

pub fn return_type(
    functions: &[TableFunction],
    name: &str,
    signature: u32,
    arguments: Vec<wit::Argument>,
) -> Result<String, String> {
    let function = overload(functions, name, signature)?;
    let compute = function.return_type.ok_or_else(|| format!("{}: the result type is not computed", function.signature))?;
    let arguments = arguments
        .into_iter()
        .map(|a| Ok(ArgumentType { ty: a.type_.as_deref().map(SqlType::parse).transpose()?, literal: a.literal }))
        .collect::<Result<Vec<_>, String>>()?;
    compute(&arguments).map(|ty| ty.to_string())
}

pub fn bind(
    functions: &[TableFunction],
    name: &str,
    signature: u32,
    arguments: &[String],
    returns: &str,
    settings: Vec<Setting>,
) -> Result<(), String> {
    let binding = Binding {
        arguments: arguments.iter().map(|text| SqlType::parse(text)).collect::<Result<_, _>>()?,
        returns: SqlType::Array(Box::new(SqlType::parse(returns)?)),
        settings: Settings::new(settings.into_iter().map(|s| (s.key, s.value))),
    };
    function::bind_one(overload(functions, name, signature)?, &binding)
}

pub fn call(rows: u32, arguments: &[Column]) -> Result<wit::Answer, String> {
    let evaluated = function::evaluate(rows, arguments)?;
    let errors = evaluated.errors.into_iter().map(|(row, message)| RowError { row, message }).collect();
    Ok(wit::Answer { columns: evaluated.columns, errors })
}
