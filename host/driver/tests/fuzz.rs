//! A short run of every fuzzing target, always the same inputs, and what longer runs have found.

#[path = "../examples/fuzz/fuzzing/mod.rs"]
mod fuzzing;

/// Runs the inputs of the first seeds.
fn run(name: &'static str, inputs: u64) {
    fuzzing::on_deep_stack(move || {
        let target = fuzzing::target(name).expect("there is such a target");
        fuzzing::check_found(target.as_ref());
        for seed in 0..inputs {
            if let Err(finding) = fuzzing::run_seed(target.as_ref(), seed) {
                let whole = fuzzing::input_of(target.as_ref(), seed);
                panic!(
                    "{}\n{}: seed {seed}: {}\n{}\nmade smaller from:\n{whole}",
                    finding.kind,
                    target.name(),
                    finding.message,
                    finding.input
                );
            }
        }
    });
}

#[test]
fn parser() {
    run("parser", 4_000);
}

#[test]
fn json() {
    run("json", 10_000);
}

#[test]
fn delimited() {
    run("delimited", 20_000);
}

#[test]
fn expressions() {
    run("expressions", 400);
}

#[test]
fn statements() {
    run("statements", 400);
}
