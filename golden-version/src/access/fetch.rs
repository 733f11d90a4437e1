//! An issuer's keys over https. Neither variables of the environment nor a proxy have a say in it: whoever sets them
//! would say which keys count.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use golden::{Error, Result};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::policy::read_trusted;

/// The most that keys take.
const LARGEST: u64 = 1024 * 1024;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where systems keep the certificates that they trust.
const SYSTEMS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What an address gives.
pub fn fetch(url: &str, ca_file: Option<&Path>) -> Result<Vec<u8>> {
    let agent: Agent = Agent::config_builder()
        .https_only(true)
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .user_agent(concat!("golden-version/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls(ca_file)?)
        .build()
        .new_agent();
    let failed = |why: &dyn std::fmt::Display| {
        Error::environment(format!("the issuer's keys cannot be had from {url}: {why}"))
            .guidance("without them nobody is let in; [auth] of /etc/golden/golden.toml says where they are")
    };
    let mut answer = agent.get(url).call().map_err(|error| failed(&error))?;
    match answer.status().as_u16() {
        200 => answer.body_mut().with_config().limit(LARGEST).read_to_vec().map_err(|error| failed(&error)),
        status => Err(failed(&format_args!("status {status}"))),
    }
}

fn tls(ca_file: Option<&Path>) -> Result<TlsConfig> {
    let system = || SYSTEMS.into_iter().map(Path::new).find(|file| file.is_file());
    let file = ca_file.or_else(system).ok_or_else(|| {
        Error::environment("this system has no certificates to trust").guidance("install them, or name ca-file")
    })?;
    let pem = read_trusted(file)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(std::result::Result::ok).collect();
    let roots = certificates.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::from(roots))
        .build())
}
