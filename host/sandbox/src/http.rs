//! HTTP TO 'host:port': requests that a guest may send, and to whom.
//!
//! The sandbox decides whether a request may leave; how it is sent is the server's affair ([`Outbound`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// A request that may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundRequest {
    pub method: String,
    /// `https`: the place must show a certificate for its name.
    pub tls: bool,
    pub place: Place,
    /// Path and query, beginning with `/`.
    pub path: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub timeout: Duration,
    /// The largest answer that is taken: its body and headers.
    pub bytes_max: usize,
    /// May the place have an address of a private network? Only where the grant names that address itself.
    pub private_address: bool,
}

/// An answer, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundResponse {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundError {
    /// The place must not be asked.
    Denied(String),
    /// The request is none.
    Invalid(String),
    Timeout,
    TooLarge,
    Failed(String),
}

/// Sends requests. Blocks until there is an answer or the time is over.
///
/// An implementation must look at every address that a name stands for with [`is_public`], and connect to one that it has
/// looked at: a name may stand for another address the next time.
pub trait Outbound: std::fmt::Debug + Send + Sync {
    fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError>;
}

/// A host and a port, as GRANT names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// In lower case, without brackets.
    pub host: String,
    pub port: u16,
}

impl Place {
    /// `host:port`; a host alone has port 80.
    pub fn parse(text: &str) -> Result<Place, String> {
        Place::with_port(text, 80)
    }

    fn with_port(text: &str, default: u16) -> Result<Place, String> {
        let wrong = || format!("'{text}' is no place: write 'host:port', for instance 'api.example.org:80'");
        let text = text.trim();
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
            None => match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = port.map_or(Ok(default), str::parse::<u16>).map_err(|_| wrong())?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || port == 0 || !host.chars().all(plain) {
            return Err(wrong());
        }
        Ok(Place { host: host.to_ascii_lowercase(), port })
    }

    /// The address, if the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Was it named as what it is: an address, or this computer?
    fn is_literal(&self) -> bool {
        self.address().is_some() || self.host == "localhost"
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address() {
            Some(IpAddr::V6(host)) => write!(f, "[{host}]:{}", self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// An address of the internet: none of this computer, of a link, of a private network (where clouds keep their metadata),
/// or for several at once.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v4(a: Ipv4Addr) -> bool {
    let [first, second, third, _] = a.octets();
    !(a.is_loopback()
        || a.is_private()
        || a.is_link_local()
        || a.is_unspecified()
        || a.is_broadcast()
        || a.is_multicast()
        || a.is_documentation()
        || first == 0
        || first >= 240
        // Shared addresses of carriers, benchmarks, protocol assignments.
        || (first == 100 && (64..128).contains(&second))
        || (first == 198 && (18..20).contains(&second))
        || (first == 192 && second == 0 && third == 0))
}

fn is_public_v6(a: Ipv6Addr) -> bool {
    let [first, second, ..] = a.segments();
    // Only global unicast; and of that no documentation, and nothing that carries an IPv4 address inside (6to4, Teredo).
    (first & 0xe000) == 0x2000 && !(first == 0x2001 && (second == 0xdb8 || second == 0)) && first != 0x2002
}

/// A URL of a guest, cut up.
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) place: Place,
    pub(crate) path: String,
}

/// `http[s]://host[:port][/path][?query]`
pub(crate) fn parse_url(url: &str) -> Result<Target, OutboundError> {
    let invalid = |text: String| Err(OutboundError::Invalid(text));
    let (tls, rest) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        _ => return invalid(format!("`{url}` is no URL: it begins with http:// or https://")),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (place, path) = rest.split_at(end);
    let path = path.split('#').next().unwrap_or_default();
    if place.contains('@') {
        return invalid("a URL with a user's name or password is not taken: use a header".to_owned());
    }
    if path.chars().any(|c| c.is_ascii_control() || c == ' ' || !c.is_ascii()) {
        return invalid(format!("`{url}`: a path has no spaces and only ASCII; write others as %20 and so on"));
    }
    let place = Place::with_port(place, if tls { 443 } else { 80 }).map_err(OutboundError::Invalid)?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Target { tls, place, path })
}

/// Is the place granted? True: even with an address that is not public, as the grant names it.
pub(crate) fn check_granted(place: &Place, granted: &[Place]) -> Result<bool, OutboundError> {
    if granted.contains(place) {
        return Ok(place.is_literal());
    }
    let list: Vec<String> = granted.iter().map(ToString::to_string).collect();
    let text = if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    Err(OutboundError::Denied(format!("HTTP TO '{place}' is not granted; granted is {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (text, wanted) in [
            ("API.example.org:8080", "api.example.org:8080"),
            ("host", "host:80"),
            ("[::1]:9", "[::1]:9"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(Place::parse(text).unwrap().to_string(), wanted);
        }
        for text in ["", ":80", "host:", "host:0", "host:99999", "a b:80", "http://x:80", "u@h:80", "[::1]x"] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_of_the_inside_are_not_public() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "ff02::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn only_what_is_granted_may_be_asked() {
        let granted = [Place::parse("api.example.org:80").unwrap(), Place::parse("127.0.0.1:8099").unwrap()];
        let ask = |url: &str| parse_url(url).and_then(|target| check_granted(&target.place, &granted).map(|p| (target.path, p)));
        assert_eq!(ask("http://API.example.org/a?b=1#c"), Ok(("/a?b=1".to_owned(), false)));
        assert_eq!(ask("http://127.0.0.1:8099"), Ok(("/".to_owned(), true)));
        assert!(matches!(ask("http://127.0.0.1:8098/"), Err(OutboundError::Denied(_))));
        assert!(matches!(ask("http://api.example.org:81/"), Err(OutboundError::Denied(_))));
        assert!(matches!(ask("http://api.example.org@evil.org/"), Err(OutboundError::Invalid(_))));
        // Another port is another place.
        assert!(matches!(ask("https://api.example.org/"), Err(OutboundError::Denied(_))));
        assert_eq!(ask("https://api.example.org:80/"), Ok(("/".to_owned(), false)));
        assert!(matches!(ask("file:///etc/passwd"), Err(OutboundError::Invalid(_))));
        assert!(matches!(ask("http://api.example.org/a b"), Err(OutboundError::Invalid(_))));
        assert!(matches!(ask("http://api.example.org/a\r\nHost: x"), Err(OutboundError::Invalid(_))));
    }
}
