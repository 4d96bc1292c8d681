//! `GEO_DISTANCE`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array};
use calzone_types::SqlType;

use crate::{Argument, Evaluated, Parameter, RowError, Scalar, ScalarDefinition, ScalarOverload, Signature};

/// Mean radius of the Earth, in both units.
const RADIUS_KM: f64 = 6371.0;
const RADIUS_MILES: f64 = 3959.0;

pub fn definition() -> ScalarDefinition {
    let description = "Great-circle distance of two points on Earth, in kilometres or miles.";
    let mut parameters = ["lat1", "lon1", "lat2", "lon2"].map(|name| Parameter::new(name, SqlType::Double, "degrees")).to_vec();
    let plain = Signature::new(parameters.clone(), SqlType::Double.into());
    parameters.push(Parameter::new("unit", SqlType::Varchar, "'KM' or 'MI'"));
    let with_unit = Signature::new(parameters, SqlType::Double.into());
    let overloads =
        [plain, with_unit].map(|signature| ScalarOverload::new(description, signature, |_| Ok(Box::new(GeoDistance))));
    ScalarDefinition::built_in(
        "GEO_DISTANCE",
        "OTHER",
        description,
        overloads.to_vec(),
        &[("GEO_DISTANCE(10, 20, 10, 20)", "0.0")],
    )
}

struct GeoDistance;

impl Scalar for GeoDistance {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let degrees: Vec<&Float64Array> = arguments[..4].iter().map(|a| a.column().as_primitive::<Float64Type>()).collect();
        let unit = arguments.get(4).map(|argument| argument.column().as_string::<i32>());
        let mut errors = Vec::new();
        let distances = (0..rows).map(|row| {
            if degrees.iter().any(|d| d.is_null(row)) {
                return None;
            }
            let radius = match &unit {
                None => Ok(RADIUS_KM),
                Some(unit) if unit.is_null(row) => Ok(RADIUS_KM),
                Some(unit) => radius(unit.value(row)),
            };
            let [lat1, lon1, lat2, lon2] = [0, 1, 2, 3].map(|i| degrees[i].value(row));
            match radius.and_then(|radius| distance(lat1, lon1, lat2, lon2, radius)) {
                Ok(distance) => Some(distance),
                Err(message) => {
                    errors.push(RowError { row: row as u32, message });
                    None
                }
            }
        });
        let column: ArrayRef = Arc::new(distances.collect::<Float64Array>());
        Evaluated { column, errors }
    }
}

fn radius(unit: &str) -> Result<f64, String> {
    match unit.to_ascii_lowercase().as_str() {
        "km" | "kms" | "kilometer" | "kilometers" | "kilometre" | "kilometres" => Ok(RADIUS_KM),
        "mi" | "mile" | "miles" => Ok(RADIUS_MILES),
        _ => Err(format!("'{unit}' is no unit of distance. Use 'KM' or 'MI'.")),
    }
}

/// By the haversine formula, which stays exact for small distances.
fn distance(lat1: f64, lon1: f64, lat2: f64, lon2: f64, radius: f64) -> Result<f64, String> {
    for latitude in [lat1, lat2] {
        if !(-90.0..=90.0).contains(&latitude) {
            return Err(format!("{latitude} is no latitude: it must lie from -90 to 90."));
        }
    }
    for longitude in [lon1, lon2] {
        if !(-180.0..=180.0).contains(&longitude) {
            return Err(format!("{longitude} is no longitude: it must lie from -180 to 180."));
        }
    }
    let delta_lat = radians(lat2 - lat1);
    let delta_lon = radians(lon2 - lon1);
    let a = haversin(delta_lat) + haversin(delta_lon) * radians(lat1).cos() * radians(lat2).cos();
    Ok(2.0 * a.sqrt().asin() * radius)
}

/// As Java's `Math.toRadians` computes it: `f64::to_radians` differs in the last digit.
fn radians(degrees: f64) -> f64 {
    degrees / 180.0 * std::f64::consts::PI
}

fn haversin(angle: f64) -> f64 {
    (angle / 2.0).sin().powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let paris_to_berlin = distance(48.8566, 2.3522, 52.52, 13.405, RADIUS_KM).unwrap();
        assert!((paris_to_berlin - 877.46).abs() < 0.1, "{paris_to_berlin}");
        assert!(distance(91.0, 0.0, 0.0, 0.0, RADIUS_KM).is_err());
        assert!(distance(0.0, 0.0, f64::NAN, 0.0, RADIUS_KM).is_err());
        assert_eq!(radius("Miles"), Ok(RADIUS_MILES));
    }
}
