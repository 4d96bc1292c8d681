//! A first handful of seeds; `make simulate` runs more.

use calzone_simulation::{Options, run};

#[test]
fn two_hundred_seeds_find_nothing() {
    let next = std::sync::atomic::AtomicU64::new(1);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed > 200 {
                        return;
                    }
                    if let Err(found) = run(seed, Options::default()) {
                        panic!("{}\nseed {seed}: {}\nagain: make simulate SEED={seed}", found.trace.join("\n"), found.fault);
                    }
                }
            });
        }
    });
}

#[test]
fn a_seed_decides_everything() {
    for seed in 1..10 {
        assert_eq!(run(seed, Options::default()), run(seed, Options::default()), "seed {seed}");
    }
}

#[test]
fn a_commit_in_the_wrong_order_is_found() {
    let found = (1..100).find_map(|seed| run(seed, Options { breaks_order: true, ..Options::default() }).err());
    let found = found.expect("a seed finds that offsets are committed before outputs");
    println!("seed {}: {}", found.seed, found.fault);
}

#[test]
fn a_lock_that_is_released_before_its_records_are_done_is_found() {
    let found = (1..100).find_map(|seed| run(seed, Options { forgets_locks: true, ..Options::default() }).err());
    let found = found.expect("a seed finds that locks do not outlive a restart");
    println!("seed {}: {}", found.seed, found.fault);
}
