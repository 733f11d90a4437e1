//! Encryption: whose certificates are trusted.

use golden_tests::{Authority, Sandbox, Validity};

use crate::server::Server;
use crate::services::{ALL, KEY, Service, assert_embedded, texts};

/// A service whose certificate is for this host.
fn encrypted(service: Service, authority: &Authority, host: &str, validity: Validity) -> Server {
    Server::with_tls(Some(authority.server(host, validity)), move |request, _| service.well(request))
}

#[test]
fn only_the_right_certificate_is_trusted() {
    let ours = Authority::new("ours");
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 3);
        sandbox.write("ca.pem", ours.pem());
        sandbox.write("other.pem", Authority::new("another").pem());
        let embed = |server: &Server, before: &str, arguments: &str| {
            let model = if service == Service::Tei { "" } else { "--model m" };
            let command = service.command(server, &format!("{model} --dimensions 8 {arguments}"));
            let command = command.replace("http://127.0.0.1", "https://localhost");
            let mut bash = sandbox.bash(&format!("{before} {command}"));
            bash.env(service.variable(), KEY).env_remove("SSL_CERT_DIR").env_remove("SSL_CERT_FILE");
            sandbox.run(bash).never_says(KEY)
        };
        let good = encrypted(service, &ours, "localhost", Validity::Current);
        assert_embedded(&embed(&good, "", "--ca-file ca.pem").ok(), &texts);
        assert_embedded(&embed(&good, "SSL_CERT_FILE=ca.pem", "").ok(), &texts);
        let before = good.requests().len();
        let untrusted = embed(&good, "", "--ca-file other.pem").exits(3).one_error();
        untrusted.says("cannot be encrypted").says("UnknownIssuer").says("--ca-file");
        embed(&good, "SSL_CERT_FILE=ca.pem", "--ca-file other.pem").exits(3).one_error().says("UnknownIssuer");
        embed(&good, "SSL_CERT_FILE=other.pem", "").exits(3).one_error().says("UnknownIssuer");
        assert_eq!(good.requests().len(), before, "nothing is sent to somebody else");
        let elsewhere = encrypted(service, &ours, "example.com", Validity::Current);
        embed(&elsewhere, "", "--ca-file ca.pem").exits(3).one_error().says("not valid for name");
        let expired = encrypted(service, &ours, "localhost", Validity::Expired);
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
