//! A component's functions as the planner needs them.

use std::sync::Arc;

use calzone_functions::definition::AggregateImplementation;
use calzone_functions::signature::{AskReturns, Returns};
use calzone_functions::{
    AggregateDefinition, AggregateOverload, ArgumentType, FunctionDefinition, FunctionKind, Implementation, ParameterType,
    ScalarDefinition, ScalarOverload, Signature,
};
use calzone_types::{SqlType, Value};

use crate::component::{Code, refusal};
use crate::describe::{FunctionDescription, SignatureDescription};
use crate::fault::Fault;
use crate::signature::parse_type;
use crate::{Component, SandboxError, v1};

impl Component {
    /// What the planner needs to resolve calls of `function`. `plugin` is the name that the implementation will be found by.
    pub fn function_definition(&self, plugin: &str, function: &str) -> Result<FunctionDefinition, SandboxError> {
        let described = self.description.function(function).ok_or_else(|| self.no_such("function", function))?;
        let name = described.name.to_ascii_uppercase();
        let (plugin, item): (Arc<str>, Arc<str>) = (plugin.into(), described.name.as_str().into());
        let signatures = described.signatures.iter().enumerate().map(|(number, s)| {
            let description = if s.doc.is_empty() { &described.doc } else { &s.doc };
            (s, self.signature(described, number, s), description.clone())
        });
        if described.kind == FunctionKind::Aggregate {
            let overloads = signatures.map(|(s, signature, description)| AggregateOverload {
                signature,
                init_parameters: s.signature.literals,
                description,
                implementation: AggregateImplementation::Plugin {
                    plugin: plugin.clone(),
                    function: item.clone(),
                    state: SqlType::Bytes.into(),
                    can_retract: s.can_retract,
                },
            });
            return Ok(FunctionDefinition::Aggregate(AggregateDefinition {
                name,
                description: described.doc.clone(),
                author: self.description.author.clone(),
                version: self.description.version.clone(),
                overloads: overloads.collect(),
                examples: Vec::new(),
            }));
        }
        let implementation = Implementation::Plugin { plugin: plugin.clone(), function: item.clone() };
        let overloads = signatures.map(|(_, signature, description)| ScalarOverload {
            signature,
            description,
            implementation: implementation.clone(),
        });
        let category = if described.kind == FunctionKind::Table { "TABLE" } else { "OTHER" };
        let definition = ScalarDefinition {
            name,
            category: category.to_owned(),
            description: described.doc.clone(),
            author: self.description.author.clone(),
            version: self.description.version.clone(),
            overloads: overloads.collect(),
            examples: Vec::new(),
        };
        Ok(match described.kind {
            FunctionKind::Table => FunctionDefinition::Table(definition),
            _ => FunctionDefinition::Scalar(definition),
        })
    }

    fn signature(&self, function: &FunctionDescription, number: usize, s: &SignatureDescription) -> Signature {
        let is_table = function.kind == FunctionKind::Table;
        let returns = match &s.signature.returns {
            Some(row) if is_table => Returns::Type(ParameterType::Array(Box::new(row.clone()))),
            Some(ty) => Returns::Type(ty.clone()),
            None => Returns::Asked(self.asking(&function.name, number, function.kind)),
        };
        Signature { parameters: s.signature.parameters.clone(), variadic: s.signature.variadic, returns }
    }

    /// Asks the component for a result type. It keeps the code, not the component.
    fn asking(&self, function: &str, number: usize, kind: FunctionKind) -> AskReturns {
        let (code, function) = (self.code.clone(), function.to_owned());
        Arc::new(move |types: &[ArgumentType], literals: &[Option<Value>]| {
            let arguments: Vec<(Option<String>, Option<String>)> = types
                .iter()
                .enumerate()
                .map(|(i, ty)| {
                    let ty = if let ArgumentType::Sql(ty) = ty { Some(ty.to_string()) } else { None };
                    (ty, literals.get(i).and_then(Option::as_ref).map(literal_text))
                })
                .collect();
            let ty = code.return_type(kind, &function, number, &arguments).map_err(|e| e.to_string())?;
            Ok(if kind == FunctionKind::Table { SqlType::array(ty) } else { ty })
        })
    }

    /// Result type of signature number `signature` of `function` (of a table function: of one row), for arguments of these
    /// types (None: NULL) and, where they are literals, these texts.
    pub fn return_type(
        &self,
        function: &str,
        signature: usize,
        arguments: &[(Option<SqlType>, Option<String>)],
    ) -> Result<SqlType, SandboxError> {
        let described = self.description.function(function).ok_or_else(|| self.no_such("function", function))?;
        let arguments: Vec<(Option<String>, Option<String>)> =
            arguments.iter().map(|(ty, literal)| (ty.as_ref().map(ToString::to_string), literal.clone())).collect();
        self.code.return_type(described.kind, &described.name, signature, &arguments)
    }
}

impl Code {
    fn return_type(
        &self,
        kind: FunctionKind,
        function: &str,
        signature: usize,
        arguments: &[(Option<String>, Option<String>)],
    ) -> Result<SqlType, SandboxError> {
        let missing = || Fault::Error(format!("there is no {} function {function}", kind.as_str()));
        let ask = || -> Result<SqlType, Fault> {
            let mut instance = self.start()?;
            let number = signature as u32;
            let text = match kind {
                FunctionKind::Aggregate => {
                    self.aggregates.as_ref().ok_or_else(missing)?.return_type(&mut instance, function, number, arguments)?
                }
                _ => self.callable(kind).ok_or_else(missing)?.return_type(&mut instance, function, number, arguments)?,
            };
            parse_type(&text).map_err(Fault::Answer)
        };
        ask().map_err(|f| refusal(&format!("plugin {}, function {function}", self.plugin), &f))
    }

    /// Scalar or table functions.
    pub(crate) fn callable(&self, kind: FunctionKind) -> Option<v1::Functions> {
        match kind {
            FunctionKind::Scalar => self.functions.clone().map(v1::Functions::Scalar),
            FunctionKind::Table => self.table_functions.clone().map(v1::Functions::Table),
            FunctionKind::Aggregate => None,
        }
    }
}

/// A literal as a guest sees it.
fn literal_text(value: &Value) -> String {
    match value {
        Value::Varchar(text) => text.clone(),
        Value::Boolean(v) => v.to_string(),
        Value::Integer(v) => v.to_string(),
        Value::Bigint(v) => v.to_string(),
        Value::Double(v) => v.to_string(),
        Value::Decimal(v) => v.to_string(),
        other => format!("{other:?}"),
    }
}
