//! Which certificates are trusted.

use std::path::Path;
use std::sync::Arc;

use golden::{Error, Result};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Trust in the certificates of a file, or in those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, or in the system's.
pub fn tls(file: Option<&Path>) -> Result<TlsConfig> {
    let certificates = match file {
        Some(file) => {
            let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let read = read.map_err(|error| Error::environment(format!("cannot read {}: {error}", file.display())))?;
            if read.is_empty() {
                return Err(Error::environment(format!("{} holds no certificate", file.display())));
            }
            read
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
                return Err(Error::environment(format!("there are no certificates to trust{why}")).guidance(
                    "install the system's (ca-certificates), or name a file with --ca-file or SSL_CERT_FILE",
                ));
            }
            // One that nobody can read does not make the others worse.
            found.certs
        }
    };
    let roots = certificates.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::from(roots))
        .build())
}
