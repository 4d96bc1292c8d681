//! Sauce, revision 2: pesto is new, and nobody wants none any more.

use calzone_guest::{Random, plugin, stage};

const SAUCES: [&str; 5] = ["regular", "light", "extra", "alfredo", "pesto"];

/// Adds SAUCE: regular, light, extra, alfredo or pesto.
#[stage("sauce VARCHAR")]
fn sauce(random: &mut Random) -> &'static str {
    random.pick(&SAUCES)
}

plugin!(stages: [sauce]);
