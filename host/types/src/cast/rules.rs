//! Which types convert to which.

use crate::cast::ArithmeticOp;
use crate::sql_type::DECIMAL_PRECISION_MAX;
use crate::{Field, SqlType};

/// Digits after the point that a division keeps at least, and that capping a precision never takes away.
const DIVISION_SCALE_MIN: u16 = 6;

/// May `from` be CAST to `to`?
pub fn can_cast(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::*;
    if from == to {
        return true;
    }
    match (from, to) {
        (Array(a), Array(b)) => can_cast(a, b),
        (Map(ka, va), Map(kb, vb)) => can_cast(ka, kb) && can_cast(va, vb),
        // Fields are matched by name; a field that only the target has becomes null.
        (Struct(a), Struct(b)) => b.iter().all(|f| field_of(a, &f.name).is_none_or(|g| can_cast(&g.ty, &f.ty))),
        (_, Varchar) => true,
        (Varchar, to) => !to.is_nested(),
        (a, b) if a.is_numeric() && b.is_numeric() => true,
        (Integer | Bigint, Timestamp | Date | Time) | (Timestamp | Date | Time, Bigint) | (Date | Time, Integer) => true,
        (Timestamp, Date | Time) | (Date, Timestamp) => true,
        _ => false,
    }
}

/// Does `from` convert to `to` without a CAST: INTEGER → BIGINT → DECIMAL → DOUBLE, and nested types elementwise.
/// Any DECIMAL converts to any other as far as this rule goes; digits that do not fit are an error of the row.
pub fn can_coerce(from: &SqlType, to: &SqlType) -> bool {
    if from == to {
        return true;
    }
    match (from, to) {
        (SqlType::Array(a), SqlType::Array(b)) => can_coerce(a, b),
        (SqlType::Map(ka, va), SqlType::Map(kb, vb)) => can_coerce(ka, kb) && can_coerce(va, vb),
        (SqlType::Struct(a), SqlType::Struct(b)) => {
            b.iter().all(|f| field_of(a, &f.name).is_none_or(|g| can_coerce(&g.ty, &f.ty)))
        }
        (a, b) => matches!((width(a), width(b)), (Some(a), Some(b)) if a <= b),
    }
}

/// The type that both convert to implicitly, as the elements of an array or the branches of a CASE must.
/// Structs give the union of their fields, those of `a` first.
pub fn common_type(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (SqlType::Array(a), SqlType::Array(b)) => Some(SqlType::array(common_type(a, b)?)),
        (SqlType::Map(ka, va), SqlType::Map(kb, vb)) => Some(SqlType::map(common_type(ka, kb)?, common_type(va, vb)?)),
        (SqlType::Struct(a), SqlType::Struct(b)) => {
            let mut fields = Vec::with_capacity(a.len().max(b.len()));
            for field in a.iter() {
                let ty = match field_of(b, &field.name) {
                    Some(other) => common_type(&field.ty, &other.ty)?,
                    None => field.ty.clone(),
                };
                fields.push(Field { name: field.name.clone(), ty });
            }
            fields.extend(b.iter().filter(|f| field_of(a, &f.name).is_none()).cloned());
            Some(SqlType::structure(fields))
        }
        _ => {
            let wider = if width(a)? >= width(b)? { a } else { b };
            if !matches!(wider, SqlType::Decimal { .. }) {
                return Some(wider.clone());
            }
            let ((pa, sa), (pb, sb)) = (decimal_shape(a)?, decimal_shape(b)?);
            let scale = sa.max(sb);
            Some(capped((pa - sa).max(pb - sb) + scale, scale))
        }
    }
}

/// Type of `a op b`; None if the operator does not take these types. `+` also joins text.
pub fn arithmetic_type(op: ArithmeticOp, a: &SqlType, b: &SqlType) -> Option<SqlType> {
    if op == ArithmeticOp::Add && *a == SqlType::Varchar && *b == SqlType::Varchar {
        return Some(SqlType::Varchar);
    }
    let (wa, wb) = (width(a)?, width(b)?);
    let wider = if wa >= wb { a } else { b };
    if !matches!(wider, SqlType::Decimal { .. }) {
        return Some(wider.clone());
    }
    let ((pa, sa), (pb, sb)) = (decimal_shape(a)?, decimal_shape(b)?);
    let scale = sa.max(sb);
    Some(match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract => capped((pa - sa).max(pb - sb) + scale + 1, scale),
        ArithmeticOp::Multiply => capped(pa + pb + 1, sa + sb),
        ArithmeticOp::Divide => {
            let scale = DIVISION_SCALE_MIN.max(sa + pb + 1);
            capped(pa - sa + sb + scale, scale)
        }
        ArithmeticOp::Modulo => capped((pa - sa).min(pb - sb) + scale, scale),
    })
}

/// The DECIMAL that holds every value of an exact numeric type: INTEGER is DECIMAL(10, 0), BIGINT DECIMAL(19, 0).
/// None for other types, DOUBLE among them.
pub fn to_decimal_type(ty: &SqlType) -> Option<SqlType> {
    decimal_shape(ty).map(|(precision, scale)| SqlType::decimal(precision, scale))
}

fn decimal_shape(ty: &SqlType) -> Option<(u16, u16)> {
    match ty {
        SqlType::Integer => Some((10, 0)),
        SqlType::Bigint => Some((19, 0)),
        SqlType::Decimal { precision, scale } => Some((*precision, (*scale).min(*precision))),
        _ => None,
    }
}

/// Position in the chain of implicit numeric conversions.
fn width(ty: &SqlType) -> Option<u8> {
    match ty {
        SqlType::Integer => Some(0),
        SqlType::Bigint => Some(1),
        SqlType::Decimal { .. } => Some(2),
        SqlType::Double => Some(3),
        _ => None,
    }
}

/// A DECIMAL within the largest precision. Where digits must go, those after the point go first, but six of them stay.
fn capped(precision: u16, scale: u16) -> SqlType {
    if precision <= DECIMAL_PRECISION_MAX {
        return SqlType::decimal(precision.max(1), scale);
    }
    let whole = precision - scale;
    let kept = scale.min(DIVISION_SCALE_MIN);
    SqlType::decimal(DECIMAL_PRECISION_MAX, DECIMAL_PRECISION_MAX.saturating_sub(whole).max(kept))
}

fn field_of<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|f| &*f.name == name)
}
