//! Signatures: what a function accepts and what it gives back.

use std::fmt;

use calzone_types::{SqlType, Value};

/// One parameter.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// As shown by `DESCRIBE FUNCTION`; may be empty.
    pub name: String,
    pub ty: ParameterType,
    pub doc: String,
}

/// What a parameter accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterType {
    /// Exactly this type, or one that converts to it implicitly (INTEGER → BIGINT → DECIMAL → DOUBLE, NULL → any).
    Sql(SqlType),
    /// A DECIMAL of any precision and scale.
    AnyDecimal,
    /// A STRUCT of any fields.
    AnyStruct,
    /// Any type at all, each occurrence on its own.
    Any,
    /// A type variable (`T`, `K`, `V`): all occurrences in one call are the same type.
    Generic(char),
    /// Array, map of parameter types, for generics: `ARRAY<T>`, `MAP<K, V>`.
    Array(Box<ParameterType>),
    Map(Box<ParameterType>, Box<ParameterType>),
    /// `(x, y) => body`; inputs are bound from the other arguments, the output may bind a type variable.
    Lambda {
        inputs: Vec<ParameterType>,
        output: Box<ParameterType>,
    },
    /// A word such as `SECONDS` in `TIMESTAMPADD(SECONDS, 5, ts)`. The argument arrives as VARCHAR, upper case, plural.
    IntervalUnit,
}

/// The type of an argument in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentType {
    Sql(SqlType),
    /// The literal NULL without a type.
    Null,
    /// A lambda of that many parameters, whose types are not known before the other arguments are.
    Lambda(usize),
    IntervalUnit,
}

impl Parameter {
    pub fn new(name: &str, ty: impl Into<ParameterType>, doc: &str) -> Parameter {
        Parameter { name: name.to_owned(), ty: ty.into(), doc: doc.to_owned() }
    }
}

impl From<SqlType> for ParameterType {
    fn from(ty: SqlType) -> ParameterType {
        ParameterType::Sql(ty)
    }
}

/// One overload's shape.
#[derive(Clone, Debug)]
pub struct Signature {
    pub parameters: Vec<Parameter>,
    /// Index of the parameter that may occur any number of times (also none); it may stand anywhere.
    pub variadic: Option<usize>,
    pub returns: Returns,
}

impl Signature {
    /// Without a variadic parameter.
    pub fn new(parameters: Vec<Parameter>, returns: Returns) -> Signature {
        Signature { parameters, variadic: None, returns }
    }

    /// Parameters of fixed types, as pairs of name and type.
    pub fn of(parameters: &[(&str, SqlType)], returns: SqlType) -> Signature {
        Signature::new(parameters.iter().map(|(name, ty)| Parameter::new(name, ty.clone(), "")).collect(), returns.into())
    }

    /// The last parameter may occur any number of times.
    pub fn variadic(parameters: Vec<Parameter>, returns: Returns) -> Signature {
        Signature { variadic: parameters.len().checked_sub(1), parameters, returns }
    }
}

/// The return type for argument types after conversion, and for those arguments that are literals. NULLs stay
/// [`ArgumentType::Null`], a lambda is the type of its body.
pub type ComputeReturns = fn(&[ArgumentType], &[Option<Value>]) -> Result<SqlType, String>;

/// As [`ComputeReturns`], for functions whose code is found at run time.
pub type AskReturns = std::sync::Arc<dyn Fn(&[ArgumentType], &[Option<Value>]) -> Result<SqlType, String> + Send + Sync>;

/// How the return type is found.
#[derive(Clone)]
pub enum Returns {
    /// Fixed, or made of type variables that the arguments bind.
    Type(ParameterType),
    /// Computed from the argument types, and from those arguments that are literals (a scale, a field count).
    Computed(ComputeReturns),
    /// The same, by a plugin.
    Asked(AskReturns),
}

impl From<SqlType> for Returns {
    fn from(ty: SqlType) -> Returns {
        Returns::Type(ParameterType::Sql(ty))
    }
}

impl fmt::Debug for Returns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Returns::Type(ty) => f.debug_tuple("Type").field(ty).finish(),
            Returns::Computed(_) | Returns::Asked(_) => f.write_str("Computed"),
        }
    }
}

/// As `DESCRIBE FUNCTION` and messages print a parameter's type: `ARRAY<T>`, `LAMBDA (T) => U`.
impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParameterType::Sql(SqlType::Varchar) => f.write_str("VARCHAR"),
            ParameterType::Sql(SqlType::Integer) => f.write_str("INT"),
            ParameterType::Sql(ty) => write!(f, "{ty}"),
            ParameterType::AnyDecimal => f.write_str("DECIMAL"),
            ParameterType::AnyStruct => f.write_str("STRUCT"),
            ParameterType::Any => f.write_str("ANY"),
            ParameterType::Generic(variable) => write!(f, "{variable}"),
            ParameterType::Array(element) => write!(f, "ARRAY<{element}>"),
            ParameterType::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            ParameterType::Lambda { inputs, output } => {
                let inputs: Vec<String> = inputs.iter().map(ToString::to_string).collect();
                write!(f, "LAMBDA ({}) => {output}", inputs.join(", "))
            }
            ParameterType::IntervalUnit => f.write_str("INTERVALUNIT"),
        }
    }
}

/// `(input VARCHAR, args VARCHAR...)`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, parameter) in self.parameters.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            f.write_str(&parameter.name)?;
            f.write_str(if parameter.name.is_empty() { "" } else { " " })?;
            write!(f, "{}{}", parameter.ty, if self.variadic == Some(i) { "..." } else { "" })?;
        }
        f.write_str(")")
    }
}
