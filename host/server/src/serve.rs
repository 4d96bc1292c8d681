//! `calzone server`: from settings to a running server, and back to nothing.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use calzone_engine::cluster::ClusterOptions;
use calzone_engine::{Engine, EngineOptions};
use calzone_log::{EmbeddedLog, EmbeddedSettings, KafkaLog, KafkaSettings, Log};
use calzone_state::{Database, StateError};
use tokio::net::TcpListener;

use crate::app::App;
use crate::arguments::ServerArguments;
use crate::config::{self, Settings};
use crate::listen::Paths;
use crate::outbound::OutboundHttp;
use crate::peers::Peers;
use crate::rest::Audience;
use crate::{advertise, banner, listen, logging, rest, signals};

/// Threads that move bytes between sockets and queries. Work that takes longer has threads of its own, so two are enough
/// and keep an idle server small.
const WORKER_THREADS: usize = 2;

/// Requests that may wait for the engine at a time; further ones queue.
const BLOCKING_THREADS_MAX: usize = 128;

/// How long connections may take to end their answers when the server stops.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// How often it is looked whether the database still takes writes.
const LOOK_AT_DATABASE: Duration = Duration::from_millis(500);

/// How long the engine may take to stop before the process ends anyway.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// Runs a server until a signal ends it.
pub fn run(arguments: &ServerArguments) -> ExitCode {
    logging::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_keep_alive(Duration::from_secs(10))
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(serve(arguments));
            // Threads that still wait for the engine must not keep the process.
            runtime.shutdown_background();
            match result {
                Ok(End::Restart) => Err(restart()),
                Ok(End::Stopped) => Ok(()),
                Err(message) => Err(message),
            }
        }
        Err(e) => Err(format!("cannot start threads: {e}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            tracing::error!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Why the server ends.
enum End {
    Stopped,
    /// Its database must be opened anew.
    Restart,
}

/// Puts a new server in the place of this one; gives why that is not possible.
fn restart() -> String {
    use std::os::unix::process::CommandExt;
    match std::env::current_exe() {
        Ok(program) => {
            let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).exec();
            format!("cannot start again: {error}")
        }
        Err(error) => format!("cannot start again, the program's own file is not found: {error}"),
    }
}

/// Returns when the database takes no more writes, because one of them failed, and there is room on the disk for those of a
/// server that opens it anew. All that was acknowledged is in it.
async fn failed_for_good(database: &Database) {
    let mut tick = tokio::time::interval(LOOK_AT_DATABASE);
    let mut has_told = false;
    loop {
        tick.tick().await;
        if !database.has_failed() {
            continue;
        }
        if !std::mem::replace(&mut has_told, true) {
            tracing::error!(
                directory = %database.path().display(),
                "the data directory takes no more writes since one of them failed (a full disk?): the server starts again once there is room"
            );
        }
        if database.look_for_room().is_ok() {
            return;
        }
    }
}

async fn serve(arguments: &ServerArguments) -> Result<End, String> {
    let gathered =
        config::gather(arguments.properties_file.as_deref(), std::env::vars(), &arguments.settings).map_err(|e| e.to_string())?;
    let (home, state_home) = (std::env::var("HOME").ok(), std::env::var("XDG_STATE_HOME").ok());
    let settings = config::resolve(gathered, home.as_deref(), state_home.as_deref()).map_err(|e| e.to_string())?;
    for note in &settings.notes {
        tracing::info!("{note}");
    }
    // Before anything is opened: a second server on the same address must not touch the first one's data.
    let listeners = bind(&settings.listeners).await?;
    let addresses: Vec<SocketAddr> = listeners.iter().filter_map(|l| l.local_addr().ok()).collect();
    let internal = bind(settings.internal_listener.as_slice()).await?;
    let for_servers = internal.first().or(listeners.first()).and_then(|l| l.local_addr().ok());
    let for_servers = for_servers.ok_or("the address that was listened on is not known any more")?;
    let brokers = settings.kafka.as_ref().and_then(|client| client.get("bootstrap.servers"));
    let advertised = advertise::address(settings.advertised.as_deref(), for_servers, brokers.map(String::as_str));
    let settings = Arc::new(settings);
    let (for_start, host) = (settings.clone(), advertised.clone());
    let runtime = tokio::runtime::Handle::current();
    // A signal during a long start (an unreachable broker) ends it at once.
    let started = tokio::select! {
        started = tokio::task::spawn_blocking(move || start_engine(&for_start, runtime, advertised)) => started,
        signal = signals::stop_requested() => {
            tracing::info!(signal, "stopped while starting");
            return Ok(End::Stopped);
        }
    };
    let (engine, database) = started.map_err(|_| "the start ended by a fault of the server itself".to_owned())??;
    let app = App::new(engine.clone(), host);
    let banner = banner::banner(&settings, &addresses, app.cluster_id());
    // Where it cannot be shown, the server runs all the same.
    let _ = writeln!(std::io::stderr(), "{banner}");
    let url = addresses.first().map_or_else(String::new, |address| format!("http://{address}"));
    tracing::info!(%url, state_dir = %settings.state_dir.display(), "ready");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let audience = if internal.is_empty() { Audience::All } else { Audience::Clients };
    let services = [rest::router(app.clone(), audience), rest::router(app.clone(), Audience::All)];
    let places = listeners.into_iter().map(|l| (l, &services[0])).chain(internal.into_iter().map(|l| (l, &services[1])));
    let mut accepting: Vec<_> = places
        .map(|(listener, service)| tokio::spawn(listen::accept(listener, service.clone(), Paths::Rest, stopped.clone())))
        .collect();
    accepting.push(tokio::spawn(listen::follow_endpoints(app, stopped)));
    let end = tokio::select! {
        signal = signals::stop_requested() => {
            tracing::info!(signal, "stopping");
            End::Stopped
        }
        () = failed_for_good(&database) => {
            tracing::warn!("starting again, as the data directory must be opened anew");
            End::Restart
        }
    };
    let _ = stop.send(true);
    // Push queries end, which ends the answers that connections still send.
    let stopping = tokio::task::spawn_blocking(move || engine.shutdown());
    if tokio::time::timeout(STOP_TIME_MAX, stopping).await.is_err() {
        tracing::warn!("some queries did not stop in time; what they had not committed is done again at the next start");
    }
    for task in accepting {
        let _ = tokio::time::timeout(DRAIN_TIME, task).await;
    }
    Ok(end)
}

async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await.map_err(|e| {
            format!("cannot listen on {address}: {e}; choose another address with --set listeners=http://HOST:PORT")
        })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// On Kafka all that the database holds can be read again: a damaged one is moved aside.
fn open_database(path: &Path, on_kafka: bool, limits: calzone_state::Settings) -> Result<Database, StateError> {
    let damage = match Database::open_with(path, limits.clone()) {
        Err(damage @ StateError::Corrupt { .. }) if on_kafka => damage,
        outcome => return outcome,
    };
    let aside = path.with_extension(format!("damaged-{}", calzone_engine::now_ms()));
    std::fs::rename(path, &aside).map_err(|source| StateError::Io { path: path.into(), action: "move aside", source })?;
    tracing::error!(%damage, moved_to = %aside.display(), "the local stores are damaged; all of them are restored from Kafka");
    Database::open_with(path, limits)
}

fn start_engine(
    settings: &Settings,
    runtime: tokio::runtime::Handle,
    address: String,
) -> Result<(Arc<Engine>, Database), String> {
    let path = settings.state_dir.join("data");
    let limits = calzone_state::Settings { reserve_bytes: settings.reserve_bytes, ..calzone_state::Settings::default() };
    let opened = open_database(&path, settings.kafka.is_some(), limits);
    let database = opened.map_err(|e| format!("cannot open the data directory: {e}"))?;
    let log: Arc<dyn Log> = match &settings.kafka {
        Some(client) => {
            Arc::new(KafkaLog::open(database.clone(), KafkaSettings { client: client.clone() }).map_err(|e| e.to_string())?)
        }
        None => {
            let embedded = EmbeddedSettings { durability: settings.durability, retention_ms: settings.retention_ms };
            Arc::new(EmbeddedLog::open(database.clone(), embedded).map_err(|e| e.to_string())?)
        }
    };
    let compiler =
        std::env::current_exe().map_err(|e| format!("cannot find the program's own file, which compiles plugins: {e}"))?;
    let options = EngineOptions {
        service_id: settings.service_id.clone(),
        state_dir: settings.state_dir.clone(),
        properties: settings.properties.clone(),
        compiler,
        limits: settings.limits.clone(),
        outbound: Some(Arc::new(OutboundHttp::new(runtime.clone()))),
        cluster: Some(ClusterOptions { address, transport: Arc::new(Peers::new(runtime)) }),
    };
    let engine = Engine::start(options, log, database.clone()).map_err(|e| e.to_string())?;
    Ok((engine, database))
}
