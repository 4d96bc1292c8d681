//! What the …ADD and …SUB functions share: units, and steps along the time line.

use calzone_types::{SqlType, Value};
use chrono::{DateTime, Months};

use crate::evaluate::per_row_of_values;
use crate::signature::Returns;
use crate::{Binding, Parameter, ParameterType, Scalar, ScalarOverload, Signature};

const DAY_MS: i64 = calzone_types::text::DAY_MS;

/// The overload that steps a value of type `ty` by a number of units.
pub fn overload(ty: SqlType, make: fn(&Binding) -> Result<Box<dyn Scalar>, String>) -> ScalarOverload {
    let parameters = vec![
        Parameter::new(
            "unit",
            ParameterType::IntervalUnit,
            "MILLISECONDS, SECONDS, MINUTES, HOURS, DAYS, WEEKS, MONTHS or YEARS",
        ),
        Parameter::new("interval", SqlType::Integer, ""),
        Parameter::new("value", ty.clone(), ""),
    ];
    ScalarOverload::new("", Signature::new(parameters, Returns::from(ty)), make)
}

/// The function that steps forwards (`sign` 1) or backwards (-1).
pub fn instance(binding: &Binding, sign: i64) -> Result<Box<dyn Scalar>, String> {
    per_row_of_values(&binding.returns, move |values| {
        let (Some(unit), Some(count)) = (values[0].as_str(), values[1].as_i64()) else { return Ok(Value::Null) };
        let steps = count * sign;
        let too_far = || format!("{steps} {unit} lead out of the range of dates.");
        let stepped = match &values[2] {
            Value::Timestamp(ms) => step(*ms, unit, steps)?.map(Value::Timestamp),
            Value::Date(days) => {
                let ms = step(i64::from(*days) * DAY_MS, unit, steps)?;
                ms.and_then(|ms| i32::try_from(ms.div_euclid(DAY_MS)).ok()).map(Value::Date)
            }
            Value::Time(ms) => {
                // A time of the day turns round at midnight.
                step(i64::from(*ms), unit, steps)?.map(|ms| Value::Time(ms.rem_euclid(DAY_MS) as i32))
            }
            _ => Some(Value::Null),
        };
        stepped.ok_or_else(too_far)
    })
}

/// `ms` plus steps of the unit. None if that overflows.
fn step(ms: i64, unit: &str, steps: i64) -> Result<Option<i64>, String> {
    let months = |count: i64| {
        let date = DateTime::from_timestamp_millis(ms)?;
        let months = Months::new(u32::try_from(count.unsigned_abs()).ok()?);
        let moved = if count < 0 { date.checked_sub_months(months) } else { date.checked_add_months(months) };
        moved.map(|date| date.timestamp_millis())
    };
    let unit_ms = match unit.strip_suffix('S').unwrap_or(unit) {
        "MILLISECOND" => 1,
        "SECOND" => 1_000,
        "MINUTE" => 60_000,
        "HOUR" => 3_600_000,
        "DAY" => DAY_MS,
        "WEEK" => 7 * DAY_MS,
        "MONTH" => return Ok(months(steps)),
        "YEAR" => return Ok(steps.checked_mul(12).and_then(months)),
        _ => return Err(format!("{unit} is not a unit of time.")),
    };
    Ok(steps.checked_mul(unit_ms).and_then(|by| ms.checked_add(by)))
}
