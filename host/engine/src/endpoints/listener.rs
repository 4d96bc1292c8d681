//! Addresses of endpoints: `http://127.0.0.1:8094`.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Host and port of an address. Whether there is such a host is not asked.
pub fn parse_address(text: &str) -> Result<(String, u16), String> {
    let bad = |why: &str| format!("LISTENER '{text}': {why}; write it as 'http://127.0.0.1:8094'.");
    let place = match text.split_once("://") {
        Some(("http", place)) => place,
        Some(("https", _)) => return Err(bad("TLS is not spoken here: put a proxy in front that does")),
        Some(_) => return Err(bad("its protocol is not http")),
        None => return Err(bad("its protocol is missing")),
    };
    let Some((host, port)) = place.rsplit_once(':') else { return Err(bad("its port is missing")) };
    match port.parse::<u16>() {
        Ok(port) if port > 0 && !host.is_empty() && !host.contains('/') => Ok((host.to_owned(), port)),
        _ => Err(bad("it has no host and port between 1 and 65535")),
    }
}

/// A socket that takes connections at this address; an address in use is waited for so long.
pub fn bind(text: &str, wait: Duration) -> Result<TcpListener, String> {
    parse_address(text)?;
    let place = text.trim_start_matches("http://");
    let failed = |e: std::io::Error| format!("LISTENER '{text}': cannot listen there: {e}");
    let address: SocketAddr =
        place.to_socket_addrs().map_err(failed)?.next().ok_or_else(|| format!("LISTENER '{text}': there is no such address"))?;
    let started = Instant::now();
    let listener = loop {
        match TcpListener::bind(address) {
            Ok(listener) => break listener,
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse && started.elapsed() < wait => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(e) => return Err(failed(e)),
        }
    };
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_protocol_a_host_and_a_port() {
        for (text, wanted) in [("http://127.0.0.1:8094", ("127.0.0.1", 8094)), ("http://[::1]:80", ("[::1]", 80))] {
            assert_eq!(parse_address(text), Ok((wanted.0.to_owned(), wanted.1)));
        }
        for (text, word) in [
            ("https://h:1", "TLS"),
            ("h:1", "protocol"),
            ("ftp://h:1", "protocol"),
            ("http://h", "port"),
            ("http://h:0", "port"),
            ("http://:1", "host"),
            ("http://h:1/x", "port"),
            ("http://h/x:1", "host"),
        ] {
            let error = parse_address(text).unwrap_err();
            assert!(error.contains(word) && error.contains(text), "{error}");
        }
    }

    #[test]
    fn an_address_in_use_is_refused() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!("http://{}", taken.local_addr().unwrap());
        assert!(bind(&text, Duration::ZERO).unwrap_err().contains("cannot listen"));
        drop(taken);
        bind(&text, Duration::ZERO).unwrap();
    }
}
