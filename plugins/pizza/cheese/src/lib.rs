//! Picks a cheese for each pizza.

use calzone_guest::{Random, plugin, stage};

const CHEESES: [&str; 4] = ["extra", "none", "three cheese", "goat cheese"];

/// Adds CHEESE: extra, none, three cheese or goat cheese.
#[stage("cheese VARCHAR")]
fn cheese(random: &mut Random) -> &'static str {
    random.pick(&CHEESES)
}

plugin!(stages: [cheese]);
