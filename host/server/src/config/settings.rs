//! What the server runs with.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use calzone_engine::properties::{PropertyFault, validate_override};
use calzone_log::EmbeddedSettings;
use calzone_sandbox::Limits;
use calzone_state::Durability;

use super::{Gathered, limits};

/// Where the server listens unless `listeners` says otherwise: whoever may send it statements may run code on it.
const DEFAULT_LISTENER: &str = "http://127.0.0.1:8088";

const DEFAULT_SERVICE_ID: &str = "default_";

/// About what the database holds in memory and has yet to write in another form.
const RESERVE_BYTES: u64 = 128 << 20;

/// Why the settings cannot be used: which, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    pub fn new(message: impl Into<String>) -> ConfigError {
        ConfigError(message.into())
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// All settings in the form they are used.
#[derive(Debug)]
pub struct Settings {
    /// Addresses to listen on, at least one.
    pub listeners: Vec<SocketAddr>,
    /// `ksql.internal.listener`: a further address, for the other servers of the cluster alone.
    pub internal_listener: Option<SocketAddr>,
    /// `ksql.advertised.listener`: `host:port` at which other servers reach this one.
    pub advertised: Option<String>,
    /// `ksql.service.id`.
    pub service_id: String,
    /// `ksql.streams.state.dir`.
    pub state_dir: PathBuf,
    /// The brokers, and all other client settings by Kafka's names; `None` uses the embedded log.
    pub kafka: Option<BTreeMap<String, String>>,
    /// How the embedded log writes.
    pub durability: Durability,
    /// How long topics of the embedded log keep records unless they say it themselves, milliseconds; `None`: for ever.
    pub retention_ms: Option<i64>,
    /// Room on the disk of the state directory that is kept back, bytes.
    pub reserve_bytes: u64,
    pub limits: Limits,
    /// Everything as it was given, for the engine and SHOW PROPERTIES.
    pub properties: BTreeMap<String, String>,
    /// Sentences for the log.
    pub notes: Vec<String>,
}

/// Turns raw settings into used ones. `home` and `state_home` are the variables `HOME` and `XDG_STATE_HOME`.
///
/// # Errors
/// Whatever cannot be used, by name.
pub fn resolve(gathered: Gathered, home: Option<&str>, state_home: Option<&str>) -> Result<Settings, ConfigError> {
    let Gathered { mut properties, notes } = gathered;
    let text = |name: &str| properties.get(name).map(|v| v.trim()).filter(|v| !v.is_empty());
    let listeners = parse_listeners(text("listeners").unwrap_or(DEFAULT_LISTENER))?;
    let internal_listener = match text("ksql.internal.listener") {
        None => None,
        Some(given) => {
            let found = parse_addresses("ksql.internal.listener", given)?;
            let [address] = found.as_slice() else {
                return Err(ConfigError::new(format!("ksql.internal.listener={given}: give one address")));
            };
            Some(*address).filter(|address| !listeners.contains(address))
        }
    };
    let advertised = text("ksql.advertised.listener").map(advertised_place).transpose()?;
    let service_id = text("ksql.service.id").unwrap_or(DEFAULT_SERVICE_ID).to_owned();
    if !service_id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return Err(ConfigError::new(format!(
            "ksql.service.id={service_id}: it becomes part of topics' names, so use letters, digits, '.', '_' and '-' only"
        )));
    }
    let state_dir = match text("ksql.streams.state.dir") {
        Some(dir) => PathBuf::from(dir),
        None => default_state_dir(&service_id, home, state_home)?,
    };
    let durability = match text("calzone.embedded.log.durability").unwrap_or("synced") {
        "synced" => Durability::Synced,
        "buffered" => Durability::Buffered,
        other => {
            let message = format!("calzone.embedded.log.durability={other}: use 'synced' (default) or 'buffered'");
            return Err(ConfigError::new(message));
        }
    };
    let retention_ms = match text("calzone.embedded.log.retention.ms") {
        None => Some(EmbeddedSettings::RETENTION_MS),
        Some("-1") => None,
        Some(given) => Some(given.parse().ok().filter(|ms| *ms > 0).ok_or_else(|| {
            let message =
                format!("calzone.embedded.log.retention.ms={given}: give milliseconds above 0, or -1 to keep records for ever");
            ConfigError::new(message)
        })?),
    };
    let reserve_bytes = match text("calzone.disk.reserve.bytes") {
        None => RESERVE_BYTES,
        Some(given) => given.parse().map_err(|_| {
            let message = format!("calzone.disk.reserve.bytes={given}: give bytes, or 0 to write until the disk is full");
            ConfigError::new(message)
        })?,
    };
    let kafka = text("bootstrap.servers").is_some().then(|| kafka_settings(&properties));
    let limits = limits::limits(&properties)?;
    for (name, value) in &properties {
        // Unknown names are left alone, as they may be for a client library. A value that a client could not set is a slip
        // that would show much later: at-least-once, say, where exactly-once was meant.
        let value = value.trim();
        if !value.is_empty()
            && let Err(fault @ PropertyFault::BadValue(_)) = validate_override(name, Some(value))
        {
            return Err(ConfigError::new(fault.message()));
        }
    }
    properties.insert("ksql.service.id".into(), service_id.clone());
    properties.insert("ksql.streams.state.dir".into(), state_dir.display().to_string());
    Ok(Settings {
        listeners,
        internal_listener,
        advertised,
        service_id,
        state_dir,
        kafka,
        durability,
        retention_ms,
        reserve_bytes,
        limits,
        properties,
        notes,
    })
}

