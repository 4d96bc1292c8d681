//! Picks up to four vegetables for each pizza.

use calzone_guest::{Random, plugin, stage};

const VEGGIES: [&str; 6] = ["tomato", "olives", "onions", "peppers", "pineapple", "mushrooms"];
const TOPPINGS_MAX: usize = 4;

/// Adds VEGGIES: up to four different ones joined by " & ", or none.
#[stage("veggies VARCHAR")]
fn veggies(random: &mut Random) -> String {
    let mut left = VEGGIES.to_vec();
    let picked: Vec<&str> = (0..random.below(TOPPINGS_MAX + 1)).map(|_| left.remove(random.below(left.len()))).collect();
    if picked.is_empty() { "none".to_owned() } else { picked.join(" & ") }
}

plugin!(stages: [veggies]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_to_four_different_ones() {
        let mut random = Random::from_seed(1);
        let mut counts = [0; TOPPINGS_MAX + 1];
        for _ in 0..500 {
            let text = super::veggies(&mut random);
            let picked: Vec<&str> = text.split(" & ").filter(|t| *t != "none").collect();
            assert!(picked.iter().all(|t| VEGGIES.contains(t)));
            assert_eq!(picked.iter().collect::<std::collections::HashSet<_>>().len(), picked.len());
            counts[picked.len()] += 1;
        }
        assert!(counts.iter().all(|c| *c > 0));
    }
}
