//! What LPAD and RPAD share: how much padding there is.

use calzone_types::{SqlType, Value};

use super::utf16;
use crate::evaluate::per_row_of_values;
use crate::{Binding, Scalar, ScalarOverload, Signature};

/// Longest text or bytes that padding makes: more than a record of Kafka holds by default.
const LENGTH_MAX: usize = 4 << 20;

/// Both overloads of a padding function: of texts and of bytes.
pub fn overloads(left: bool) -> Vec<ScalarOverload> {
    let signature =
        |ty: SqlType| Signature::of(&[("input", ty.clone()), ("targetLen", SqlType::Integer), ("padding", ty.clone())], ty);
    [SqlType::Varchar, SqlType::Bytes]
        .into_iter()
        .map(|ty| {
            let make: fn(&Binding) -> Result<Box<dyn Scalar>, String> = if left {
                |binding| per_row_of_values(&binding.returns, |values| pad(values, true))
            } else {
                |binding| per_row_of_values(&binding.returns, |values| pad(values, false))
            };
            ScalarOverload::new("", signature(ty), make)
        })
        .collect()
}

fn pad(values: &[Value], left: bool) -> Result<Value, String> {
    let Some(target) = values[1].as_i64().and_then(|n| usize::try_from(n).ok()) else { return Ok(Value::Null) };
    if target > LENGTH_MAX {
        return Err(format!("The target length is {target}; at most {LENGTH_MAX} is allowed."));
    }
    Ok(match (&values[0], &values[2]) {
        (Value::Varchar(input), Value::Varchar(padding)) if !padding.is_empty() => {
            let length = utf16::length(input);
            if length >= target {
                return Ok(Value::from(&input[..utf16::byte_position(input, target)]));
            }
            let mut fill = String::new();
            let mut missing = target - length;
            for c in padding.chars().cycle() {
                if missing < c.len_utf16() {
                    break;
                }
                missing -= c.len_utf16();
                fill.push(c);
            }
            Value::Varchar(if left { fill + input } else { input.clone() + &fill })
        }
        (Value::Bytes(input), Value::Bytes(padding)) if !padding.is_empty() => {
            if input.len() >= target {
                return Ok(Value::Bytes(input[..target].to_vec()));
            }
            let mut fill: Vec<u8> = padding.iter().copied().cycle().take(target - input.len()).collect();
            Value::Bytes(if left {
                fill.extend_from_slice(input);
                fill
            } else {
                [input.as_slice(), &fill].concat()
            })
        }
        _ => Value::Null,
    })
}
