//! Mathematical functions, one a file. `of_double`, `of_same_type`, `rounding` and `extreme` hold what several of them share.

mod abs;
mod acos;
mod asin;
mod atan;
mod atan2;
mod cbrt;
mod ceil;
mod cos;
mod cosh;
mod cot;
mod degrees;
mod exp;
mod extreme;
mod floor;
mod greatest;
mod least;
mod ln;
mod log;
mod of_double;
mod of_same_type;
mod pi;
mod power;
mod radians;
mod random;
mod round;
mod rounding;
mod sign;
mod sin;
mod sinh;
mod sqrt;
mod tan;
mod tanh;
mod trunc;

use crate::ScalarDefinition;

/// Every function of this folder.
pub fn definitions() -> Vec<ScalarDefinition> {
    vec![
        abs::definition(),
        acos::definition(),
        asin::definition(),
        atan::definition(),
        atan2::definition(),
        cbrt::definition(),
        ceil::definition(),
        cos::definition(),
        cosh::definition(),
        cot::definition(),
        degrees::definition(),
        exp::definition(),
        floor::definition(),
        greatest::definition(),
        least::definition(),
        ln::definition(),
        log::definition(),
        pi::definition(),
        power::definition(),
        radians::definition(),
        random::definition(),
        round::definition(),
        sign::definition(),
        sin::definition(),
        sinh::definition(),
        sqrt::definition(),
        tan::definition(),
        tanh::definition(),
        trunc::definition(),
    ]
}

#[cfg(test)]
mod tests;
