//! `+ - * / %` over columns.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Decimal128Array, PrimitiveArray};
use arrow_buffer::{NullBuffer, i256};
use arrow_schema::DataType;

use crate::column::{column_from_values, value_at};
use crate::decimal::pow10_wide;
use crate::{SizeLimit, SqlType, Value};

/// A binary arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// Rows that failed, with the reason.
type Errors = Vec<(u32, String)>;

/// `left op right` for every row; `ty` is what [`arithmetic_type`](super::arithmetic_type) said. Both sides have that
/// type already, except that a DECIMAL result takes DECIMALs of any scale, INTEGERs and BIGINTs as they are.
///
/// Null if a side is null. INTEGER and BIGINT wrap around; dividing them or a DECIMAL by zero is an error of the row;
/// a DECIMAL result is rounded half up, and digits that do not fit are an error of the row.
pub fn arithmetic_column(op: ArithmeticOp, left: &ArrayRef, right: &ArrayRef, ty: &SqlType) -> (ArrayRef, Errors) {
    match ty {
        SqlType::Integer => integers::<Int32Type>(op, &widened(left, ty), &widened(right, ty), INTEGER),
        SqlType::Bigint => integers::<Int64Type>(op, &widened(left, ty), &widened(right, ty), BIGINT),
        SqlType::Double => (doubles(op, &widened(left, ty), &widened(right, ty)), Vec::new()),
        SqlType::Decimal { precision, scale } => decimals(op, left, right, *precision, *scale),
        SqlType::Varchar => joined_text(left, right),
        // No other type has arithmetic; the planner refuses it, so these rows are only ever null.
        _ => (arrow_array::new_null_array(&ty.to_arrow(), left.len()), Vec::new()),
    }
}

/// The rows in which an operand is null, as errors. ksqlDB's arithmetic fails on nulls: a column of it is null either
/// way, but a lambda whose body fails takes its whole array with it.
pub fn null_operands(left: &ArrayRef, right: &ArrayRef) -> Vec<(u32, String)> {
    let Some(nulls) = NullBuffer::union(left.nulls(), right.nulls()) else { return Vec::new() };
    let absent = nulls.iter().enumerate().filter(|(_, valid)| !valid);
    absent.map(|(row, _)| (row as u32, "An operand of the arithmetic is null.".to_owned())).collect()
}

/// `left op right` of single values, as a constant expression needs it.
pub fn arithmetic_value(op: ArithmeticOp, left: &Value, right: &Value, ty: &SqlType) -> Result<Value, String> {
    let column = |value: &Value| {
        let own = match value {
            Value::Decimal(d) => SqlType::decimal(crate::sql_type::DECIMAL_PRECISION_MAX, d.scale),
            Value::Integer(_) => SqlType::Integer,
            Value::Bigint(_) => SqlType::Bigint,
            Value::Double(_) => SqlType::Double,
            _ => ty.clone(),
        };
        column_from_values(&own, [value])
    };
    let (result, errors) = arithmetic_column(op, &column(left), &column(right), ty);
    match errors.into_iter().next() {
        Some((_, message)) => Err(message),
        None => Ok(value_at(&result, 0)),
    }
}

/// The column in the numeric type `ty`, converted where it is not.
fn widened(column: &ArrayRef, ty: &SqlType) -> ArrayRef {
    let from = match column.data_type() {
        DataType::Int32 => SqlType::Integer,
        DataType::Int64 => SqlType::Bigint,
        DataType::Float64 => SqlType::Double,
        DataType::Decimal128(precision, scale) => SqlType::decimal((*precision).into(), *scale as u16),
        _ => return arrow_array::new_null_array(&ty.to_arrow(), column.len()),
    };
    if from == *ty { column.clone() } else { super::cast_column(column, &from, ty).0 }
}

/// The operators of one integer type, so that the loop below is written once and still compiled for each.
struct IntegerOps<T: ArrowPrimitiveType> {
    add: fn(T::Native, T::Native) -> T::Native,
    subtract: fn(T::Native, T::Native) -> T::Native,
    multiply: fn(T::Native, T::Native) -> T::Native,
    divide: fn(T::Native, T::Native) -> T::Native,
    modulo: fn(T::Native, T::Native) -> T::Native,
}

const INTEGER: IntegerOps<Int32Type> = IntegerOps {
    add: i32::wrapping_add,
    subtract: i32::wrapping_sub,
    multiply: i32::wrapping_mul,
    divide: i32::wrapping_div,
    modulo: i32::wrapping_rem,
};

const BIGINT: IntegerOps<Int64Type> = IntegerOps {
    add: i64::wrapping_add,
    subtract: i64::wrapping_sub,
    multiply: i64::wrapping_mul,
    divide: i64::wrapping_div,
    modulo: i64::wrapping_rem,
};

