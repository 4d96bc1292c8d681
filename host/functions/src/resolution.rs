//! Chooses one of several signatures for given argument types.
//!
//! First only signatures that take the arguments as they are count; if there is none, those that take them after implicit
//! conversion. Of several, the one that is not variadic wins, then the one with more parameters, then the one with
//! fewer type variables. Two that are still equal make the call ambiguous.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use calzone_types::{SqlType, Value};

use crate::signature::Returns;
use crate::{ArgumentType, ParameterType, ResolveError, Signature};

/// A signature that takes the arguments.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    /// Position of the signature among those given.
    pub overload: usize,
    /// Type of each argument after conversion.
    pub types: Vec<SqlType>,
    variables: Variables,
}

/// Types that the arguments gave the type variables.
type Variables = BTreeMap<char, SqlType>;

/// Chooses a signature. `lambda_outputs` may be shorter than `args`: a missing output fits everything.
pub(crate) fn choose(
    name: &str,
    signatures: &[&Signature],
    args: &[ArgumentType],
    lambda_outputs: &[Option<SqlType>],
) -> Result<Match, ResolveError> {
    for convert in [false, true] {
        let mut matches: Vec<Match> = Vec::new();
        for (overload, signature) in signatures.iter().enumerate() {
            if let Some(found) = match_signature(signature, args, lambda_outputs, convert) {
                matches.push(Match { overload, ..found });
            }
        }
        let rank = |m: &Match| {
            let signature = signatures[m.overload];
            let generic = signature.parameters.iter().filter(|p| has_variables(&p.ty)).count();
            (signature.variadic.is_none(), signature.parameters.len(), Reverse(generic))
        };
        matches.sort_by_key(|m| Reverse(rank(m)));
        let mut ranked = matches.into_iter();
        match (ranked.next(), ranked.next()) {
            (Some(best), Some(second)) if rank(&best) == rank(&second) => {
                return Err(ResolveError(format!(
                    "The call {name}({}) fits several forms of the function equally well. CAST the arguments to the types of one of:\n{}",
                    arguments_text(args),
                    signatures_text(name, signatures)
                )));
            }
            (Some(best), _) => return Ok(best),
            (None, _) => {}
        }
    }
    Err(ResolveError(format!(
        "Function '{name}' cannot be called with ({}). It can be called as:\n{}",
        arguments_text(args),
        signatures_text(name, signatures)
    )))
}

impl Match {
    /// Types of the parameters of the lambda that is argument `argument`.
    pub fn lambda_inputs(&self, signature: &Signature, argument: usize) -> Result<Vec<SqlType>, String> {
        match parameter_of(signature, self.types.len(), argument) {
            Some(ParameterType::Lambda { inputs, .. }) => inputs.iter().map(|input| self.substitute(input)).collect(),
            _ => Err(format!("argument {} is not a lambda", argument + 1)),
        }
    }

    /// The return type.
    pub fn returns(&self, signature: &Signature, args: &[ArgumentType], literals: &[Option<Value>]) -> Result<SqlType, String> {
        match &signature.returns {
            Returns::Type(ty) => self.substitute(ty),
            Returns::Computed(compute) => compute(&self.converted(args), &padded(literals, args.len())),
            Returns::Asked(ask) => ask(&self.converted(args), &padded(literals, args.len())),
        }
    }

    /// Types after conversion. NULLs stay visible: their stand-in types must not take part in the precision of a result.
    fn converted(&self, args: &[ArgumentType]) -> Vec<ArgumentType> {
        args.iter()
            .zip(&self.types)
            .map(|(argument, ty)| match argument {
                ArgumentType::Null => ArgumentType::Null,
                ArgumentType::IntervalUnit => ArgumentType::IntervalUnit,
                _ => ArgumentType::Sql(ty.clone()),
            })
            .collect()
    }

    /// The type with its variables replaced. A variable that only NULLs stand for becomes VARCHAR.
    pub fn substitute(&self, ty: &ParameterType) -> Result<SqlType, String> {
        substitute(ty, &self.variables)
    }
}

