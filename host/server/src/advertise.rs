//! Under which address the other servers of a cluster find this one.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};

/// `host:port` to tell the others: what the settings say, else where this server listens for them. A server that listens at
/// all its addresses takes the one by which it reaches the brokers.
pub fn address(advertised: Option<&str>, listens: SocketAddr, brokers: Option<&str>) -> String {
    if let Some(advertised) = advertised {
        return advertised.to_owned();
    }
    if !listens.ip().is_unspecified() {
        return listens.to_string();
    }
    let towards = brokers.into_iter().flat_map(|list| list.split(',')).find_map(|broker| own_address(broker.trim()));
    SocketAddr::new(towards.unwrap_or(IpAddr::from([127, 0, 0, 1])), listens.port()).to_string()
}

/// This computer's address on the way to a place. Nothing is sent: the system only chooses a route.
fn own_address(place: &str) -> Option<IpAddr> {
    place.to_socket_addrs().ok()?.find_map(|to| {
        let from: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_an_address_that_they_can_use() {
        let all: SocketAddr = "0.0.0.0:8088".parse().unwrap();
        assert_eq!(address(Some("shop:1"), all, None), "shop:1");
        assert_eq!(address(None, "10.1.2.3:9".parse().unwrap(), None), "10.1.2.3:9");
        assert_eq!(address(None, all, Some("no.such.host.invalid:1, 127.0.0.1:9092")), "127.0.0.1:8088");
        assert_eq!(address(None, all, None), "127.0.0.1:8088");
    }
}