fn default_state_dir(service_id: &str, home: Option<&str>, state_home: Option<&str>) -> Result<PathBuf, ConfigError> {
    // The specification of XDG_STATE_HOME wants relative paths ignored.
    let base = match (state_home.filter(|dir| dir.starts_with('/')), home.filter(|dir| !dir.is_empty())) {
        (Some(dir), _) => PathBuf::from(dir),
        (None, Some(home)) => PathBuf::from(home).join(".local/state"),
        (None, None) => {
            return Err(ConfigError::new("there is no HOME to keep data in: set ksql.streams.state.dir to a directory"));
        }
    };
    Ok(base.join("calzone").join(service_id))
}

fn parse_listeners(text: &str) -> Result<Vec<SocketAddr>, ConfigError> {
    let addresses = parse_addresses("listeners", text)?;
    match addresses.is_empty() {
        true => Err(ConfigError::new(format!("listeners is empty; write it as {DEFAULT_LISTENER}"))),
        false => Ok(addresses),
    }
}

fn parse_addresses(setting: &str, text: &str) -> Result<Vec<SocketAddr>, ConfigError> {
    let mut addresses = Vec::new();
    for listener in text.split(',').map(str::trim).filter(|l| !l.is_empty()) {
        let place = place_of(setting, listener)?;
        let found = place.to_socket_addrs().map_err(|e| {
            ConfigError::new(format!("{setting}={listener}: no such address: {e}; write it as {DEFAULT_LISTENER}"))
        })?;
        // A name such as localhost may mean several addresses; its first is the one clients try first.
        addresses.extend(found.take(1));
    }
    Ok(addresses)
}

/// `host:port` of a URL.
fn place_of<'a>(setting: &str, url: &'a str) -> Result<&'a str, ConfigError> {
    let bad = |why: &str| ConfigError::new(format!("{setting}={url}: {why}; write it as {DEFAULT_LISTENER}"));
    let place = match url.split_once("://") {
        Some(("http", place)) => place.trim_end_matches('/'),
        Some(("https", _)) => return Err(bad("TLS is not spoken here: put a proxy in front that does")),
        Some(_) => return Err(bad("its protocol is not http")),
        None => return Err(bad("its protocol is missing")),
    };
    match place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        true => Ok(place),
        false => Err(bad("its port is missing")),
    }
}

/// Where others are told to go; the name need mean nothing on this computer.
fn advertised_place(url: &str) -> Result<String, ConfigError> {
    let place = place_of("ksql.advertised.listener", url)?;
    if place.starts_with("0.0.0.0:") || place.starts_with("[::]:") {
        return Err(ConfigError::new(format!(
            "ksql.advertised.listener={url}: that is every address of a computer; give the one at which other servers reach this one"
        )));
    }
    Ok(place.to_owned())
}