fn padded(literals: &[Option<Value>], count: usize) -> Vec<Option<Value>> {
    let mut literals = literals.to_vec();
    literals.resize(count, None);
    literals
}

/// The literal as a value of type `ty`, where that is an implicit conversion of numbers.
pub(crate) fn convert_literal(value: &Value, ty: &SqlType) -> Value {
    match (value, ty) {
        (Value::Integer(v), SqlType::Bigint) => Value::Bigint((*v).into()),
        (Value::Integer(_) | Value::Bigint(_) | Value::Decimal(_), SqlType::Double) => {
            value.as_f64().map_or(Value::Null, Value::Double)
        }
        (Value::Integer(_) | Value::Bigint(_) | Value::Decimal(_), SqlType::Decimal { precision, scale }) => {
            value.to_decimal().and_then(|d| d.fit(*precision, *scale)).map_or(Value::Null, Value::Decimal)
        }
        _ => value.clone(),
    }
}

/// May a value of type `from` stand where `to` is wanted, without CAST?
pub fn converts_implicitly(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::*;
    match (from, to) {
        (a, b) if a == b => true,
        (Integer, Bigint | Double | Decimal { .. })
        | (Bigint, Double | Decimal { .. })
        | (Decimal { .. }, Double | Decimal { .. }) => true,
        (Varchar, Date | Time | Timestamp) => true,
        (Array(a), Array(b)) => converts_implicitly(a, b),
        (Map(ka, va), Map(kb, vb)) => converts_implicitly(ka, kb) && converts_implicitly(va, vb),
        _ => false,
    }
}

/// Position of the parameter that argument `argument` of `count` goes to, where the counts fit.
pub(crate) fn parameter_position(signature: &Signature, count: usize, argument: usize) -> Option<usize> {
    let parameters = signature.parameters.len();
    match signature.variadic {
        None => (count == parameters).then_some(argument),
        Some(_) if count + 1 < parameters => None,
        Some(variadic) => {
            let repeated = count + 1 - parameters;
            Some(if argument < variadic {
                argument
            } else if argument < variadic + repeated {
                variadic
            } else {
                argument + 1 - repeated
            })
        }
    }
}

fn parameter_of(signature: &Signature, count: usize, argument: usize) -> Option<&ParameterType> {
    signature.parameters.get(parameter_position(signature, count, argument)?).map(|p| &p.ty)
}

fn match_signature(
    signature: &Signature,
    args: &[ArgumentType],
    lambda_outputs: &[Option<SqlType>],
    convert: bool,
) -> Option<Match> {
    if args.is_empty() && signature.parameters.len() > usize::from(signature.variadic.is_some()) {
        return None;
    }
    let parameters: Vec<&ParameterType> =
        (0..args.len()).map(|i| parameter_of(signature, args.len(), i)).collect::<Option<_>>()?;
    let mut variables = Variables::new();
    for (parameter, argument) in parameters.iter().zip(args) {
        let accepted = match (parameter, argument) {
            (ParameterType::Lambda { inputs, .. }, ArgumentType::Lambda(count)) => inputs.len() == *count,
            (ParameterType::IntervalUnit, ArgumentType::IntervalUnit) => true,
            (ParameterType::Lambda { .. } | ParameterType::IntervalUnit, _) => false,
            (_, ArgumentType::Lambda(_) | ArgumentType::IntervalUnit) => false,
            (_, ArgumentType::Null) => true,
            (parameter, ArgumentType::Sql(ty)) => accept(parameter, ty, convert, &mut variables),
        };
        if !accepted {
            return None;
        }
    }
    // Lambdas come last: their inputs are made of what the other arguments bound, and their bodies were typed with that.
    for (i, parameter) in parameters.iter().enumerate() {
        if let ParameterType::Lambda { output, .. } = parameter
            && let Some(actual) = lambda_outputs.get(i).and_then(Option::as_ref)
        {
            match substitute_bound(output, &variables) {
                Some(wanted) if wanted == *actual => {}
                Some(wanted) if convert && converts_implicitly(actual, &wanted) => {}
                Some(_) => return None,
                None if accept(output, actual, convert, &mut variables) => {}
                None => return None,
            }
        }
    }
    let mut types = Vec::with_capacity(args.len());
    for (i, (parameter, argument)) in parameters.iter().zip(args).enumerate() {
        types.push(match (parameter, argument) {
            (ParameterType::Lambda { output, .. }, _) => match lambda_outputs.get(i).and_then(Option::as_ref) {
                Some(actual) => substitute_bound(output, &variables).unwrap_or_else(|| actual.clone()),
                None => substitute(output, &variables).ok()?,
            },
            (ParameterType::IntervalUnit, _) => SqlType::Varchar,
            (parameter, ArgumentType::Sql(ty)) => converted(parameter, ty, &variables)?,
            (parameter, _) => substitute(parameter, &variables).ok()?,
        });
    }
    Some(Match { overload: 0, types, variables })
}

