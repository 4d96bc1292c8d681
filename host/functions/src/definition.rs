//! What a function is: name, documentation, overloads.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_types::{ColumnBuilder, SqlType, Value};

use crate::registry::FunctionKind;
use crate::{Scalar, Signature};

/// Words of the category column, as ksqlDB has them.
pub mod category {
    pub const STRING: &str = "STRING";
    pub const REGULAR_EXPRESSION: &str = "REGULAR EXPRESSION";
    pub const URL: &str = "URL";
    pub const JSON: &str = "JSON";
    pub const DATE_TIME: &str = "DATE / TIME";
    pub const CONDITIONAL: &str = "CONDITIONAL";
    pub const CONVERSIONS: &str = "CONVERSIONS";
    pub const OTHER: &str = "OTHER";
}

/// A scalar or table function under one name.
#[derive(Clone)]
pub struct ScalarDefinition {
    /// Upper case.
    pub name: String,
    /// As in ksqlDB: `MATHEMATICAL`, `STRING`, …; plugins have `OTHER` unless they say otherwise.
    pub category: String,
    pub description: String,
    pub author: String,
    pub version: String,
    pub overloads: Vec<ScalarOverload>,
    /// SQL expressions and the text of their result; each is run as a test.
    pub examples: Vec<Example>,
}

/// `ABS(-3)` gives `3`.
#[derive(Clone, Debug)]
pub struct Example {
    pub expression: &'static str,
    /// The value printed as ksqlDB's JSON prints it.
    pub result: &'static str,
}

/// One signature of a scalar or table function.
#[derive(Clone)]
pub struct ScalarOverload {
    pub signature: Signature,
    pub description: String,
    pub implementation: Implementation,
}

/// What runs the function.
#[derive(Clone)]
pub enum Implementation {
    /// Made anew for each task.
    BuiltIn(fn(&Binding) -> Result<Box<dyn Scalar>, String>),
    /// Function `function` of plugin `plugin`; the engine gives each task an instance.
    Plugin { plugin: Arc<str>, function: Arc<str> },
}

/// What an implementation is told when it is made.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Types after implicit conversion: the column of argument i has exactly type i. Lambdas have their output type.
    pub arguments: Vec<SqlType>,
    pub returns: SqlType,
    /// `ksql.functions.<name>.<key>` and `ksql.functions._global_.<key>`, by `<key>`.
    pub properties: BTreeMap<String, String>,
}

impl ScalarDefinition {
    /// A function of ours. `examples` are pairs of expression and result.
    pub fn built_in(
        name: &str,
        category: &str,
        description: &str,
        overloads: Vec<ScalarOverload>,
        examples: &[(&'static str, &'static str)],
    ) -> ScalarDefinition {
        ScalarDefinition {
            name: name.to_owned(),
            category: category.to_owned(),
            description: description.to_owned(),
            author: "Calzone".to_owned(),
            version: String::new(),
            overloads,
            examples: examples.iter().map(|(expression, result)| Example { expression, result }).collect(),
        }
    }
}

impl ScalarOverload {
    /// An overload that `make` makes an instance of.
    pub fn new(description: &str, signature: Signature, make: fn(&Binding) -> Result<Box<dyn Scalar>, String>) -> ScalarOverload {
        ScalarOverload { signature, description: description.to_owned(), implementation: Implementation::BuiltIn(make) }
    }
}

/// An aggregate function under one name.
#[derive(Clone)]
pub struct AggregateDefinition {
    /// Upper case.
    pub name: String,
    pub description: String,
    pub author: String,
    pub version: String,
    pub overloads: Vec<AggregateOverload>,
    /// Each is run as a test.
    pub examples: Vec<AggregateExample>,
}

/// `SUM(X)` over rows with `1`, `2` and `NULL` in column `X INT` gives `3`.
#[derive(Clone, Copy, Debug)]
pub struct AggregateExample {
    /// Names and types of the columns, as in CREATE STREAM.
    pub columns: &'static str,
    /// The values of each row, as in INSERT VALUES, in the order in which they come.
    pub rows: &'static [&'static str],
    pub expression: &'static str,
    /// The value printed as ksqlDB's JSON prints it.
    pub result: &'static str,
}

/// One signature of an aggregate function: its column parameters first, then literal "init" parameters.
#[derive(Clone)]
pub struct AggregateOverload {
    pub signature: Signature,
    /// How many parameters at the end must be literals and are given to `make`, not per row.
    pub init_parameters: usize,
    pub description: String,
    pub implementation: AggregateImplementation,
}

/// Makes an aggregate from what it is bound to and its init literals.
pub type MakeAggregate = fn(&Binding, &[Value]) -> Result<Arc<dyn Aggregate>, String>;

impl AggregateDefinition {
    /// An aggregate function of ours.
    pub fn built_in(name: &str, description: &str, overloads: Vec<AggregateOverload>) -> AggregateDefinition {
        AggregateDefinition {
            name: name.to_owned(),
            description: description.to_owned(),
            author: "Calzone".to_owned(),
            version: String::new(),
            overloads,
            examples: Vec::new(),
        }
    }

    /// The same function with examples.
    pub fn with_examples(mut self, examples: &[AggregateExample]) -> AggregateDefinition {
        self.examples = examples.to_vec();
        self
    }
}

impl AggregateOverload {
    /// An overload that `make` makes an instance of; its last `init_parameters` parameters are literals.
    pub fn new(description: &str, signature: Signature, init_parameters: usize, make: MakeAggregate) -> AggregateOverload {
        let implementation = AggregateImplementation::BuiltIn(make);
        AggregateOverload { signature, init_parameters, description: description.to_owned(), implementation }
    }
}

