//! What comes between a program and a server: a proxy, in which things go wrong as a test wants it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What goes wrong on the way, with requests of one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The connection breaks in the middle of the request's body.
    Cut,
    /// The server says 503 SlowDown.
    SlowDown,
    /// The server says 403, and repeats what was signed.
    Refused,
    /// The answer comes so much later.
    Late(Duration),
    /// One bit of the request's body is another.
    Flipped,
    /// No answer comes, ever.
    Silence,
}

/// A proxy in front of a server.
pub struct Way {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    server: u16,
    troubles: Mutex<Vec<Expected>>,
    /// The requests that were made: method and target.
    seen: Mutex<Vec<String>>,
    changed: Condvar,
}

/// Trouble that is to come.
struct Expected {
    method: &'static str,
    /// Requests that go well before it.
    after: u32,
    times: u32,
    trouble: Trouble,
}

impl Way {
    /// The way to the server at a port of 127.0.0.1.
    pub(crate) fn to(server: u16) -> &'static Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a port").port();
        let way: &'static Self = Box::leak(Box::new(Self {
            port,
            server,
            troubles: Mutex::default(),
            seen: Mutex::default(),
            changed: Condvar::new(),
        }));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that goes away is no matter of the test.
                thread::spawn(move || way.pass(client));
            }
        });
        way
    }

    /// From now on so many requests of a method go wrong, after so many that do not.
    pub fn trouble(&self, method: &'static str, after: u32, times: u32, trouble: Trouble) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.push(Expected { method, after, times, trouble });
    }

    /// From now on all goes well, and nothing has been asked yet.
    pub fn clear(&self) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many requests there were of this method whose target contains this.
    pub fn count(&self, method: &str, target: &str) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|request| request.starts_with(method) && request.contains(target)).count()
    }

    /// Waits until there were so many.
    #[track_caller]
    pub fn wait_for(&self, method: &str, target: &str, count: usize) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_missing = |seen: &mut Vec<String>| {
            seen.iter().filter(|request| request.starts_with(method) && request.contains(target)).count() < count
        };
        let (seen, timeout) = self
            .changed
            .wait_timeout_while(seen, Duration::from_secs(60), is_missing)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{count} {method} {target} expected of {seen:?}");
    }

    /// One request and its answer; then the connection ends.
    fn pass(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut request = Vec::new();
        let end = loop {
            if let Some(end) = head_end(&request) {
                break end;
            }
            if read_some(&mut client, &mut request)? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, length)| length.trim().parse().expect("a length"));
        let line = head.lines().next().unwrap_or_default();
        let trouble = self.trouble_with(line);
        let wanted = if trouble == Some(Trouble::Cut) { length / 2 } else { length };
        while request.len() < end + wanted && read_some(&mut client, &mut request)? > 0 {}
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        self.changed.notify_all();
        let said = |status: &str, body: &str| {
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        match trouble {
            Some(Trouble::Cut) => return Ok(()),
            Some(Trouble::SlowDown) => {
                let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
                return client.write_all(said("503 Slow Down", body).as_bytes());
            }
            Some(Trouble::Refused) => {
                let body = format!(
                    "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>{head}</CanonicalRequest></Error>"
                );
                return client.write_all(said("403 Forbidden", &body).as_bytes());
            }
            Some(Trouble::Silence) => {
                // Until the client has enough of it.
                let _ = client.read(&mut [0]);
                return Ok(());
            }
            Some(Trouble::Late(time)) => thread::sleep(time),
            Some(Trouble::Flipped) => {
                if let Some(byte) = request.get_mut(end + length / 2) {
                    *byte ^= 1;
                }
            }
            None => {}
        }
        let mut server = TcpStream::connect(("127.0.0.1", self.server))?;
        let (first, rest) = head.split_once("\r\n").unwrap_or_default();
        server.write_all(format!("{first}\r\nConnection: close\r\n{rest}").as_bytes())?;
        server.write_all(&request[end..])?;
        std::io::copy(&mut server, &mut client).map(drop)
    }

    fn trouble_with(&self, request: &str) -> Option<Trouble> {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let expected =
            troubles.iter_mut().find(|expected| request.starts_with(expected.method) && expected.times > 0)?;
        if expected.after > 0 {
            expected.after -= 1;
            return None;
        }
        expected.times -= 1;
        Some(expected.trouble)
    }
}

fn read_some(from: &mut TcpStream, to: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut buffer = [0; 1 << 16];
    let count = from.read(&mut buffer)?;
    to.extend_from_slice(&buffer[..count]);
    Ok(count)
}

/// Where the head of a message ends, if all of it is there.
pub(crate) fn head_end(message: &[u8]) -> Option<usize> {
    message.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4)
}
