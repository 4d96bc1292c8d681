//! Finds functions by name and argument types.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use calzone_types::{SqlType, Value};

use crate::definition::{AggregateImplementation, FunctionDefinition};
use crate::resolution::{self, Match};
use crate::{AggregateDefinition, ArgumentType, Binding, Implementation, ScalarDefinition};

/// All functions that statements can name. Cheap to clone: a catalog snapshot holds one.
#[derive(Clone, Default)]
pub struct Registry {
    scalars: Arc<HashMap<String, Arc<ScalarDefinition>>>,
    tables: Arc<HashMap<String, Arc<ScalarDefinition>>>,
    aggregates: Arc<HashMap<String, Arc<AggregateDefinition>>>,
}

/// A scalar or table function chosen for given argument types.
#[derive(Clone)]
pub struct ResolvedScalar {
    pub name: Arc<str>,
    pub binding: Binding,
    pub implementation: Implementation,
}

/// An aggregate function chosen for given argument types.
#[derive(Clone)]
pub struct ResolvedAggregate {
    pub name: Arc<str>,
    /// Types of the column arguments only.
    pub binding: Binding,
    pub init: Vec<Value>,
    pub implementation: AggregateImplementation,
    pub can_retract: bool,
    /// Type of the stored state.
    pub state_type: SqlType,
}

/// What kind of function a name is, as `SHOW FUNCTIONS` and `DESCRIBE FUNCTION` print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FunctionKind {
    Scalar,
    Table,
    Aggregate,
}

impl FunctionKind {
    /// `SCALAR`, `TABLE` or `AGGREGATE`.
    pub fn as_str(self) -> &'static str {
        match self {
            FunctionKind::Scalar => "SCALAR",
            FunctionKind::Table => "TABLE",
            FunctionKind::Aggregate => "AGGREGATE",
        }
    }
}

/// One line of `SHOW FUNCTIONS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionName<'a> {
    pub name: &'a str,
    pub kind: FunctionKind,
    pub category: &'a str,
}

/// Why no function was found. `Display` says what to do (lists the signatures there are, similar names).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ResolveError(pub String);

impl Registry {
    /// With every built-in function.
    pub fn built_in() -> Registry {
        let mut registry = Registry::default();
        crate::scalar::definitions().into_iter().for_each(|definition| registry.add_scalar(definition));
        crate::table::definitions().into_iter().for_each(|definition| registry.add_table(definition));
        crate::aggregate::definitions().into_iter().for_each(|definition| registry.add_aggregate(definition));
        registry
    }

    /// Adds a scalar function, in place of an older one of that name.
    pub fn add_scalar(&mut self, definition: ScalarDefinition) {
        Arc::make_mut(&mut self.scalars).insert(definition.name.to_uppercase(), Arc::new(definition));
    }

    /// Adds a table function, in place of an older one of that name.
    pub fn add_table(&mut self, definition: ScalarDefinition) {
        Arc::make_mut(&mut self.tables).insert(definition.name.to_uppercase(), Arc::new(definition));
    }

    /// Adds an aggregate function, in place of an older one of that name.
    pub fn add_aggregate(&mut self, definition: AggregateDefinition) {
        Arc::make_mut(&mut self.aggregates).insert(definition.name.to_uppercase(), Arc::new(definition));
    }

    /// Adds a function of any kind, in place of an older one of that name and kind.
    pub fn add(&mut self, definition: FunctionDefinition) {
        match definition {
            FunctionDefinition::Scalar(definition) => self.add_scalar(definition),
            FunctionDefinition::Table(definition) => self.add_table(definition),
            FunctionDefinition::Aggregate(definition) => self.add_aggregate(definition),
        }
    }

    /// The function of that name, of whatever kind, in any case of letters.
    pub fn function(&self, name: &str) -> Option<FunctionDefinition> {
        let scalar = self.scalar(name).map(|d| FunctionDefinition::Scalar((**d).clone()));
        let table = || self.table(name).map(|d| FunctionDefinition::Table((**d).clone()));
        scalar.or_else(table).or_else(|| self.aggregate(name).map(|d| FunctionDefinition::Aggregate((**d).clone())))
    }