#[inline(always)]
fn integers<T: ArrowPrimitiveType>(
    op: ArithmeticOp,
    left: &ArrayRef,
    right: &ArrayRef,
    ops: IntegerOps<T>,
) -> (ArrayRef, Errors) {
    let (a, b) = (left.as_primitive::<T>(), right.as_primitive::<T>());
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    match op {
        ArithmeticOp::Add => (zip(a, b, nulls, ops.add), Vec::new()),
        ArithmeticOp::Subtract => (zip(a, b, nulls, ops.subtract), Vec::new()),
        ArithmeticOp::Multiply => (zip(a, b, nulls, ops.multiply), Vec::new()),
        ArithmeticOp::Divide | ArithmeticOp::Modulo => {
            let operator = if op == ArithmeticOp::Divide { ops.divide } else { ops.modulo };
            let zero = T::Native::default();
            // Null rows hold arbitrary numbers, zero among them: only rows that are there may fail.
            let zeros: Vec<u32> = (0..b.len())
                .filter(|&row| b.values()[row] == zero && nulls.as_ref().is_none_or(|n| n.is_valid(row)))
                .map(|row| row as u32)
                .collect();
            let nulls = without(nulls, &zeros, b.len());
            let guarded = move |x, y| if y == zero { zero } else { operator(x, y) };
            (zip(a, b, nulls, guarded), zeros.into_iter().map(|row| (row, division_by_zero())).collect())
        }
    }
}

fn zip<T: ArrowPrimitiveType>(
    a: &PrimitiveArray<T>,
    b: &PrimitiveArray<T>,
    nulls: Option<NullBuffer>,
    operator: impl Fn(T::Native, T::Native) -> T::Native,
) -> ArrayRef {
    let values: Vec<T::Native> = a.values().iter().zip(b.values().iter()).map(|(x, y)| operator(*x, *y)).collect();
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
}

fn doubles(op: ArithmeticOp, left: &ArrayRef, right: &ArrayRef) -> ArrayRef {
    let (a, b) = (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>());
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    match op {
        ArithmeticOp::Add => zip(a, b, nulls, |x, y| x + y),
        ArithmeticOp::Subtract => zip(a, b, nulls, |x, y| x - y),
        ArithmeticOp::Multiply => zip(a, b, nulls, |x, y| x * y),
        ArithmeticOp::Divide => zip(a, b, nulls, |x, y| x / y),
        ArithmeticOp::Modulo => zip(a, b, nulls, |x, y| x % y),
    }
}

/// An exact numeric column as unscaled 128-bit numbers and their scale.
fn unscaled(column: &ArrayRef) -> Option<(Decimal128Array, u16)> {
    match column.data_type() {
        DataType::Decimal128(_, scale) => Some((column.as_primitive::<Decimal128Type>().clone(), *scale as u16)),
        DataType::Int32 => Some((column.as_primitive::<Int32Type>().unary(i128::from), 0)),
        DataType::Int64 => Some((column.as_primitive::<Int64Type>().unary(i128::from), 0)),
        _ => None,
    }
}

fn decimals(op: ArithmeticOp, left: &ArrayRef, right: &ArrayRef, precision: u16, scale: u16) -> (ArrayRef, Errors) {
    let ty = SqlType::decimal(precision, scale).to_arrow();
    let (Some((a, scale_a)), Some((b, scale_b))) = (unscaled(left), unscaled(right)) else {
        return (arrow_array::new_null_array(&ty, left.len()), Vec::new());
    };
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    let limit = crate::decimal::pow10(precision).unwrap_or(i128::MAX);
    let mut values = vec![0i128; a.len()];
    let mut errors = Errors::new();
    for (row, value) in values.iter_mut().enumerate() {
        if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            continue;
        }
        let (x, y) = (a.value(row), b.value(row));
        if y == 0 && matches!(op, ArithmeticOp::Divide | ArithmeticOp::Modulo) {
            errors.push((row as u32, division_by_zero()));
            continue;
        }
        match narrow(op, x, scale_a, y, scale_b, scale).or_else(|| wide(op, x, scale_a, y, scale_b, scale)) {
            Some(result) if result > -limit && result < limit => *value = result,
            _ => errors.push((row as u32, format!("The result does not fit DECIMAL({precision}, {scale})."))),
        }
    }
    let failed: Vec<u32> = errors.iter().map(|(row, _)| *row).collect();
    let nulls = without(nulls, &failed, a.len());
    (Arc::new(Decimal128Array::new(values.into(), nulls).with_data_type(ty)), errors)
}

