//! A small HTTP/1.1 client for the command line's own requests.

use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    url: String,
    /// `host:port`
    place: String,
}

/// Why there is no answer, in words for people.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientError(String);

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Server {
    /// `http://HOST[:PORT]`; the protocol may be left out.
    ///
    /// # Errors
    /// For other protocols.
    pub fn parse(url: &str) -> Result<Server, ClientError> {
        let place = match url.split_once("://") {
            Some(("http", place)) => place,
            None => url,
            Some((other, _)) => {
                return Err(ClientError(format!("{url}: {other} is not spoken here; give the server as http://HOST:PORT")));
            }
        };
        let place = place.split('/').next().unwrap_or_default();
        if place.is_empty() {
            return Err(ClientError(format!("'{url}' names no server; give it as http://HOST:PORT")));
        }
        let has_port = place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let place = if has_port { place.to_owned() } else { format!("{place}:80") };
        Ok(Server { url: url.trim_end_matches('/').to_owned(), place })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request and gives the answer as soon as its head is there.
    pub async fn send(&self, method: Method, path: &str, accept: &str, body: Bytes) -> Result<Answer, ClientError> {
        let failed = |e: &dyn fmt::Display| ClientError(format!("no answer from {}: {e}; is a server running there?", self.url));
        let stream = TcpStream::connect(&self.place).await.map_err(|e| failed(&e))?;
        let _ = stream.set_nodelay(true);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
        tokio::spawn(async move {
            // What goes wrong shows in the answer's body.
            let _ = connection.await;
        });
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.place)
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|e| failed(&e))?;
        let response = sender.send_request(request).await.map_err(|e| failed(&e))?;
        Ok(Answer { response })
    }

    /// Sends a request and reads the whole answer as JSON; an error object becomes an error.
    pub async fn json(&self, method: Method, path: &str, body: Bytes) -> Result<Value, ClientError> {
        let answer = self.send(method, path, "application/json", body).await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        let value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or(Value::Null) };
        if status.is_success() { Ok(value) } else { Err(ClientError(error_text(status, &value))) }
    }

    /// Runs statements.
    pub async fn statements(&self, body: &Value) -> Result<Result<Value, Value>, ClientError> {
        let answer = self.send(Method::POST, "/ksql", "application/json", Bytes::from(body.to_string())).await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|_| ClientError(format!("{} is no Calzone or ksqlDB server", self.url)))?;
        Ok(if status.is_success() { Ok(value) } else { Err(value) })
    }
}

/// The message of an error object, or what else is known.
pub fn error_text(status: StatusCode, body: &Value) -> String {
    body["message"].as_str().map_or_else(|| format!("the server answered {status}"), str::to_owned)
}

/// An answer whose body is still coming.
pub struct Answer {
    response: Response<Incoming>,
}

impl Answer {
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The next part of the body; `None` at its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match self.response.body_mut().frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(e)) => return Err(ClientError(format!("the answer broke off: {e}"))),
            }
        }
    }

    pub async fn bytes(self) -> Result<Bytes, ClientError> {
        let body = self.response.into_body().collect().await.map_err(|e| ClientError(format!("the answer broke off: {e}")))?;
        Ok(body.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_by_url() {
        for (url, place) in [
            ("http://localhost:8088", "localhost:8088"),
            ("http://localhost:8088/", "localhost:8088"),
            ("localhost:1", "localhost:1"),
            ("http://shop.example", "shop.example:80"),
            ("http://[::1]:5", "[::1]:5"),
        ] {
            assert_eq!(Server::parse(url).unwrap().place, place);
        }
        assert!(Server::parse("https://localhost:8088").is_err());
        assert!(Server::parse("http://").is_err());
    }
}
