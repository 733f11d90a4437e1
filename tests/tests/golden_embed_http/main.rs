//! The services of golden-embed, against a server on loopback that behaves as they are documented to, and
//! misbehaves on demand. Budget: 40 s.

mod answers;
mod keys;
mod limits;
mod retries;
mod server;
mod services;
mod tls;
