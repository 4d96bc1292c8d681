//! `LOG`.

use super::of_double::{BinaryDouble, UnaryDouble, binary, unary};
use crate::ScalarDefinition;

struct Log;

impl UnaryDouble for Log {
    fn apply(x: f64) -> f64 {
        x.ln()
    }
}

impl BinaryDouble for Log {
    fn apply(base: f64, x: f64) -> f64 {
        if base <= 0.0 || base == 1.0 { f64::NAN } else { x.ln() / base.ln() }
    }
}

pub fn definition() -> ScalarDefinition {
    let description = "Logarithm: natural, or to the given base. NaN for negative numbers, -Infinity for zero.";
    let mut definition = unary::<Log>("LOG", description, &[("LOG(1)", "0.0"), ("LOG(2, 8)", "3.0")]);
    definition.overloads.extend(binary::<Log>("LOG", description, ["base", "value"], &[]).overloads);
    definition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_must_make_sense() {
        for base in [0.0, 1.0, -15.0] {
            assert!(<Log as BinaryDouble>::apply(base, 13.0).is_nan(), "{base}");
        }
    }
}
