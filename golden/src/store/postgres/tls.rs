//! Encryption: what is asked of the server's certificate, by sslmode.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{Error, Result};

/// What is asked of the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verification {
    /// Nothing: nobody can listen, but anybody can be the server.
    None,
    /// One of the trusted certificates vouches for it.
    Chain,
    /// And it is the host's.
    ChainAndHost,
}

/// The client's own certificate.
pub(super) struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// How a connection is encrypted.
pub(super) struct Tls {
    pub verification: Verification,
    /// The file of trusted certificates; `system` stands for the system's.
    pub roots: Option<PathBuf>,
    pub identity: Option<Identity>,
}

/// Where systems keep the certificates they trust.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Tls {
    /// The connector for it.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match self.verification {
            Verification::None => Arc::new(Unverified(Arc::clone(&provider))),
            Verification::Chain => Arc::new(AnyHost(self.trusted(&provider)?)),
            Verification::ChainAndHost => self.trusted(&provider)?,
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| cannot(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let key =
                    PrivateKeyDer::from_pem_file(&identity.key).map_err(|error| unreadable(&identity.key, &error))?;
                config
                    .with_client_auth_cert(certificates(&identity.certificate)?, key)
                    .map_err(|error| cannot(&error))?
            }
        };
        Ok(MakeRustlsConnect::new(config))
    }

    /// A verifier that holds certificates against the trusted ones.
    fn trusted(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
        let path = match &self.roots {
            Some(path) if path.as_os_str() == "system" => SYSTEM.iter().map(Path::new).find(|path| path.exists()),
            other => other.as_deref(),
        };
        let path = path.filter(|path| path.exists()).ok_or_else(|| {
            let named = self.roots.as_deref().unwrap_or(Path::new("~/.postgresql/root.crt")).display();
            Error::environment(format!("there are no trusted certificates at {named}"))
                .guidance("name their file with sslrootcert=FILE, or take the system's with sslrootcert=system")
        })?;
        let mut roots = RootCertStore::empty();
        // A bundle may hold some that nobody can read any more; the others still count.
        let (added, _) = roots.add_parsable_certificates(certificates(path)?);
        if added == 0 {
            return Err(Error::environment(format!("{} holds no certificate that can be used", path.display())));
        }
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| cannot(&error))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    certificates.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &impl std::fmt::Display) -> Error {
    Error::environment(format!("cannot read {}: {error}", path.display()))
}

fn cannot(error: &impl std::fmt::Display) -> Error {
    Error::environment(format!("cannot encrypt the connection: {error}"))
}

/// Trusts the certificate's issuer, whichever host it was issued for.
#[derive(Debug)]
struct AnyHost(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        // The name is looked at last: all else was found good.
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Trusts anybody, as sslmode=require does.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
