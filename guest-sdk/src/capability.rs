//! What a plugin may use besides its input: each must be granted in SQL.

use crate::bindings;
pub use crate::bindings::log::Level;

/// Random numbers for one row. They repeat themselves when the row is processed again.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// For tests of a plugin's logic.
    pub fn from_seed(seed: u64) -> Random {
        Random { state: seed }
    }

    /// The next 64 bits (SplitMix64).
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to but without `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// From 0 up to but without 1.
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of `items`, which must not be empty.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

/// The seeds of the batch in progress (RANDOM).
pub struct Seeds(Vec<u8>);

impl Seeds {
    pub fn of_batch() -> Seeds {
        Seeds(bindings::random::seeds())
    }

    pub fn row(&self, row: usize) -> Random {
        let mut seed = [0; 8];
        seed.copy_from_slice(&self.0[row * 8..row * 8 + 8]);
        Random::from_seed(u64::from_le_bytes(seed))
    }
}

/// Milliseconds since 1970-01-01 UTC (CLOCK).
pub fn now() -> i64 {
    bindings::clock::now()
}

/// Writes a line into the server's log (LOG).
pub fn log(level: Level, message: &str) {
    bindings::log::write(level, message);
}

/// Settings from CONFIG or the server's properties.
#[derive(Clone, Debug, Default)]
pub struct Settings(Vec<(String, String)>);

impl Settings {
    pub fn new(settings: impl IntoIterator<Item = (String, String)>) -> Settings {
        Settings(settings.into_iter().collect())
    }

    /// The setting's text; keys are compared without regard to case.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.as_str())
    }

    /// The setting as a number or whatever else text can be read as; `default` if it is not given.
    pub fn parse<T: std::str::FromStr>(&self, key: &str, default: T) -> Result<T, String> {
        match self.get(key) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("setting `{key}`: `{text}` is not a {}", std::any::type_name::<T>())),
        }
    }
}

/// Tells the host why the guest panics, so that the row's error can say more than "unreachable".
pub fn report_panics() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| bindings::fault::report(&panic.to_string())));
}