    /// Takes every function of that name away. Says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let name = name.to_uppercase();
        let scalar = Arc::make_mut(&mut self.scalars).remove(&name).is_some();
        let table = Arc::make_mut(&mut self.tables).remove(&name).is_some();
        let aggregate = Arc::make_mut(&mut self.aggregates).remove(&name).is_some();
        scalar || table || aggregate
    }

    /// The scalar function of that name, in any case of letters.
    pub fn scalar(&self, name: &str) -> Option<&Arc<ScalarDefinition>> {
        self.scalars.get(&name.to_uppercase())
    }

    /// The table function of that name, in any case of letters.
    pub fn table(&self, name: &str) -> Option<&Arc<ScalarDefinition>> {
        self.tables.get(&name.to_uppercase())
    }

    /// The aggregate function of that name, in any case of letters.
    pub fn aggregate(&self, name: &str) -> Option<&Arc<AggregateDefinition>> {
        self.aggregates.get(&name.to_uppercase())
    }

    /// Every function, by name.
    pub fn names(&self) -> Vec<FunctionName<'_>> {
        let scalars = self.scalars.values().map(|d| (FunctionKind::Scalar, d));
        let tables = self.tables.values().map(|d| (FunctionKind::Table, d));
        let mut names: Vec<FunctionName<'_>> =
            scalars.chain(tables).map(|(kind, d)| FunctionName { name: &d.name, kind, category: &d.category }).collect();
        names.extend(self.aggregates.values().map(|d| FunctionName {
            name: &d.name,
            kind: FunctionKind::Aggregate,
            category: "AGGREGATE",
        }));
        names.sort_unstable();
        names
    }

    /// Types of the parameters of the lambda that is argument `lambda`, given the types of the other arguments.
    pub fn lambda_inputs(&self, name: &str, args: &[ArgumentType], lambda: usize) -> Result<Vec<SqlType>, ResolveError> {
        let definition = self.scalar(name).or_else(|| self.table(name)).ok_or_else(|| self.unknown(name))?;
        let signatures: Vec<_> = definition.overloads.iter().map(|o| &o.signature).collect();
        let found = resolution::choose(&definition.name, &signatures, args, &[])?;
        found.lambda_inputs(signatures[found.overload], lambda).map_err(|reason| ResolveError(format!("{name}: {reason}")))
    }

    /// Chooses the overload of a scalar function.
    ///
    /// `lambda_outputs[i]` is the type of the body of the lambda in argument i, `literals[i]` the value of argument i where
    /// it is a literal, `properties` all settings; those that begin with `ksql.functions.` reach the function.
    pub fn resolve_scalar(
        &self,
        name: &str,
        args: &[ArgumentType],
        lambda_outputs: &[Option<SqlType>],
        literals: &[Option<Value>],
        properties: &BTreeMap<String, String>,
    ) -> Result<ResolvedScalar, ResolveError> {
        let definition = self.scalar(name).ok_or_else(|| self.unknown(name))?;
        resolve(definition, args, lambda_outputs, literals, properties)
    }

    /// Chooses the overload of a table function. `binding.returns` is the type of one row.
    pub fn resolve_table(
        &self,
        name: &str,
        args: &[ArgumentType],
        lambda_outputs: &[Option<SqlType>],
        literals: &[Option<Value>],
        properties: &BTreeMap<String, String>,
    ) -> Result<ResolvedScalar, ResolveError> {
        let definition = self.table(name).ok_or_else(|| self.unknown(name))?;
        resolve(definition, args, lambda_outputs, literals, properties)
    }

    /// Chooses the overload of an aggregate function and splits its arguments into columns and init literals.
    pub fn resolve_aggregate(
        &self,
        name: &str,
        args: &[ArgumentType],
        literals: &[Option<Value>],
        properties: &BTreeMap<String, String>,
    ) -> Result<ResolvedAggregate, ResolveError> {
        let definition = self.aggregate(name).ok_or_else(|| self.unknown(name))?;
        let signatures: Vec<_> = definition.overloads.iter().map(|o| &o.signature).collect();
        let found = resolution::choose(&definition.name, &signatures, args, &[])?;
        let overload = &definition.overloads[found.overload];
        let returns = returns_of(&definition.name, &found, &overload.signature, args, literals)?;
        let signature = &overload.signature;
        let first_init = signature.parameters.len().saturating_sub(overload.init_parameters);
        let is_column = |i: &usize| resolution::parameter_position(signature, args.len(), *i).is_some_and(|p| p < first_init);
        let columns = (0..args.len()).take_while(is_column).count();
        let mut init = Vec::with_capacity(args.len() - columns);
        for (i, ty) in found.types.iter().enumerate().skip(columns) {
            let literal = match (&args[i], literals.get(i).and_then(Option::as_ref)) {
                (_, Some(value)) => resolution::convert_literal(value, ty),
                (ArgumentType::Null, None) => Value::Null,
                _ => {
                    let text = format!("Argument {} of {} must be a literal.", i + 1, definition.name);
                    return Err(ResolveError(text));
                }
            };
            init.push(literal);
        }
        let mut binding = Binding {
            arguments: found.types[..columns].to_vec(),
            returns,
            properties: function_properties(&definition.name, properties),
        };
        let (can_retract, state_type) = match &overload.implementation {
            AggregateImplementation::BuiltIn(make) => {
                let aggregate = make(&binding, &init).map_err(|reason| ResolveError(format!("{}: {reason}", definition.name)))?;
                binding.returns = aggregate.result_type();
                (aggregate.can_retract(), aggregate.state_type())
            }
            AggregateImplementation::Plugin { state, can_retract, .. } => {
                let state = found.substitute(state).map_err(|reason| ResolveError(format!("{}: {reason}", definition.name)))?;
                (*can_retract, state)
            }
        };
        let implementation = overload.implementation.clone();
        Ok(ResolvedAggregate { name: definition.name.as_str().into(), binding, init, implementation, can_retract, state_type })
    }

    /// What to say when there is no function of that name.
    fn unknown(&self, name: &str) -> ResolveError {
        let wanted = name.to_uppercase();
        let mut similar: Vec<(usize, &str)> = self
            .names()
            .iter()
            .map(|f| (edit_distance(&wanted, f.name), f.name))
            .filter(|(distance, candidate)| *distance <= 2 || (wanted.len() >= 4 && candidate.contains(&wanted)))
            .collect();
        similar.sort_unstable();
        similar.dedup();
        let names: Vec<&str> = similar.iter().take(3).map(|(_, name)| *name).collect();
        let hint = if names.is_empty() { String::new() } else { format!(" Did you mean {}?", names.join(" or ")) };
        ResolveError(format!("There is no function named '{name}'.{hint} SHOW FUNCTIONS lists all functions."))
    }
}

