//! Requests of plugins to the outside (HTTP TO), by HTTP/1.1, with TLS where the URL says https.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use calzone_sandbox::http::{Outbound, OutboundError, OutboundRequest, OutboundResponse, is_public};
use http_body_util::{BodyExt, Full};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;

/// What the connection says for itself: a guest that could set these could make one request look like two.
const RESERVED: [HeaderName; 5] = [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];

/// Sends requests on the server's runtime. To be called from threads that may block.
#[derive(Clone, Debug)]
pub struct OutboundHttp {
    runtime: Handle,
    /// Made for the first request that needs it.
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl OutboundHttp {
    pub fn new(runtime: Handle) -> OutboundHttp {
        OutboundHttp { runtime, tls: Arc::default() }
    }

    fn connector(&self) -> Result<TlsConnector, OutboundError> {
        if let Some(known) = self.tls.get() {
            return Ok(known.clone().into());
        }
        let made = trusting(trusted_here()?).map_err(|e| OutboundError::Failed(format!("TLS cannot be set up: {e}")))?;
        Ok(self.tls.get_or_init(|| Arc::new(made)).clone().into())
    }
}

/// The certificate authorities that this computer trusts: its own store, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
fn trusted_here() -> Result<RootCertStore, OutboundError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(OutboundError::Failed(format!(
            "this computer trusts no certificate authority, so no https can be spoken: install ca-certificates or set SSL_CERT_FILE {}",
            why.join("; ")
        )));
    }
    Ok(roots)
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

impl Outbound for OutboundHttp {
    fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let timeout = request.timeout;
        // A connection of its own for each request: no answer of one guest can reach another.
        let tls = if request.tls { Some(self.connector()?) } else { None };
        let work = self.runtime.spawn(async move { tokio::time::timeout(timeout, exchange(request, tls)).await });
        match self.runtime.block_on(work) {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(OutboundError::Timeout),
            Err(e) => Err(OutboundError::Failed(format!("the request was given up: {e}"))),
        }
    }
}

/// With `tls` only to a place that has a certificate for its name.
async fn exchange(request: OutboundRequest, tls: Option<TlsConnector>) -> Result<OutboundResponse, OutboundError> {
    let (place, host) = (request.place.to_string(), request.place.host.clone());
    let failed = |e: &dyn std::fmt::Display| OutboundError::Failed(format!("{place}: {e}"));
    let (request, path, limit, addresses) = prepare(request).await?;
    let stream = TcpStream::connect(&*addresses).await.map_err(|e| failed(&e))?;
    let answer = match tls {
        None => converse(stream, request, &place, limit).await?,
        Some(tls) => {
            let name = ServerName::try_from(host).map_err(|e| failed(&e))?;
            converse(tls.connect(name, stream).await.map_err(|e| failed(&e))?, request, &place, limit).await?
        }
    };
    let (status, bytes) = (answer.status, answer.body.len());
    tracing::debug!(target: "calzone::plugin", %place, %path, status, bytes, "request of a plugin");
    Ok(answer)
}

/// One request over a connection of its own; the answer has at most `limit` bytes.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
    place: &str,
    limit: usize,
) -> Result<OutboundResponse, OutboundError> {
    let failed = |e: &dyn std::fmt::Display| OutboundError::Failed(format!("{place}: {e}"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
    // It ends with this request, also when the time is over.
    let connection = AbortOnDrop(tokio::spawn(async move {
        // What goes wrong shows in the answer.
        let _ = connection.await;
    }));
    let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let (head, mut body) = answer.into_parts();
    let mut bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let mut content = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| failed(&e))?;
        if let Ok(data) = frame.into_data() {
            bytes += data.len();
            if bytes > limit {
                return Err(OutboundError::TooLarge);
            }
            content.extend_from_slice(&data);
        }
    }
    drop(connection);
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    Ok(OutboundResponse { status: head.status.as_u16(), headers: headers.collect(), body: content })
}

/// The request as it is sent, its path, the largest answer, and the addresses that it may go to.
async fn prepare(asked: OutboundRequest) -> Result<(Request<Full<Bytes>>, String, usize, Vec<SocketAddr>), OutboundError> {
    let invalid = |e: &dyn std::fmt::Display| OutboundError::Invalid(e.to_string());
    let method = Method::from_bytes(asked.method.as_bytes()).map_err(|e| invalid(&e))?;
    if method == Method::CONNECT {
        return Err(OutboundError::Invalid("CONNECT is not sent: it would open a way to other places".to_owned()));
    }
    let place = &asked.place;
    let mut request =
        Request::builder().method(method).uri(&asked.path).header(HOST, place.to_string()).header(CONNECTION, "close");
    for (name, value) in &asked.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| invalid(&e))?;
        if RESERVED.contains(&name) {
            return Err(OutboundError::Invalid(format!("the header {name} is set by the server itself")));
        }
        request = request.header(name, HeaderValue::from_bytes(value).map_err(|e| invalid(&e))?);
    }
    let request = request.body(Full::new(Bytes::from(asked.body))).map_err(|e| invalid(&e))?;
    let found: Vec<IpAddr> = match place.address() {
        Some(address) => vec![address],
        None => tokio::net::lookup_host((place.host.as_str(), place.port))
            .await
            .map_err(|e| OutboundError::Failed(format!("{place}: the name is not known: {e}")))?
            .map(|found| found.ip())
            .collect(),
    };
    let allowed = found.iter().filter(|address| asked.private_address || is_public(**address));
    let addresses: Vec<SocketAddr> = allowed.map(|address| SocketAddr::new(*address, place.port)).collect();
    if addresses.is_empty() {
        let list: Vec<String> = found.iter().map(ToString::to_string).collect();
        return Err(OutboundError::Denied(format!(
            "{place} stands for {}, an address of this computer or a private network; grant HTTP TO that address by number if it is meant",
            if list.is_empty() { "no address".to_owned() } else { list.join(", ") }
        )));
    }
    Ok((request, asked.path, asked.bytes_max, addresses))
}

