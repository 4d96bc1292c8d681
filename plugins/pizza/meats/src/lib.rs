//! Picks up to four meats for each pizza.

use calzone_guest::{Random, plugin, stage};

const MEATS: [&str; 6] = ["pepperoni", "sausage", "ham", "anchovies", "salami", "bacon"];
const TOPPINGS_MAX: usize = 4;

/// Adds MEATS: up to four different ones joined by " & ", or none.
#[stage("meats VARCHAR")]
fn meats(random: &mut Random) -> String {
    let mut left = MEATS.to_vec();
    let picked: Vec<&str> = (0..random.below(TOPPINGS_MAX + 1)).map(|_| left.remove(random.below(left.len()))).collect();
    if picked.is_empty() { "none".to_owned() } else { picked.join(" & ") }
}

plugin!(stages: [meats]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_to_four_different_ones() {
        let mut random = Random::from_seed(1);
        let mut counts = [0; TOPPINGS_MAX + 1];
        for _ in 0..500 {
            let text = super::meats(&mut random);
            let picked: Vec<&str> = text.split(" & ").filter(|t| *t != "none").collect();
            assert!(picked.iter().all(|t| MEATS.contains(t)));
            assert_eq!(picked.iter().collect::<std::collections::HashSet<_>>().len(), picked.len());
            counts[picked.len()] += 1;
        }
        assert!(counts.iter().all(|c| *c > 0));
    }
}
