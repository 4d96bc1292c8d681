//! Picks a sauce for each pizza.

use calzone_guest::{Random, plugin, stage};

const SAUCES: [&str; 5] = ["regular", "light", "extra", "none", "alfredo"];

/// Adds SAUCE: regular, light, extra, none or alfredo.
#[stage("sauce VARCHAR")]
fn sauce(random: &mut Random) -> &'static str {
    random.pick(&SAUCES)
}

plugin!(stages: [sauce]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sauce_is_picked() {
        let mut random = Random::from_seed(1);
        let picked: std::collections::HashSet<_> = (0..200).map(|_| super::sauce(&mut random)).collect();
        assert_eq!(picked.len(), SAUCES.len());
    }
}