/// A task that does not outlive its owner.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use calzone_sandbox::Place;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn ask(place: &str, private_address: bool) -> OutboundRequest {
        OutboundRequest {
            method: "GET".into(),
            tls: false,
            place: Place::parse(place).unwrap(),
            path: "/x?y=1".into(),
            headers: vec![("x-a".into(), b"1".to_vec())],
            body: Vec::new(),
            timeout: Duration::from_millis(300),
            bytes_max: 100,
            private_address,
        }
    }

    /// A server that answers each connection with these bytes, or not at all.
    async fn serve(answer: Option<Vec<u8>>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let _ = stream.read(&mut head).await;
                match &answer {
                    Some(bytes) => {
                        let _ = stream.write_all(bytes).await;
                    }
                    None => tokio::time::sleep(Duration::from_secs(5)).await,
                }
            }
        });
        place
    }

    #[tokio::test]
    async fn answers_and_their_limits() {
        let place = serve(Some(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok".to_vec())).await;
        let answer = exchange(ask(&place, true), None).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (201, b"ok".as_slice()));
        let large = [b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n".to_vec(), vec![b'x'; 200]].concat();
        assert_eq!(exchange(ask(&serve(Some(large)).await, true), None).await, Err(OutboundError::TooLarge));
        let silent = serve(None).await;
        let outbound = OutboundHttp::new(Handle::current());
        let answer = tokio::task::spawn_blocking(move || outbound.send(ask(&silent, true))).await.unwrap();
        assert_eq!(answer, Err(OutboundError::Timeout));
    }

    #[tokio::test]
    async fn what_is_not_sent() {
        let place = serve(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec())).await;
        // A name that stands for this computer, granted by that name only.
        assert!(matches!(exchange(ask(&place, false), None).await, Err(OutboundError::Denied(_))));
        for name in ["localhost:9", "2130706433:9", "0x7f000001:9", "0:9"] {
            assert!(matches!(exchange(ask(name, false), None).await, Err(OutboundError::Denied(_))), "{name}");
        }
        for (name, value) in [("host", "evil"), ("content-length", "3"), ("a b", "1"), ("a", "1\r\nb: 2")] {
            let headers = vec![(name.to_owned(), value.as_bytes().to_vec())];
            let answer = exchange(OutboundRequest { headers, ..ask(&place, true) }, None).await;
            assert!(matches!(answer, Err(OutboundError::Invalid(_))), "{name}: {answer:?}");
        }
        let connect = OutboundRequest { method: "CONNECT".into(), ..ask(&place, true) };
        assert!(matches!(exchange(connect, None).await, Err(OutboundError::Invalid(_))));
    }

    /// A certificate for `localhost` of an authority of its own, both valid for a hundred years.
    const AUTHORITY: &[u8] = include_bytes!("../tests/tls/authority.pem");
    const CERTIFICATE: &[u8] = include_bytes!("../tests/tls/localhost.pem");
    const KEY: &[u8] = include_bytes!("../tests/tls/localhost.key");

    fn authority() -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(AUTHORITY).unwrap()).unwrap();
        roots
    }

    /// A server that answers one request over TLS.
    async fn serve_tls() -> u16 {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await else { return };
            let mut head = vec![0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret").await;
            let _ = stream.shutdown().await;
        });
        port
    }

    #[tokio::test]
    async fn https_needs_a_certificate_that_is_trusted_and_for_that_name() {
        let tls = |roots| Some(TlsConnector::from(Arc::new(trusting(roots).unwrap())));
        let request = |place: String| OutboundRequest { tls: true, timeout: Duration::from_secs(5), ..ask(&place, true) };
        let answer = exchange(request(format!("localhost:{}", serve_tls().await)), tls(authority())).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"secret".as_slice()));
        // The address is not in the certificate.
        let other_name = exchange(request(format!("127.0.0.1:{}", serve_tls().await)), tls(authority())).await;
        assert!(matches!(&other_name, Err(OutboundError::Failed(why)) if why.contains("certificate")), "{other_name:?}");
        let untrusted = exchange(request(format!("localhost:{}", serve_tls().await)), tls(RootCertStore::empty())).await;
        assert!(matches!(&untrusted, Err(OutboundError::Failed(why)) if why.contains("certificate")), "{untrusted:?}");
    }
}
