//! `calzone plugin push`, `list` and `use`: requests to a server.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::build::plugin_file;
use crate::cli::Table;
use crate::client::{ClientError, Server};

/// Runs one request on a runtime of its own.
fn request<T>(server: &str, work: impl AsyncFnOnce(Server) -> Result<T, ClientError>) -> Result<T, String> {
    let server = Server::parse(server).map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(work(server)).map_err(|e| e.to_string())
}

/// Uploads a component.
pub fn push(server: &str, name: &str, file: Option<PathBuf>, activate: bool) -> Result<(), String> {
    let file = file.unwrap_or_else(|| plugin_file(Path::new("."), name));
    let bytes =
        std::fs::read(&file).map_err(|e| format!("cannot read {}: {e}; `calzone plugin build` makes it", file.display()))?;
    let query = if activate { "?activate=true" } else { "" };
    let path = format!("/plugins/{name}{query}");
    let uploaded = request(server, async |server| server.json(Method::PUT, &path, Bytes::from(bytes)).await)?;
    let active = if uploaded["active"] == true { "active" } else { "not active: calzone plugin use switches to it" };
    println!("{name} revision {} ({active})", uploaded["revision"]);
    for (label, key) in [("functions", "functions"), ("stages", "stages")] {
        let names = texts(&uploaded[key]);
        if !names.is_empty() {
            println!("  {label}: {names}");
        }
    }
    Ok(())
}

/// Prints the plugins of a server.
pub fn list(server: &str) -> Result<(), String> {
    let plugins = request(server, async |server| server.json(Method::GET, "/plugins", Bytes::new()).await)?;
    let mut table = Table::new(["Plugin", "Active revision", "Revisions", "Functions", "Stages", "Used by"]);
    for plugin in plugins.as_array().into_iter().flatten() {
        table.row([
            plugin["name"].as_str().unwrap_or_default().to_owned(),
            plugin["revision"].to_string(),
            plugin["revisions"].as_array().map_or(0, Vec::len).to_string(),
            texts(&plugin["functions"]),
            texts(&plugin["stages"]),
            texts(&plugin["usedBy"]),
        ]);
    }
    print!("{}", table.text());
    Ok(())
}

/// Makes a revision the active one.
pub fn use_revision(server: &str, name: &str, revision: i64) -> Result<(), String> {
    let statement = format!("ALTER PLUGIN {} USE REVISION {revision};", calzone_sql::quote_name(name));
    let body = json!({ "ksql": statement });
    let answer = request(server, async |server| server.statements(&body).await)?;
    match answer {
        Ok(_) => {
            println!("{name} uses revision {revision}");
            Ok(())
        }
        Err(error) => Err(error["message"].as_str().unwrap_or("refused").to_owned()),
    }
}

fn texts(value: &Value) -> String {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}
