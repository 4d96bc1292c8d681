//! `GENERATE_SERIES`.

use calzone_types::{SqlType, Value};

use crate::evaluate::per_row;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

/// Most elements of one series: a slip in a bound should cost a row, not the server's memory.
const ELEMENTS_MAX: i128 = 1_000_000;

pub fn definition() -> ScalarDefinition {
    let description = "The numbers from one to another, both included, in steps (of 1 or -1 if no step is given).";
    let mut overloads = Vec::new();
    for ty in [SqlType::Integer, SqlType::Bigint] {
        let bounds = vec![Parameter::new("start", ty.clone(), "first number"), Parameter::new("end", ty.clone(), "last number")];
        let mut stepped = bounds.clone();
        stepped.push(Parameter::new("step", SqlType::Integer, "difference of neighbours, not 0"));
        for parameters in [bounds, stepped] {
            let signature = Signature::new(parameters, SqlType::array(ty.clone()).into());
            overloads.push(ScalarOverload::new(description, signature, |binding| {
                let bigint = binding.arguments.first() == Some(&SqlType::Bigint);
                per_row(&binding.returns, move |arguments| evaluate(arguments, bigint))
            }));
        }
    }
    let examples = [("GENERATE_SERIES(1, 3)", "[1,2,3]"), ("GENERATE_SERIES(9, 0, -3)", "[9,6,3,0]")];
    ScalarDefinition::built_in("GENERATE_SERIES", "ARRAY", description, overloads, &examples)
}

fn evaluate(arguments: &[Value], bigint: bool) -> Result<Value, String> {
    let (Some(start), Some(end)) = (arguments[0].as_i64(), arguments[1].as_i64()) else { return Ok(Value::Null) };
    let step = match arguments.get(2) {
        None => {
            if end >= start {
                1
            } else {
                -1
            }
        }
        Some(step) => match step.as_i64() {
            Some(step) => step,
            None => return Ok(Value::Null),
        },
    };
    if step == 0 {
        return Err("The step of a series must not be 0.".into());
    }
    let distance = i128::from(end) - i128::from(start);
    if distance != 0 && (distance > 0) != (step > 0) {
        return Err(format!("A series from {start} to {end} cannot have the step {step}: its sign leads away from the end."));
    }
    let count = distance / i128::from(step) + 1;
    if count > ELEMENTS_MAX {
        return Err(format!("The series from {start} to {end} would have {count} elements; at most {ELEMENTS_MAX} are allowed."));
    }
    let number = |i: i128| {
        let value = (i128::from(start) + i * i128::from(step)) as i64;
        if bigint { Value::Bigint(value) } else { Value::Integer(value as i32) }
    };
    Ok(Value::Array((0..count).map(number).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_end_within_their_bounds() {
        let series = |numbers: &[i32]| {
            let arguments: Vec<Value> = numbers.iter().map(|n| Value::Integer(*n)).collect();
            evaluate(&arguments, false)
        };
        let ints = |numbers: &[i32]| Ok(Value::Array(numbers.iter().map(|n| Value::Integer(*n)).collect()));
        assert_eq!(series(&[4, 3]), ints(&[4, 3]));
        assert_eq!(series(&[1, -2, -2]), ints(&[1, -1]));
        assert_eq!(series(&[1, 1, -2]), ints(&[1]));
        assert!(series(&[0, 5, 0]).is_err());
        assert!(series(&[0, 5, -1]).is_err());
        assert!(series(&[i32::MIN, i32::MAX]).is_err());
    }
}
