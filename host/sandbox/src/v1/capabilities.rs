//! What is behind a guest's imports.

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::calzone::plugin::log::Level;
use super::bindings::calzone::plugin::{clock, fault, insert, key_value, log, query, random};
use crate::SandboxError;
use crate::instance::Guest;
use crate::limits::cut;
use crate::seed::RowSeeds;

/// All capabilities. A component that imports one not granted is refused before it is instantiated.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Guest>, SandboxError> {
    let mut linker = Linker::new(engine);
    let add = |linker: &mut Linker<Guest>| -> wasmtime::Result<()> {
        fault::add_to_linker::<_, HasSelf<Guest>>(linker, |g| g)?;
        random::add_to_linker::<_, HasSelf<Guest>>(linker, |g| g)?;
        clock::add_to_linker::<_, HasSelf<Guest>>(linker, |g| g)?;
        log::add_to_linker::<_, HasSelf<Guest>>(linker, |g| g)?;
        key_value::add_to_linker::<_, HasSelf<Guest>>(linker, |g| g)?;
        super::http::add_to_linker(linker)?;
        insert::add_to_linker::<_, HasSelf<Guest>>(linker, |g| g)?;
        query::add_to_linker::<_, HasSelf<Guest>>(linker, |g| g)
    };
    add(&mut linker).map_err(|e| SandboxError::Internal(format!("the sandbox's own imports do not link: {e:#}")))?;
    Ok(linker)
}

impl fault::Host for Guest {
    fn report(&mut self, message: String) {
        let bytes = self.message_bytes;
        self.reported.get_or_insert_with(|| cut(&message, bytes));
    }
}

impl random::Host for Guest {
    fn seeds(&mut self) -> Vec<u8> {
        self.seeds.as_ref().map(RowSeeds::to_bytes).unwrap_or_default()
    }
}

impl clock::Host for Guest {
    fn now(&mut self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
    }
}

impl log::Host for Guest {
    fn write(&mut self, level: Level, message: String) {
        if self.log_lines_left == 0 {
            self.log_lines_dropped += 1;
            return;
        }
        self.log_lines_left -= 1;
        let (plugin, message) = (&*self.plugin, cut(&message, self.message_bytes));
        match level {
            Level::Debug => tracing::debug!(target: "calzone::plugin", plugin, "{message}"),
            Level::Info => tracing::info!(target: "calzone::plugin", plugin, "{message}"),
            Level::Warn => tracing::warn!(target: "calzone::plugin", plugin, "{message}"),
            Level::Error => tracing::error!(target: "calzone::plugin", plugin, "{message}"),
        }
    }
}
