//! `RANDOM`.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array};
use calzone_types::SqlType;

use crate::{Argument, Evaluated, Scalar, ScalarDefinition, ScalarOverload, Signature};

/// SplitMix64: small, and good enough for sampling. Not for secrets.
struct Random {
    state: u64,
}

impl Random {
    fn next(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // 53 bits: all that a double between 0 and 1 can hold evenly.
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Scalar for Random {
    fn call(&mut self, _arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let values: Vec<f64> = (0..rows).map(|_| self.next()).collect();
        (Arc::new(Float64Array::from(values)) as ArrayRef).into()
    }
}

pub fn definition() -> ScalarDefinition {
    let description = "A random number from 0 up to but not including 1.";
    let overload = ScalarOverload::new(description, Signature::new(vec![], SqlType::Double.into()), |_| {
        // The standard library's hash keys are the one source of chance here that needs no clock.
        Ok(Box::new(Random { state: RandomState::new().hash_one(0u8) }))
    });
    ScalarDefinition::built_in(
        "RANDOM",
        "MATHEMATICAL",
        description,
        vec![overload],
        &[("RANDOM() >= 0 AND RANDOM() < 1", "true")],
    )
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn numbers_lie_in_the_unit_interval_and_differ() {
        let mut random = Random { state: 7 };
        let numbers: Vec<f64> = (0..1000).map(|_| random.next()).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        assert!(numbers.windows(2).all(|w| w[0] != w[1]));
        let mean = numbers.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
