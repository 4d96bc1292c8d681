//! `simulate [--seed N] [--seeds COUNT] [--from N] [--break-order] [--forget-locks] [--trace]`: runs seeds on all cores; prints the first
//! that finds something, with what happened; with `--trace` what happened in any case.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use calzone_simulation::{Found, Options, run};

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let place = arguments.iter().position(|a| a == name)?;
        arguments.get(place + 1)?.parse::<u64>().ok()
    };
    let is_given = |name: &str| arguments.iter().any(|a| a == name);
    let options = Options { breaks_order: is_given("--break-order"), forgets_locks: is_given("--forget-locks") };
    let (from, count) = match value("--seed") {
        Some(seed) => (seed, 1),
        None => (value("--from").unwrap_or(1), value("--seeds").unwrap_or(200)),
    };
    if is_given("--trace")
        && let Ok(trace) = run(from, options)
    {
        trace.iter().for_each(|line| println!("{line}"));
    }
    let started = Instant::now();
    match simulate(from, count, options) {
        None => {
            println!("{count} seeds from {from} on found nothing, in {:.1} s", started.elapsed().as_secs_f64());
            std::process::ExitCode::SUCCESS
        }
        Some(found) => {
            found.trace.iter().for_each(|line| println!("{line}"));
            println!("\nseed {}: {}\nagain: make simulate SEED={}", found.seed, found.fault, found.seed);
            std::process::ExitCode::FAILURE
        }
    }
}

/// The first of these seeds that finds something.
fn simulate(from: u64, count: u64, options: Options) -> Option<Found> {
    let next = AtomicU64::new(from);
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        let work = || {
            let mut first: Option<Found> = None;
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= from + count {
                    return first;
                }
                let outcome = std::panic::catch_unwind(|| run(seed, options));
                let outcome =
                    outcome.unwrap_or_else(|_| Err(Found { seed, fault: "a panic, see above".into(), trace: Vec::new() }));
                if let Err(found) = outcome {
                    // Later seeds need not be tried.
                    next.store(from + count, Ordering::Relaxed);
                    first = Some(found);
                }
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok().flatten()).min_by_key(|found| found.seed)
    })
}