/// The type that an accepted argument is converted to: its own wherever the parameter leaves it open.
fn converted(parameter: &ParameterType, actual: &SqlType, variables: &Variables) -> Option<SqlType> {
    match (parameter, actual) {
        (ParameterType::Any | ParameterType::AnyStruct, ty) => Some(ty.clone()),
        (ParameterType::AnyDecimal, ty) => as_decimal(ty),
        (ParameterType::Array(parameter), SqlType::Array(element)) => {
            Some(SqlType::array(converted(parameter, element, variables)?))
        }
        (ParameterType::Map(key, value), SqlType::Map(actual_key, actual_value)) => {
            Some(SqlType::map(converted(key, actual_key, variables)?, converted(value, actual_value, variables)?))
        }
        (parameter, _) => substitute(parameter, variables).ok(),
    }
}

/// Does the parameter take the type? Binds type variables on the way.
fn accept(parameter: &ParameterType, ty: &SqlType, convert: bool, variables: &mut Variables) -> bool {
    match (parameter, ty) {
        (ParameterType::Any, _) => true,
        (ParameterType::Sql(wanted), ty) => wanted == ty || (convert && converts_implicitly(ty, wanted)),
        (ParameterType::AnyDecimal, SqlType::Decimal { .. }) => true,
        (ParameterType::AnyDecimal, SqlType::Integer | SqlType::Bigint) => convert,
        (ParameterType::AnyStruct, SqlType::Struct(_)) => true,
        (ParameterType::Generic(variable), ty) => match variables.get(variable) {
            None => {
                variables.insert(*variable, ty.clone());
                true
            }
            Some(bound) if bound == ty => true,
            Some(bound) if convert => match widen(bound, ty) {
                Some(wide) => {
                    variables.insert(*variable, wide);
                    true
                }
                None => false,
            },
            Some(_) => false,
        },
        (ParameterType::Array(element), SqlType::Array(actual)) => accept(element, actual, convert, variables),
        (ParameterType::Map(key, value), SqlType::Map(actual_key, actual_value)) => {
            accept(key, actual_key, convert, variables) && accept(value, actual_value, convert, variables)
        }
        _ => false,
    }
}

/// The narrowest type that both convert to.
pub fn widen(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    if let (Some(SqlType::Decimal { precision: pa, scale: sa }), Some(SqlType::Decimal { precision: pb, scale: sb })) =
        (as_decimal(a), as_decimal(b))
        && (matches!(a, SqlType::Decimal { .. }) || matches!(b, SqlType::Decimal { .. }))
    {
        let scale = sa.max(sb);
        let whole = pa.saturating_sub(sa).max(pb.saturating_sub(sb));
        return Some(SqlType::decimal((whole + scale).min(calzone_types::sql_type::DECIMAL_PRECISION_MAX), scale));
    }
    if let (SqlType::Array(a), SqlType::Array(b)) = (a, b) {
        return Some(SqlType::array(widen(a, b)?));
    }
    if converts_implicitly(a, b) {
        return Some(b.clone());
    }
    converts_implicitly(b, a).then(|| a.clone())
}

/// The decimal type that holds every value of an exact numeric type.
fn as_decimal(ty: &SqlType) -> Option<SqlType> {
    match ty {
        SqlType::Decimal { .. } => Some(ty.clone()),
        SqlType::Integer => Some(SqlType::decimal(10, 0)),
        SqlType::Bigint => Some(SqlType::decimal(19, 0)),
        _ => None,
    }
}

