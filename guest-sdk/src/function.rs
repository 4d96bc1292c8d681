//! SQL functions: what `#[function]` makes, and how the host calls it.

use std::cell::RefCell;

use crate::argument::{Parameter, spans};
use crate::bindings::scalar_function::exports::calzone::plugin::scalar_functions as wit;
use crate::bindings::types::{About, Column, RowError, Setting};
use crate::output::{Output, Returned};
use crate::{Settings, SqlType};

/// One overload of a SQL function. Made by `#[function]`.
#[derive(Clone, Copy)]
pub struct Function {
    /// `mask(varchar) -> varchar`
    pub signature: &'static str,
    pub doc: &'static str,
    /// Prepares the function for arguments of given types.
    pub bind: fn(&Binding) -> Result<Call, String>,
    /// Finds the result type if the signature ends in `-> computed`.
    pub return_type: Option<ReturnType>,
}

/// An argument as the planner knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ArgumentType {
    /// None: the literal NULL.
    pub ty: Option<SqlType>,
    /// The value's text, if the argument is a literal.
    pub literal: Option<String>,
}

/// Finds a result type.
pub type ReturnType = fn(&[ArgumentType]) -> Result<SqlType, String>;

/// Evaluates a batch.
pub type Call = Box<dyn FnMut(usize, &[Column]) -> Result<Evaluated, String>>;

/// Argument types, result type and settings of a use of a function.
#[derive(Clone, Debug)]
pub struct Binding {
    pub arguments: Vec<SqlType>,
    pub returns: SqlType,
    pub settings: Settings,
}

/// The result column with its children, and the rows that failed.
pub struct Evaluated {
    pub columns: Vec<Column>,
    pub errors: Vec<(u32, String)>,
}

impl Function {
    /// The name, as it is written in the signature.
    pub fn name(&self) -> &'static str {
        self.signature.split('(').next().unwrap_or_default().trim()
    }
}

impl Binding {
    /// The types of the arguments that each parameter gets.
    pub fn spans(&self, variadic: &[bool]) -> Result<Vec<Vec<SqlType>>, String> {
        Ok(spans(variadic, self.arguments.len())?.into_iter().map(|span| self.arguments[span].to_vec()).collect())
    }

    /// Fails if the Rust type `P` does not read arguments of these types.
    pub fn expect_parameter<'a, P: Parameter<'a>>(types: &[SqlType]) -> Result<(), String> {
        if P::accepts(types) {
            return Ok(());
        }
        let names: Vec<String> = types.iter().map(ToString::to_string).collect();
        Err(format!("the Rust type {} does not read {}", std::any::type_name::<P>(), names.join(", ")))
    }

    /// Fails if the Rust type `R` is not written as the result type.
    pub fn expect_result<R: Returned>(&self) -> Result<(), String> {
        if R::Value::accepts(&self.returns) {
            return Ok(());
        }
        Err(format!("the Rust type {} is not written as {}", std::any::type_name::<R::Value>(), self.returns))
    }
}

/// Collects the result column of a batch.
pub struct Results<'b, R: Returned> {
    ty: &'b SqlType,
    writer: <R::Value as Output>::Writer,
    errors: Vec<(u32, String)>,
}

impl<'b, R: Returned> Results<'b, R> {
    pub fn new(ty: &'b SqlType, rows: usize) -> Result<Results<'b, R>, String> {
        Ok(Results { ty, writer: R::Value::writer(ty, rows)?, errors: Vec::new() })
    }

    #[inline]
    pub fn push(&mut self, row: usize, result: R) {
        match result.into_result().and_then(|value| value.check(self.ty).map(|()| value)) {
            Ok(value) => value.push(&mut self.writer),
            Err(message) => {
                self.errors.push((row as u32, message));
                self.push_null();
            }
        }
    }

    /// As [`Results::push`], but a row that fails gets no place in the column. Was there one?
    #[inline]
    pub fn push_or_skip(&mut self, row: usize, result: R) -> bool {
        match result.into_result().and_then(|value| value.check(self.ty).map(|()| value)) {
            Ok(value) => {
                value.push(&mut self.writer);
                true
            }
            Err(message) => {
                self.errors.push((row as u32, message));
                false
            }
        }
    }

    #[inline]
    pub fn push_null(&mut self) {
        R::Value::push_null(&mut self.writer);
    }

    pub fn finish(self) -> Evaluated {
        let mut columns = Vec::new();
        R::Value::finish(self.writer, &mut columns);
        Evaluated { columns, errors: self.errors }
    }
}

thread_local! {
    /// An instance is bound once, to one function.
    static BOUND: RefCell<Option<Call>> = const { RefCell::new(None) };
}

/// Overloads of one name, in order of declaration.
fn overloads<'f>(functions: &'f [Function], name: &'f str) -> impl Iterator<Item = &'f Function> {
    functions.iter().filter(move |f| f.name().eq_ignore_ascii_case(name))
}

pub fn describe(author: &str, version: &str, functions: &[Function]) -> wit::Description {
    let mut described: Vec<wit::Function> = Vec::new();
    for function in functions {
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

fn overload<'f>(functions: &'f [Function], name: &'f str, signature: u32) -> Result<&'f Function, String> {
    overloads(functions, name).nth(signature as usize).ok_or_else(|| format!("there is no signature {signature} of `{name}`"))
}

pub fn return_type(functions: &[Function], name: &str, signature: u32, arguments: Vec<wit::Argument>) -> Result<String, String> {
    let function = overload(functions, name, signature)?;
    let compute = function.return_type.ok_or_else(|| format!("{}: the result type is not computed", function.signature))?;
    let arguments = arguments
        .into_iter()
        .map(|a| Ok(ArgumentType { ty: a.type_.as_deref().map(SqlType::parse).transpose()?, literal: a.literal }))
        .collect::<Result<Vec<_>, String>>()?;
    compute(&arguments).map(|ty| ty.to_string())
}

pub fn bind(
    functions: &[Function],
    name: &str,
    signature: u32,
    arguments: &[String],
    returns: &str,
    settings: Vec<Setting>,
) -> Result<(), String> {
    let binding = Binding {
        arguments: arguments.iter().map(|text| SqlType::parse(text)).collect::<Result<_, _>>()?,
        returns: SqlType::parse(returns)?,
        settings: Settings::new(settings.into_iter().map(|s| (s.key, s.value))),
    };
    bind_one(overload(functions, name, signature)?, &binding)
}

/// Makes this instance that function.
pub(crate) fn bind_one(function: &Function, binding: &Binding) -> Result<(), String> {
    crate::capability::report_panics();
    let call = (function.bind)(binding).map_err(|e| format!("{}: {e}", function.signature))?;
    BOUND.set(Some(call));
    Ok(())
}

/// Calls the function that this instance is.
pub(crate) fn evaluate(rows: u32, arguments: &[Column]) -> Result<Evaluated, String> {
    BOUND.with_borrow_mut(|bound| bound.as_mut().ok_or("no function is bound")?(rows as usize, arguments))
}

pub fn call(rows: u32, arguments: &[Column]) -> Result<wit::Answer, String> {
    let evaluated = evaluate(rows, arguments)?;
    let errors = evaluated.errors.into_iter().map(|(row, message)| RowError { row, message }).collect();
    Ok(wit::Answer { columns: evaluated.columns, errors })
}
