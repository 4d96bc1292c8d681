//! Something made of a text argument, kept until the text changes: nearly always it is a literal.

/// What was made last, and of what.
pub struct Cached<T> {
    last: Option<(String, Result<T, String>)>,
    make: fn(&str) -> Result<T, String>,
}

impl<T> Cached<T> {
    pub fn new(make: fn(&str) -> Result<T, String>) -> Cached<T> {
        Cached { last: None, make }
    }

    /// What `text` makes. Failures are kept as well.
    pub fn get(&mut self, text: &str) -> Result<&T, String> {
        if self.last.as_ref().is_none_or(|(made_of, _)| made_of != text) {
            self.last = Some((text.to_owned(), (self.make)(text)));
        }
        match &self.last {
            Some((_, made)) => made.as_ref().map_err(Clone::clone),
            None => Err("nothing was made".to_owned()),
        }
    }
}