/// The result's unscaled value where 128 bits hold all of the way there. None where they do not, or rounding is needed.
fn narrow(op: ArithmeticOp, x: i128, scale_x: u16, y: i128, scale_y: u16, scale: u16) -> Option<i128> {
    let aligned = |v: i128, from: u16| v.checked_mul(crate::decimal::pow10(scale.checked_sub(from)?)?);
    match op {
        ArithmeticOp::Add => aligned(x, scale_x)?.checked_add(aligned(y, scale_y)?),
        ArithmeticOp::Subtract => aligned(x, scale_x)?.checked_sub(aligned(y, scale_y)?),
        ArithmeticOp::Modulo => aligned(x, scale_x)?.checked_rem(aligned(y, scale_y)?),
        ArithmeticOp::Multiply if scale == scale_x + scale_y => x.checked_mul(y),
        ArithmeticOp::Multiply => None,
        ArithmeticOp::Divide => {
            let x = x.checked_mul(crate::decimal::pow10((scale + scale_y).checked_sub(scale_x)?)?)?;
            let (quotient, rest) = (x.checked_div(y)?, x.checked_rem(y)?);
            let up = rest.unsigned_abs() >= y.unsigned_abs().div_ceil(2);
            Some(if up { quotient + x.signum() * y.signum() } else { quotient })
        }
    }
}

/// The same in 256 bits, with rounding.
fn wide(op: ArithmeticOp, x: i128, scale_x: u16, y: i128, scale_y: u16, scale: u16) -> Option<i128> {
    let (x, y) = (i256::from_i128(x), i256::from_i128(y));
    let common = scale_x.max(scale_y);
    let aligned = |v: i256, from: u16| v.checked_mul(pow10_wide(common - from)?);
    let (result, from) = match op {
        ArithmeticOp::Add => (aligned(x, scale_x)?.checked_add(aligned(y, scale_y)?)?, common),
        ArithmeticOp::Subtract => (aligned(x, scale_x)?.checked_sub(aligned(y, scale_y)?)?, common),
        ArithmeticOp::Modulo => (aligned(x, scale_x)?.checked_rem(aligned(y, scale_y)?)?, common),
        ArithmeticOp::Multiply => (x.checked_mul(y)?, scale_x + scale_y),
        ArithmeticOp::Divide => {
            let shift = i32::from(scale) + i32::from(scale_y) - i32::from(scale_x);
            let power = pow10_wide(u16::try_from(shift.unsigned_abs()).ok()?)?;
            let (x, y) = if shift >= 0 { (x.checked_mul(power)?, y) } else { (x, y.checked_mul(power)?) };
            return half_up(x, y)?.to_i128();
        }
    };
    if scale >= from {
        return result.checked_mul(pow10_wide(scale - from)?)?.to_i128();
    }
    half_up(result, pow10_wide(from - scale)?)?.to_i128()
}

/// `x / y`, halves away from zero.
fn half_up(x: i256, y: i256) -> Option<i256> {
    let (quotient, rest) = (x.checked_div(y)?, x.checked_rem(y)?);
    let doubled = rest.wrapping_abs().checked_mul(i256::from_i128(2))?;
    if doubled < y.wrapping_abs() {
        return Some(quotient);
    }
    let negative = (x < i256::ZERO) != (y < i256::ZERO);
    if negative { quotient.checked_sub(i256::ONE) } else { quotient.checked_add(i256::ONE) }
}

fn joined_text(left: &ArrayRef, right: &ArrayRef) -> (ArrayRef, Errors) {
    let (Some(a), Some(b)) = (left.as_string_opt::<i32>(), right.as_string_opt::<i32>()) else {
        return (arrow_array::new_null_array(&DataType::Utf8, left.len()), Vec::new());
    };
    let mut builder = StringBuilder::with_capacity(a.len(), a.values().len().saturating_add(b.values().len()).min(1 << 20));
    let (mut joined, mut limit, mut failed) = (String::new(), SizeLimit::default(), Vec::new());
    for (row, pair) in a.iter().zip(b.iter()).enumerate() {
        let (Some(x), Some(y)) = pair else {
            builder.append_null();
            continue;
        };
        if let Err(message) = limit.take(x.len() + y.len()) {
            builder.append_null();
            failed.push((row as u32, message));
            continue;
        }
        joined.clear();
        joined.push_str(x);
        joined.push_str(y);
        builder.append_value(&joined);
    }
    (Arc::new(builder.finish()), failed)
}

/// The nulls with these rows added.
pub(super) fn without(nulls: Option<NullBuffer>, rows: &[u32], len: usize) -> Option<NullBuffer> {
    if rows.is_empty() {
        return nulls;
    }
    let mut valid: Vec<bool> = match &nulls {
        Some(nulls) => nulls.iter().collect(),
        None => vec![true; len],
    };
    rows.iter().for_each(|&row| valid[row as usize] = false);
    Some(NullBuffer::from(valid))
}

fn division_by_zero() -> String {
    "Division by zero.".to_owned()
}
