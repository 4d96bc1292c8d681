//! What the …_FROM_BYTES functions share: the byte order and the length.

use calzone_types::{SqlType, Value};

use crate::evaluate::per_row_of_values;
use crate::{Binding, Scalar, ScalarOverload, Signature};

/// Both overloads, with and without byte order.
pub fn overloads(returns: SqlType, make: fn(&Binding) -> Result<Box<dyn Scalar>, String>) -> Vec<ScalarOverload> {
    let parameters = [("value", SqlType::Bytes), ("byteOrder", SqlType::Varchar)];
    vec![
        ScalarOverload::new("Big endian.", Signature::of(&parameters[..1], returns.clone()), make),
        ScalarOverload::new("With the byte order BIG_ENDIAN or LITTLE_ENDIAN.", Signature::of(&parameters, returns), make),
    ]
}

/// The function that reads N bytes, given in big-endian order.
pub fn instance<const N: usize>(binding: &Binding, read: fn([u8; N]) -> Value) -> Result<Box<dyn Scalar>, String> {
    per_row_of_values(&binding.returns, move |values| {
        let Value::Bytes(bytes) = &values[0] else { return Ok(Value::Null) };
        let little = match values.get(1).and_then(Value::as_str) {
            None | Some("BIG_ENDIAN") => false,
            Some("LITTLE_ENDIAN") => true,
            Some(other) => return Err(format!("The byte order must be BIG_ENDIAN or LITTLE_ENDIAN, not '{other}'.")),
        };
        let mut array: [u8; N] =
            bytes.as_slice().try_into().map_err(|_| format!("{} bytes were given where {N} are needed.", bytes.len()))?;
        if little {
            array.reverse();
        }
        Ok(read(array))
    })
}
