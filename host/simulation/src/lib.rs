//! Queries under one seed: the engine's own code takes its steps on a simulated Kafka cluster or on the embedded log, under
//! a simulated clock. Servers are killed at every step of a commit, lose power or their disks, freeze and come back;
//! the log refuses, aborts and forgets to answer; groups rebalance; plugins fail and are swapped; records fail for good or for
//! a while, and error policies decide about them. Then all faults end, everything comes to rest, and a model of the queries
//! judges what lies in the topics.
//!
//! A seed decides all of it, so a seed that finds something finds it again.

mod check;
mod clock;
mod cluster;
mod disorder;
mod embedded;
mod fates;
mod guest;
mod journal;
mod kafka;
mod link;
mod random;
mod scenario;
mod worker;
mod world;
mod wrapped;

use world::World;

/// What a seed has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub seed: u64,
    /// What is wrong.
    pub fault: String,
    /// What happened, in order, with the time in milliseconds.
    pub trace: Vec<String>,
}

/// How simulations are run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Commits offsets before outputs: for the proof that a simulation finds such a thing.
    pub breaks_order: bool,
    /// A server that starts has forgotten which groups are locked: another such proof.
    pub forgets_locks: bool,
}

/// Runs one seed; gives what happened.
///
/// # Errors
/// What the model objects to.
pub fn run(seed: u64, options: Options) -> Result<Vec<String>, Found> {
    let mut world = World::new(seed, options);
    let actions = world.random.between(100, 400);
    let mut outcome = (0..actions).try_for_each(|_| world.act());
    outcome = outcome.and_then(|()| world.settle()).and_then(|()| check::judge(&world));
    let trace = std::mem::take(&mut world.trace);
    outcome.map(|()| trace.clone()).map_err(|fault| Found { seed, fault, trace })
}
