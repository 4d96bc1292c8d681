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

/// A store of the stage's own in each partition's task (KEY VALUE): an ordered map of bytes. What is written for a batch is
/// committed with it.
pub mod store {
    use crate::bindings::key_value;

    pub fn get(key: &[u8]) -> Option<Vec<u8>> {
        key_value::get(key)
    }

    pub fn put(key: &[u8], value: &[u8]) {
        key_value::put(key, value);
    }

    pub fn delete(key: &[u8]) {
        key_value::delete(key);
    }

    /// All entries whose keys begin with `prefix`, in order of keys; they are fetched as they are needed.
    pub fn scan(prefix: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        const AT_ONCE: u32 = 256;
        let prefix = prefix.to_vec();
        let (mut fetched, mut last, mut done) = (Vec::new().into_iter(), None::<Vec<u8>>, false);
        std::iter::from_fn(move || {
            loop {
                if let Some(key_value::Entry { key, value }) = fetched.next() {
                    last = Some(key.clone());
                    return Some((key, value));
                }
                if done {
                    return None;
                }
                let more = key_value::scan(&prefix, last.as_deref(), AT_ONCE);
                done = more.is_empty();
                fetched = more.into_iter();
            }
        })
    }
}

/// Requests to places that are granted (HTTP TO 'host:port').
pub mod http {
    use std::fmt;

    use crate::bindings::http as wit;

    /// A request that is being put together.
    #[derive(Clone, Debug)]
    pub struct Request {
        method: String,
        url: String,
        headers: Vec<(String, Vec<u8>)>,
        body: Vec<u8>,
    }

    /// An answer.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Response {
        pub status: u16,
        pub headers: Vec<(String, Vec<u8>)>,
        pub body: Vec<u8>,
    }

    /// Why there is no answer.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Error {
        /// The place is not granted, or may not be asked.
        Denied(String),
        /// The request is none.
        Invalid(String),
        Timeout,
        TooLarge,
        Failed(String),
    }

    impl fmt::Display for Error {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Error::Denied(why) | Error::Invalid(why) | Error::Failed(why) => f.write_str(why),
                Error::Timeout => f.write_str("no answer in time"),
                Error::TooLarge => f.write_str("the answer is too large"),
            }
        }
    }

    impl Request {
        pub fn get(url: impl Into<String>) -> Request {
            Request::new("GET", url)
        }

        pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Request {
            Request { body: body.into(), ..Request::new("POST", url) }
        }

        pub fn new(method: &str, url: impl Into<String>) -> Request {
            Request { method: method.to_owned(), url: url.into(), headers: Vec::new(), body: Vec::new() }
        }

        pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Request {
            self.headers.push((name.to_owned(), value.into()));
            self
        }

        /// Sends it and waits for all of the answer.
        pub fn send(self) -> Result<Response, Error> {
            let headers = self.headers.into_iter().map(|(name, value)| wit::Header { name, value }).collect();
            let request = wit::Request { method: self.method, url: self.url, headers, body: self.body };
            match wit::send(&request) {
                Ok(answer) => Ok(Response {
                    status: answer.status,
                    headers: answer.headers.into_iter().map(|h| (h.name, h.value)).collect(),
                    body: answer.body,
                }),
                Err(wit::Error::Denied(why)) => Err(Error::Denied(why)),
                Err(wit::Error::Invalid(why)) => Err(Error::Invalid(why)),
                Err(wit::Error::Timeout) => Err(Error::Timeout),
                Err(wit::Error::TooLarge) => Err(Error::TooLarge),
                Err(wit::Error::Failed(why)) => Err(Error::Failed(why)),
            }
        }
    }
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