fn has_variables(ty: &ParameterType) -> bool {
    match ty {
        ParameterType::Generic(_) => true,
        ParameterType::Array(element) => has_variables(element),
        ParameterType::Map(key, value) => has_variables(key) || has_variables(value),
        ParameterType::Lambda { inputs, output } => inputs.iter().any(has_variables) || has_variables(output),
        _ => false,
    }
}

/// The type, if all its variables are bound.
fn substitute_bound(ty: &ParameterType, variables: &Variables) -> Option<SqlType> {
    match ty {
        ParameterType::Sql(ty) => Some(ty.clone()),
        ParameterType::Generic(variable) => variables.get(variable).cloned(),
        ParameterType::Array(element) => Some(SqlType::array(substitute_bound(element, variables)?)),
        ParameterType::Map(key, value) => {
            Some(SqlType::map(substitute_bound(key, variables)?, substitute_bound(value, variables)?))
        }
        ParameterType::IntervalUnit => Some(SqlType::Varchar),
        ParameterType::Any | ParameterType::AnyDecimal | ParameterType::AnyStruct | ParameterType::Lambda { .. } => None,
    }
}

fn substitute(ty: &ParameterType, variables: &Variables) -> Result<SqlType, String> {
    Ok(match ty {
        ParameterType::Sql(ty) => ty.clone(),
        ParameterType::Generic(variable) => variables.get(variable).cloned().unwrap_or(SqlType::Varchar),
        ParameterType::Array(element) => SqlType::array(substitute(element, variables)?),
        ParameterType::Map(key, value) => SqlType::map(substitute(key, variables)?, substitute(value, variables)?),
        ParameterType::Any | ParameterType::IntervalUnit => SqlType::Varchar,
        ParameterType::AnyDecimal => SqlType::decimal(1, 0),
        ParameterType::AnyStruct => SqlType::structure([]),
        ParameterType::Lambda { output, .. } => substitute(output, variables)?,
    })
}

/// `STRING, INTEGER, null, LAMBDA(x, y)` for messages.
fn arguments_text(args: &[ArgumentType]) -> String {
    let texts: Vec<String> = args
        .iter()
        .map(|a| match a {
            ArgumentType::Sql(ty) => ty.to_string(),
            ArgumentType::Null => "null".into(),
            ArgumentType::Lambda(count) => format!("LAMBDA of {count}"),
            ArgumentType::IntervalUnit => "INTERVALUNIT".into(),
        })
        .collect();
    texts.join(", ")
}

