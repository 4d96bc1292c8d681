//! Addresses of endpoints: a listener for each, opened and closed as endpoints come and go.

use std::collections::HashMap;
use std::sync::Arc;

use calzone_engine::endpoints::EndpointListener;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Paths;
use crate::app::App;
use crate::rest;

/// Accepts connections at the endpoints' addresses until told to stop.
pub async fn follow(app: App, mut stopped: watch::Receiver<bool>) {
    let mut changes = app.engine().endpoints().follow();
    let mut open: HashMap<String, (Arc<EndpointListener>, watch::Sender<bool>)> = HashMap::new();
    let mut accepting = JoinSet::new();
    loop {
        let table = changes.borrow_and_update().clone();
        let is_there = |listener: &Arc<EndpointListener>| table.listeners().iter().any(|l| Arc::ptr_eq(l, listener));
        open.retain(|_, (listener, stop)| {
            let stays = is_there(listener);
            if !stays {
                let _ = stop.send(true);
            }
            stays
        });
        for listener in table.listeners() {
            if open.contains_key(&listener.address) {
                continue;
            }
            match accept_at(&app, listener) {
                Ok((socket, router)) => {
                    let (stop, stopped) = watch::channel(false);
                    accepting.spawn(super::accept(socket, router, Paths::AsSent, stopped));
                    open.insert(listener.address.clone(), (listener.clone(), stop));
                }
                Err(e) => tracing::error!(address = %listener.address, error = %e, "cannot accept connections of an endpoint"),
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { break },
            Some(_) = accepting.join_next() => {}
            () = super::requested(&mut stopped) => break,
        }
    }
    for (_, stop) in open.values() {
        let _ = stop.send(true);
    }
    while accepting.join_next().await.is_some() {}
}

fn accept_at(app: &App, listener: &EndpointListener) -> std::io::Result<(TcpListener, axum::Router)> {
    let socket = TcpListener::from_std(listener.socket.try_clone()?)?;
    Ok((socket, rest::endpoint_router(app.clone(), listener.address.as_str().into())))
}