fn resolve(
    definition: &ScalarDefinition,
    args: &[ArgumentType],
    lambda_outputs: &[Option<SqlType>],
    literals: &[Option<Value>],
    properties: &BTreeMap<String, String>,
) -> Result<ResolvedScalar, ResolveError> {
    let signatures: Vec<_> = definition.overloads.iter().map(|o| &o.signature).collect();
    let found = resolution::choose(&definition.name, &signatures, args, lambda_outputs)?;
    let overload = &definition.overloads[found.overload];
    let returns = returns_of(&definition.name, &found, &overload.signature, args, literals)?;
    let binding = Binding { arguments: found.types, returns, properties: function_properties(&definition.name, properties) };
    Ok(ResolvedScalar { name: definition.name.as_str().into(), binding, implementation: overload.implementation.clone() })
}

fn returns_of(
    name: &str,
    found: &Match,
    signature: &crate::Signature,
    args: &[ArgumentType],
    literals: &[Option<Value>],
) -> Result<SqlType, ResolveError> {
    found.returns(signature, args, literals).map_err(|reason| ResolveError(format!("{name}: {reason}")))
}

/// Settings that reach a function: those for all functions first, then its own over them.
fn function_properties(name: &str, properties: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut own = BTreeMap::new();
    for prefix in ["ksql.functions._global_.".to_owned(), format!("ksql.functions.{}.", name.to_lowercase())] {
        for (key, value) in properties {
            if let (Some(head), Some(tail)) = (key.get(..prefix.len()), key.get(prefix.len()..))
                && head.eq_ignore_ascii_case(&prefix)
            {
                own.insert(tail.to_owned(), value.clone());
            }
        }
    }
    own
}

