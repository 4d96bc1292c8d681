//! Our own goldens, each with its records one by one, in small batches, and all together.

use std::path::Path;
use std::sync::Arc;

use calzone_driver::{Plugins, golden};

#[test]
fn goldens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens");
    let passed = golden::run_folder(&folder, None, &golden::BATCH_SIZES, false, &Arc::new(Plugins::none()));
    assert_eq!(passed, Ok(true), "the differences are printed above; `--bless` accepts them");
}
