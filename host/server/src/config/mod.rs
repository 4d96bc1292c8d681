//! Settings: gathered from a properties file, the environment and the command line, and turned once into what the
//! program uses.
//!
//! Later sources win: defaults, the properties file, `KSQL_…` variables, `-D` options in `KSQL_OPTS`, `--set`.

mod environment;
mod limits;
mod properties_file;
mod settings;

pub use settings::{ConfigError, Settings, resolve};

use std::collections::BTreeMap;
use std::path::Path;

/// Raw settings by name, and what there is to say about how they were read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    pub properties: BTreeMap<String, String>,
    /// Sentences for the log, such as which variables have no meaning here.
    pub notes: Vec<String>,
}

/// Reads all sources in the order of their precedence.
///
/// # Errors
/// A file that cannot be read or understood, a `--set` without `=`.
pub fn gather(
    file: Option<&Path>,
    variables: impl Iterator<Item = (String, String)>,
    settings: &[String],
) -> Result<Gathered, ConfigError> {
    let mut gathered = Gathered::default();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigError::new(format!("cannot read the properties file {}: {e}", path.display())))?;
        let pairs = properties_file::parse(&text).map_err(|e| ConfigError::new(format!("{}: {e}", path.display())))?;
        gathered.properties.extend(pairs);
    }
    let environment = environment::read(variables);
    gathered.properties.extend(environment.properties);
    gathered.notes.extend(environment.notes);
    for setting in settings {
        let (name, value) = setting.split_once('=').ok_or_else(|| {
            ConfigError::new(format!("--set {setting}: write it as --set name=value, for example --set ksql.service.id=shop_"))
        })?;
        gathered.properties.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok(gathered)
}