/// What runs the aggregate.
#[derive(Clone)]
pub enum AggregateImplementation {
    /// `make(binding, init literals)`.
    BuiltIn(MakeAggregate),
    /// `state` is the type of the stored state, made of the signature's type variables where it has some.
    Plugin { plugin: Arc<str>, function: Arc<str>, state: crate::ParameterType, can_retract: bool },
}

/// A function of any kind.
#[derive(Clone)]
pub enum FunctionDefinition {
    Scalar(ScalarDefinition),
    /// Its signatures give the ARRAY of the rows it makes.
    Table(ScalarDefinition),
    Aggregate(AggregateDefinition),
}

impl FunctionDefinition {
    pub fn kind(&self) -> FunctionKind {
        match self {
            FunctionDefinition::Scalar(_) => FunctionKind::Scalar,
            FunctionDefinition::Table(_) => FunctionKind::Table,
            FunctionDefinition::Aggregate(_) => FunctionKind::Aggregate,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            FunctionDefinition::Scalar(definition) | FunctionDefinition::Table(definition) => &definition.name,
            FunctionDefinition::Aggregate(definition) => &definition.name,
        }
    }

    /// The same function under another name.
    pub fn renamed(mut self, name: &str) -> FunctionDefinition {
        match &mut self {
            FunctionDefinition::Scalar(definition) | FunctionDefinition::Table(definition) => {
                name.clone_into(&mut definition.name)
            }
            FunctionDefinition::Aggregate(definition) => name.clone_into(&mut definition.name),
        }
        self
    }

    pub fn signatures(&self) -> Vec<&Signature> {
        match self {
            FunctionDefinition::Scalar(definition) | FunctionDefinition::Table(definition) => {
                definition.overloads.iter().map(|o| &o.signature).collect()
            }
            FunctionDefinition::Aggregate(definition) => definition.overloads.iter().map(|o| &o.signature).collect(),
        }
    }

    /// Plugin and the function's name in it; None for a function of ours.
    pub fn plugin(&self) -> Option<(&str, &str)> {
        match self {
            FunctionDefinition::Scalar(definition) | FunctionDefinition::Table(definition) => {
                definition.overloads.iter().find_map(|o| match &o.implementation {
                    Implementation::Plugin { plugin, function } => Some((&**plugin, &**function)),
                    Implementation::BuiltIn(_) => None,
                })
            }
            FunctionDefinition::Aggregate(definition) => definition.overloads.iter().find_map(|o| match &o.implementation {
                AggregateImplementation::Plugin { plugin, function, .. } => Some((&**plugin, &**function)),
                AggregateImplementation::BuiltIn(_) => None,
            }),
        }
    }
}

/// What is done with a group's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateAction {
    /// Nothing: only its result is wanted.
    Look,
    Accumulate,
    Retract,
}

/// One step of [`Aggregate::update`].
#[derive(Clone, Copy, Debug)]
pub struct AggregateStep {
    /// Position of the group's state.
    pub group: u32,
    /// Row of the argument columns; without meaning for [`AggregateAction::Look`].
    pub row: u32,
    pub action: AggregateAction,
    /// Is the group's result after this step wanted?
    pub result: bool,
}

/// An aggregate bound to its argument types. Keeps nothing itself: the state of a group is a [`Value`] that the
/// operator stores under the group's key, encoded by its [`Aggregate::state_type`].
pub trait Aggregate: Send + Sync {
    /// Type of the state between records.
    fn state_type(&self) -> SqlType;
    /// Type of [`Aggregate::result`].
    fn result_type(&self) -> SqlType;
    /// State of a group without records.
    fn initial(&self) -> Value;
    /// Takes `row` of the argument columns into the state. An error stops the query, as in ksqlDB.
    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String>;
    /// Takes a row back out, for GROUP BY over tables. Only called if [`Aggregate::can_retract`].
    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String>;
    /// May this aggregate be used on tables?
    fn can_retract(&self) -> bool;
    /// Joins two states, `older` first, when sessions merge.
    fn merge(&self, older: Value, newer: Value) -> Result<Value, String>;
    /// The value that queries see.
    fn result(&self, state: &Value) -> Value;

    /// As [`Aggregate::result`], for those whose result may fail.
    fn checked_result(&self, state: &Value) -> Result<Value, String> {
        Ok(self.result(state))
    }

    /// Are many steps at a time much cheaper than one by one? Operators then collect the steps of a batch and call
    /// [`Aggregate::update`] once.
    fn prefers_batches(&self) -> bool {
        false
    }

    /// Does the steps in order, and gives the results that they ask for, in order. It has the effect of doing each by itself.
    /// An error says which step failed; what the states are then is not defined.
    fn update(&self, states: &mut [Value], steps: &[AggregateStep], arguments: &[ArrayRef]) -> Result<ArrayRef, (usize, String)> {
        let mut results = ColumnBuilder::new(&self.result_type(), steps.len());
        for (i, step) in steps.iter().enumerate() {
            let (state, row) = (&mut states[step.group as usize], step.row as usize);
            match step.action {
                AggregateAction::Look => Ok(()),
                AggregateAction::Accumulate => self.accumulate(state, arguments, row),
                AggregateAction::Retract => self.retract(state, arguments, row),
            }
            .map_err(|message| (i, message))?;
            if step.result {
                results.push(&self.checked_result(state).map_err(|message| (i, message))?);
            }
        }
        Ok(results.finish())
    }
}
