//! A connection pooler: many clients share few connections, each of which changes hands after every transaction.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::postgres::{Postgres, unprivileged};
use crate::tools::tools_present;

/// A running PgBouncer, gone with the test.
pub struct Pooler {
    process: Child,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

impl Pooler {
    /// In front of a server, with so many connections to it; or a skip where it is not installed.
    pub fn start(server: &Postgres, connections: usize) -> Option<Self> {
        if !tools_present(&["pgbouncer"]) {
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let (socket, configuration) = (server.socket(), server.socket().join(format!("pooler-{port}.ini")));
        let settings = format!(
            "[databases]\n* = host={} port={} user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = {connections}\n",
            socket.display(),
            server.port()
        );
        fs::write(&configuration, settings).expect("a configuration");
        let program = Command::new("sh").args(["-c", "command -v pgbouncer"]).output().expect("sh").stdout;
        let program = String::from_utf8(program).expect("a path");
        let mut command = unprivileged(program.trim_end().as_ref());
        command.arg("--quiet").arg(&configuration).stdin(Stdio::null());
        let pooler = Self { process: command.spawn().expect("a pooler"), port };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(pooler);
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the pooler does not listen");
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
