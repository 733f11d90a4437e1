//! Encryption: whose certificates are trusted.

use std::sync::Arc;

use golden_tests::Sandbox;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::rustls::{ServerConfig, crypto};

use crate::server::Server;
use crate::services::{ALL, KEY, Service, assert_embedded, texts};

/// An authority that servers' certificates come from.
pub fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// A service whose certificate is for this host, valid or not any more.
fn encrypted(service: Service, authority: &CertifiedIssuer<'static, KeyPair>, host: &str, is_valid: bool) -> Server {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
    if !is_valid {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    let chain = vec![params.signed_by(&key, authority).expect("a certificate").der().clone()];
    let key = key.serialize_der().try_into().expect("a private key");
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .expect("a configuration");
    Server::with_tls(Some(Arc::new(config)), move |request, _| service.well(request))
}

#[test]
fn only_the_right_certificate_is_trusted() {
    let ours = authority("ours");
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 3);
        sandbox.write("ca.pem", ours.pem());
        sandbox.write("other.pem", authority("another").pem());
        let embed = |server: &Server, before: &str, arguments: &str| {
            let model = if service == Service::Tei { "" } else { "--model m" };
            let command = service.command(server, &format!("{model} --dimensions 8 {arguments}"));
            let command = command.replace("http://127.0.0.1", "https://localhost");
            let mut bash = sandbox.bash(&format!("{before} {command}"));
            bash.env(service.variable(), KEY).env_remove("SSL_CERT_DIR").env_remove("SSL_CERT_FILE");
            sandbox.run(bash).never_says(KEY)
        };
        let good = encrypted(service, &ours, "localhost", true);
        assert_embedded(&embed(&good, "", "--ca-file ca.pem").ok(), &texts);
        assert_embedded(&embed(&good, "SSL_CERT_FILE=ca.pem", "").ok(), &texts);
        let before = good.requests().len();
        let untrusted = embed(&good, "", "--ca-file other.pem").exits(3).one_error();
        untrusted.says("cannot be encrypted").says("UnknownIssuer").says("--ca-file");
        embed(&good, "SSL_CERT_FILE=ca.pem", "--ca-file other.pem").exits(3).one_error().says("UnknownIssuer");
        embed(&good, "SSL_CERT_FILE=other.pem", "").exits(3).one_error().says("UnknownIssuer");
        assert_eq!(good.requests().len(), before, "nothing is sent to somebody else");
        let elsewhere = encrypted(service, &ours, "example.com", true);
        embed(&elsewhere, "", "--ca-file ca.pem").exits(3).one_error().says("not valid for name");
        let expired = encrypted(service, &ours, "localhost", false);
        embed(&expired, "", "--ca-file ca.pem").exits(3).one_error().says("expired");
        let plain = Server::start(move |request, _| service.well(request));
        embed(&plain, "", "--ca-file ca.pem --retries 0").exits(3).one_error();
        for server in [elsewhere, expired] {
            assert!(server.requests().is_empty(), "the key is not sent");
        }
        sandbox.write("empty.pem", "nothing\n");
        embed(&good, "", "--ca-file empty.pem").exits(3).one_error().says("holds no certificate");
        embed(&good, "", "--ca-file missing.pem").exits(3).one_error().says("cannot read missing.pem");
        embed(&good, "SSL_CERT_FILE=empty.pem", "").exits(3).one_error().says("no certificates to trust");
    }
}
