//! A server on loopback that answers as it is told, and writes down what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: String,
    pub body: Value,
    pub at: Instant,
}

impl Request {
    pub fn is_post(&self) -> bool {
        self.line.starts_with("POST ")
    }

    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.lines().filter_map(|line| line.split_once(':'));
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What the server does with a request.
pub enum Reply {
    /// Answers with JSON.
    Json(u16, Vec<(&'static str, String)>, Value),
    /// Sends these bytes, and nothing more, ever.
    Bytes(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Cut(Vec<u8>),
    /// Sends these bytes and then one byte again and again, after each so long a pause, until nobody listens.
    Endless(Vec<u8>, Vec<u8>, Duration),
}

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self::Json(200, Vec::new(), body)
    }

    pub fn status(status: u16, error: &str) -> Self {
        // No pause, so that tests are quick.
        let headers = vec![("Retry-After", "0".to_owned())];
        Self::Json(status, headers, serde_json::json!({"error": {"message": error}}))
    }

    fn send(self, stream: &mut dyn Write, sent: &Mutex<u64>) -> std::io::Result<bool> {
        let (bytes, goes_on) = match self {
            Self::Json(status, headers, body) => {
                let body = body.to_string();
                let mut text = format!("HTTP/1.1 {status} Status\r\nContent-Type: application/json; charset=utf-8\r\n");
                for (name, value) in headers {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
                (text.into_bytes(), true)
            }
            Self::Bytes(bytes) => (bytes, true),
            Self::Cut(bytes) => (bytes, false),
            Self::Endless(start, again, pause) => {
                stream.write_all(&start)?;
                loop {
                    stream.write_all(&again)?;
                    stream.flush()?;
                    *sent.lock().expect("a count") += again.len() as u64;
                    std::thread::sleep(pause);
                }
            }
        };
        stream.write_all(&bytes)?;
        stream.flush()?;
        Ok(goes_on)
    }
}

/// What decides on replies: the request, and how many of its kind (POST or not) came before.
type Behaviour = dyn Fn(&Request, usize) -> Reply + Send + Sync;

/// The server; it ends with the tests.
pub struct Server {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    /// Bytes of endless replies.
    sent: Arc<Mutex<u64>>,
}

impl Server {
    pub fn start(behaviour: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_tls(None, behaviour)
    }

    pub fn with_tls(
        tls: Option<Arc<ServerConfig>>,
        behaviour: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::new(Mutex::new(0));
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let (kept, counted) = (Arc::clone(&requests), Arc::clone(&sent));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, sent) = (Arc::clone(&kept), Arc::clone(&counted));
                let (behaviour, tls) = (Arc::clone(&behaviour), tls.clone());
                std::thread::spawn(move || {
                    // A client that goes away is none of the server's troubles.
                    let _ = match tls {
                        None => serve(&stream, &stream, &requests, &sent, &*behaviour),
                        Some(config) => serve_tls(&stream, config, &requests, &sent, &*behaviour),
                    };
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, requests, sent }
    }

    /// All requests, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("the requests").clone()
    }

    /// The requests for vectors.
    pub fn posts(&self) -> Vec<Request> {
        self.requests().into_iter().filter(Request::is_post).collect()
    }

    pub fn sent(&self) -> u64 {
        *self.sent.lock().expect("a count")
    }
}

fn serve_tls(
    mut stream: &TcpStream,
    config: Arc<ServerConfig>,
    requests: &Mutex<Vec<Request>>,
    sent: &Mutex<u64>,
    behaviour: &Behaviour,
) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut encrypted = StreamOwned::new(connection, &mut stream);
    let mut reader = BufReader::new(&mut encrypted);
    while let Some((request, before)) = read(&mut reader, requests)? {
        if !behaviour(&request, before).send(reader.get_mut(), sent)? {
            break;
        }
    }
    Ok(())
}

fn serve(
    input: &TcpStream,
    mut output: &TcpStream,
    requests: &Mutex<Vec<Request>>,
    sent: &Mutex<u64>,
    behaviour: &Behaviour,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(input);
    while let Some((request, before)) = read(&mut reader, requests)? {
        if !behaviour(&request, before).send(&mut output, sent)? {
            break;
        }
    }
    Ok(())
}

fn read(reader: &mut impl BufRead, requests: &Mutex<Vec<Request>>) -> std::io::Result<Option<(Request, usize)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = String::new();
    while reader.read_line(&mut headers)? > 2 {}
    let mut request = Request { line: line.trim().to_owned(), headers, body: Value::Null, at: Instant::now() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    request.body = serde_json::from_slice(&body).unwrap_or_default();
    let mut requests = requests.lock().expect("the requests");
    let before = requests.iter().filter(|before| before.is_post() == request.is_post()).count();
    requests.push(request.clone());
    Ok(Some((request, before)))
}