/// Levenshtein distance, by characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut current = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = previous[j] + usize::from(x != *y);
            current.push(replaced.min(previous[j + 1] + 1).min(current[j] + 1));
        }
        previous = current;
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(types: &[SqlType]) -> Vec<ArgumentType> {
        types.iter().cloned().map(ArgumentType::Sql).collect()
    }

    #[test]
    fn names_have_no_case_and_unknown_ones_get_a_hint() {
        let registry = Registry::built_in();
        assert!(registry.scalar("uCaSe").is_some());
        let error = registry.resolve_scalar("UCAS", &[], &[], &[], &BTreeMap::new()).err().expect("no such function");
        assert!(error.0.contains("UCASE"), "{error}");
    }

    #[test]
    fn every_overload_is_reached_by_its_own_types_and_can_be_made() {
        use crate::{Implementation, ParameterType};
        let registry = Registry::built_in();
        let sample = |ty: &ParameterType| match ty {
            ParameterType::Sql(ty) => Some(ArgumentType::Sql(ty.clone())),
            ParameterType::AnyDecimal => Some(ArgumentType::Sql(SqlType::decimal(10, 2))),
            ParameterType::AnyStruct => Some(ArgumentType::Sql(SqlType::structure([]))),
            ParameterType::Any | ParameterType::Generic(_) => Some(ArgumentType::Sql(SqlType::Varchar)),
            ParameterType::IntervalUnit => Some(ArgumentType::IntervalUnit),
            ParameterType::Array(_) | ParameterType::Map(..) | ParameterType::Lambda { .. } => None,
        };
        for definition in registry.scalars.values() {
            assert_eq!(definition.name, definition.name.to_uppercase());
            assert!(!definition.description.is_empty() && !definition.category.is_empty(), "{}", definition.name);
            for overload in &definition.overloads {
                let Some(args) = overload.signature.parameters.iter().map(|p| sample(&p.ty)).collect::<Option<Vec<_>>>() else {
                    continue;
                };
                let resolved = registry.resolve_scalar(&definition.name, &args, &[], &[], &BTreeMap::new());
                let resolved = resolved.unwrap_or_else(|e| panic!("{e}"));
                if let Implementation::BuiltIn(make) = resolved.implementation {
                    assert!(make(&resolved.binding).is_ok(), "{}{}", definition.name, overload.signature);
                }
            }
        }
    }

    #[test]
    fn settings_of_a_function_win_over_global_ones() {
        let settings = [
            ("ksql.functions._global_.a", "1"),
            ("ksql.functions._global_.b", "2"),
            ("ksql.functions.substring.b", "3"),
            ("ksql.functions.other.c", "4"),
        ];
        let settings = settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let arguments = sql(&[SqlType::Varchar, SqlType::Integer]);
        let resolved = Registry::built_in().resolve_scalar("substring", &arguments, &[], &[], &settings).expect("resolves");
        let seen: Vec<(&str, &str)> = resolved.binding.properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(seen, [("a", "1"), ("b", "3")]);
    }
}
