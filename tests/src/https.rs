//! A server on loopback that gives one document, over https.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The server; it ends with the tests.
pub struct Https {
    port: u16,
    answered: Arc<AtomicUsize>,
}

impl Https {
    /// A server whose answers, status line and headers included, are made of how many came before.
    pub fn serve(tls: Arc<ServerConfig>, answer: impl Fn(usize) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&answered);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&tls)).expect("a connection");
                let mut stream = StreamOwned::new(connection, stream);
                // A client that goes away is none of the server's troubles.
                let asked = BufReader::new(&mut stream).lines().map_while(Result::ok).any(|line| line.is_empty());
                if asked {
                    let _ = stream.write_all(answer(count.fetch_add(1, Ordering::SeqCst)).as_bytes());
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            }
        });
        Self { port, answered }
    }

    /// An answer that gives JSON.
    pub fn json(body: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/keys", self.port)
    }

    /// How many requests it answered.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}
