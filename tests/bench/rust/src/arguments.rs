//! Options of the command line, as `--name value`.

use std::collections::HashMap;

pub struct Arguments {
    pub command: String,
    options: HashMap<String, String>,
}

impl Arguments {
    /// # Errors
    /// An argument that is no option, or an option without a value.
    pub fn parse() -> Result<Arguments, String> {
        let mut given = std::env::args().skip(1);
        let command = given.next().ok_or("say what to do: load, loop, check or await")?;
        let mut options = HashMap::new();
        while let Some(argument) = given.next() {
            let name = argument.strip_prefix("--").ok_or_else(|| format!("{argument} is not an option"))?;
            let value = given.next().ok_or_else(|| format!("--{name} needs a value"))?;
            options.insert(name.to_owned(), value);
        }
        Ok(Arguments { command, options })
    }

    pub fn text(&self, name: &str) -> Result<&str, String> {
        self.options.get(name).map(String::as_str).ok_or_else(|| format!("--{name} is missing"))
    }

    pub fn optional(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    pub fn number(&self, name: &str) -> Result<i64, String> {
        self.text(name)?.parse().map_err(|_| format!("--{name} is not a number"))
    }
}
