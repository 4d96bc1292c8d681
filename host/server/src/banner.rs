//! What a server says when it is ready.

use std::net::SocketAddr;

use crate::config::Settings;

/// A few lines for people: where the server is, which log it uses and where its data is.
pub fn banner(settings: &Settings, addresses: &[SocketAddr], topics_of: &str) -> String {
    let urls: Vec<String> = addresses.iter().map(|a| format!("http://{a}")).collect();
    let log = match &settings.kafka {
        Some(client) => format!("Kafka at {}", client.get("bootstrap.servers").map_or("?", String::as_str)),
        None => "embedded (set bootstrap.servers to use Kafka)".to_owned(),
    };
    let mut text = format!(
        "\n  Calzone {} is ready\n\n  URL             {}\n  Log             {log}\n  Data directory  {}\n  Service id      {}\n  Cluster         {topics_of}\n",
        env!("CARGO_PKG_VERSION"),
        urls.join(", "),
        settings.state_dir.display(),
        settings.service_id,
    );
    if addresses.iter().any(|a| !a.ip().is_loopback()) {
        text.push_str(
            "  Warning         open to the network without authentication: whoever reaches it can run statements and plugins\n",
        );
    }
    text
}