fn signatures_text(name: &str, signatures: &[&Signature]) -> String {
    signatures.iter().map(|s| format!("  {name}{s}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameter;

    const INT: SqlType = SqlType::Integer;
    const LONG: SqlType = SqlType::Bigint;
    const DOUBLE: SqlType = SqlType::Double;
    const TEXT: SqlType = SqlType::Varchar;

    fn t() -> ParameterType {
        ParameterType::Generic('T')
    }

    /// Parameters, position of the variadic one, return type.
    fn signature(parameters: &[ParameterType], variadic: Option<usize>, returns: ParameterType) -> Signature {
        let parameters = parameters.iter().map(|ty| Parameter::new("", ty.clone(), "")).collect();
        Signature { parameters, variadic, returns: Returns::Type(returns) }
    }

    fn fixed(types: &[SqlType]) -> Signature {
        signature(&types.iter().cloned().map(ParameterType::Sql).collect::<Vec<_>>(), None, TEXT.into())
    }

    fn sql(types: &[SqlType]) -> Vec<ArgumentType> {
        types.iter().cloned().map(ArgumentType::Sql).collect()
    }

    /// Which overload, and the types after conversion.
    fn chosen(signatures: &[Signature], args: &[ArgumentType]) -> Result<(usize, Vec<SqlType>), String> {
        let all: Vec<&Signature> = signatures.iter().collect();
        choose("F", &all, args, &[]).map(|m| (m.overload, m.types)).map_err(|e| e.to_string())
    }

    #[test]
    fn exact_types_win_over_conversions() {
        let overloads = [fixed(&[INT]), fixed(&[LONG]), fixed(&[DOUBLE])];
        assert_eq!(chosen(&overloads, &sql(&[LONG])), Ok((1, vec![LONG])));
        assert_eq!(chosen(&overloads, &sql(&[SqlType::decimal(4, 2)])), Ok((2, vec![DOUBLE])));
        assert_eq!(chosen(&overloads[1..2], &sql(&[INT])), Ok((0, vec![LONG])));
        assert_eq!(chosen(&[fixed(&[SqlType::Date])], &sql(&[TEXT])), Ok((0, vec![SqlType::Date])));
        assert!(chosen(&overloads[1..], &sql(&[INT])).is_err_and(|e| e.contains("equally well")));
        assert!(chosen(&overloads, &[ArgumentType::Null]).is_err_and(|e| e.contains("equally well")));
        assert!(chosen(&overloads, &sql(&[TEXT])).is_err_and(|e| e.contains("cannot be called with (STRING)")));
    }

    #[test]
    fn variadic_parameters_stand_anywhere() {
        let middle = signature(&[LONG.into(), TEXT.into(), INT.into()], Some(1), LONG.into());
        let call = |types: &[SqlType]| chosen(std::slice::from_ref(&middle), &sql(types)).is_ok();
        assert!(call(&[LONG, INT]));
        assert!(call(&[LONG, TEXT, TEXT, INT]));
        assert!(!call(&[LONG, INT, INT]));
        assert!(!call(&[LONG]));
        let overloads = [signature(&[TEXT.into()], Some(0), TEXT.into()), fixed(&[TEXT, TEXT])];
        assert_eq!(chosen(&overloads, &sql(&[TEXT, TEXT])).map(|c| c.0), Ok(1));
        assert_eq!(chosen(&overloads, &sql(&[TEXT; 3])).map(|c| c.0), Ok(0));
        assert_eq!(chosen(&overloads, &[]).map(|c| c.0), Ok(0));
    }

    #[test]
    fn type_variables_are_one_type() {
        let same = [signature(&[t(), t()], None, t())];
        assert_eq!(chosen(&same, &sql(&[TEXT, TEXT])), Ok((0, vec![TEXT, TEXT])));
        assert_eq!(chosen(&same, &sql(&[INT, LONG])), Ok((0, vec![LONG, LONG])));
        let decimal = SqlType::decimal;
        assert_eq!(chosen(&same, &sql(&[decimal(5, 1), decimal(4, 3)])), Ok((0, vec![decimal(7, 3); 2])));
        assert_eq!(chosen(&same, &[ArgumentType::Null, ArgumentType::Sql(INT)]), Ok((0, vec![INT, INT])));
        assert!(chosen(&same, &sql(&[INT, TEXT])).is_err());
        let overloads = [same[0].clone(), fixed(&[TEXT, TEXT])];
        assert_eq!(chosen(&overloads, &sql(&[TEXT, TEXT])).map(|c| c.0), Ok(1));
    }

    #[test]
    fn lambdas_are_typed_by_the_other_arguments() {
        let s = ParameterType::Generic('S');
        let lambda = ParameterType::Lambda { inputs: vec![s.clone(), t()], output: Box::new(s.clone()) };
        let reduce = signature(&[ParameterType::Array(Box::new(t())), s.clone(), lambda], None, s);
        let mut args = sql(&[SqlType::array(INT), LONG]);
        args.push(ArgumentType::Lambda(2));
        let first = choose("F", &[&reduce], &args, &[]).expect("fits");
        assert_eq!(first.lambda_inputs(&reduce, 2), Ok(vec![LONG, INT]));
        assert!(first.lambda_inputs(&reduce, 1).is_err());
        let with_body = |body: SqlType| choose("F", &[&reduce], &args, &[None, None, Some(body)]);
        assert_eq!(with_body(INT).map(|m| m.types[2].clone()), Ok(LONG));
        assert!(with_body(DOUBLE).is_err());
        args[2] = ArgumentType::Lambda(1);
        assert!(choose("F", &[&reduce], &args, &[]).is_err());
    }
}