/// Beginnings of the names of settings that every Kafka client takes.
const CLIENT_PREFIXES: &[&str] = &["sasl.", "ssl.", "security."];
const CLIENT_NAMES: &[&str] = &["bootstrap.servers", "client.id", "client.rack"];
/// After `ksql.streams.`: settings of one kind of client.
const KIND_PREFIXES: &[&str] = &["consumer.", "producer.", "admin."];

fn kafka_settings(properties: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_client = |name: &str| CLIENT_NAMES.contains(&name) || CLIENT_PREFIXES.iter().any(|p| name.starts_with(p));
    let mut client = BTreeMap::new();
    for (name, value) in properties {
        // Settings of a listener with TLS have the same names in ksqlDB; only those of clients reach this far.
        if is_client(name) || KIND_PREFIXES.iter().any(|p| name.starts_with(p)) {
            client.insert(name.clone(), value.clone());
        }
    }
    for (name, value) in properties {
        if let Some(short) = name.strip_prefix("ksql.streams.")
            && (is_client(short) || KIND_PREFIXES.iter().any(|p| short.starts_with(p)))
        {
            client.insert(short.to_owned(), value.clone());
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let properties = pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        resolve(Gathered { properties, notes: Vec::new() }, Some("/home/ann"), None)
    }

    #[test]
    fn without_settings_the_embedded_log_on_loopback() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.listeners, ["127.0.0.1:8088".parse().unwrap()]);
        assert_eq!(settings.service_id, "default_");
        assert_eq!(settings.state_dir, PathBuf::from("/home/ann/.local/state/calzone/default_"));
        assert!(settings.kafka.is_none());
        assert_eq!(settings.properties["ksql.streams.state.dir"], "/home/ann/.local/state/calzone/default_");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (name, value, word) in [
            ("listeners", "https://127.0.0.1:8088", "TLS"),
            ("listeners", "127.0.0.1:8088", "protocol"),
            ("listeners", "http://127.0.0.1", "port"),
            ("listeners", "ftp://127.0.0.1:1", "protocol"),
            ("ksql.internal.listener", "127.0.0.1:8089", "protocol"),
            ("ksql.internal.listener", "http://127.0.0.1:1,http://127.0.0.1:2", "one address"),
            ("ksql.advertised.listener", "http://shop", "port"),
            ("ksql.advertised.listener", "http://0.0.0.0:8088", "every address"),
            ("ksql.service.id", "a b", "letters"),
            ("calzone.embedded.log.durability", "maybe", "buffered"),
            ("calzone.disk.reserve.bytes", "much", "bytes"),
            ("calzone.embedded.log.retention.ms", "0", "-1"),
            ("calzone.embedded.log.retention.ms", "a week", "milliseconds"),
            ("calzone.plugin.batch.ms", "-1", "whole number"),
            ("ksql.streams.processing.guarantee", "exactly_once_v3", "exactly_once_v2"),
            ("ksql.streams.num.stream.threads", "many", "whole number"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(word) && error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn clients_of_kafka_get_what_is_theirs() {
        let settings = settings(&[
            ("bootstrap.servers", "b:9092"),
            ("security.protocol", "SASL_SSL"),
            ("ksql.streams.producer.linger.ms", "3"),
            ("ksql.streams.num.stream.threads", "3"),
            ("ksql.service.id", "x"),
        ])
        .unwrap();
        let names: Vec<String> = settings.kafka.unwrap().into_keys().collect();
        assert_eq!(names, ["bootstrap.servers", "producer.linger.ms", "security.protocol"]);
    }

    #[test]
    fn several_listeners() {
        let settings = settings(&[("listeners", "http://127.0.0.1:1, http://[::1]:2/")]).unwrap();
        assert_eq!(settings.listeners, ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
        assert_eq!((settings.internal_listener, settings.advertised), (None, None));
    }

    #[test]
    fn servers_have_an_address_for_each_other() {
        let pairs = [("ksql.internal.listener", "http://127.0.0.1:9"), ("ksql.advertised.listener", "http://no.such.host:7/")];
        let resolved = settings(&pairs).unwrap();
        assert_eq!(resolved.internal_listener, Some("127.0.0.1:9".parse().unwrap()));
        assert_eq!(resolved.advertised.as_deref(), Some("no.such.host:7"));
        // The same address serves both.
        assert_eq!(settings(&[("ksql.internal.listener", "http://127.0.0.1:8088")]).unwrap().internal_listener, None);
    }
}
