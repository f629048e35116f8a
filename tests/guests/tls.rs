//! rustls as a guest, by futures-rustls: a server with a certificate made on the spot, and clients that do or do not
//! trust it.

use crate::certificates::Authority;
use crate::http::keep_alive_over;
use crate::streams::{receive, send, send_back, talk};
use crate::{ROUNDS, connection, host};
use futures::{AsyncReadExt, AsyncWriteExt};
use futures_rustls::{TlsAcceptor, TlsConnector, client, server};
use gather::gather;
use runtime::net::TcpStream;
use runtime::spawn;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore, ServerConfig};
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::Arc;

/// A client that trusts `authority` and no other.
fn trusting(authority: &Authority) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM")).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks every version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config).into()
}

/// What both ends say of their handshake over a fresh connection to `host`.
async fn shake_hands(
    client: &TlsConnector,
    server: Arc<ServerConfig>,
    host: &str,
) -> (io::Result<client::TlsStream<TcpStream>>, io::Result<server::TlsStream<TcpStream>>) {
    let host = ServerName::try_from(host.to_owned()).expect("a host");
    let (near, far) = connection().await;
    gather!(client.connect(host, near), TlsAcceptor::from(server).accept(far)).await
}

/// The two ends of a connection over TLS.
async fn secure_connection() -> (client::TlsStream<TcpStream>, server::TlsStream<TcpStream>) {
    let authority = Authority::new("ours");
    let (client, server) = shake_hands(&trusting(&authority), authority.server("localhost"), "localhost").await;
    (client.expect("the certificate is trusted"), server.expect("the client trusts it"))
}

/// What rustls says inside the error of a stream.
fn reason<T>(outcome: io::Result<T>) -> Error {
    let Err(error) = outcome else { panic!("this should have been refused") };
    let inner = error.into_inner().expect("an error of rustls");
    *inner.downcast().expect("an error of rustls")
}

/// One task talks, another sends back.
pub(crate) async fn echo() {
    let (client, server) = secure_connection().await;
    let echo = spawn(send_back(server));
    talk(client).await;
    echo.await.expect("it ends").expect("no error");
}

#[test]
fn message_after_message_comes_back_over_tls_and_both_ends_say_goodbye() {
    host(ROUNDS, echo);
}

#[test]
fn a_megabyte_goes_both_ways_at_once_over_tls() {
    const LENGTH: usize = 1 << 20;
    host(1, async || {
        let (client, server) = secure_connection().await;
        let (near_reader, near_writer) = client.split();
        let (far_reader, far_writer) = server.split();
        let near = spawn(send(LENGTH, near_writer));
        let far = spawn(send(LENGTH, far_writer));
        gather!(receive(LENGTH, near_reader), receive(LENGTH, far_reader)).await;
        near.await.expect("it ends");
        far.await.expect("it ends");
    });
}

#[test]
fn a_certificate_by_a_stranger_is_refused_and_the_server_hears_why() {
    let (ours, strangers) = (Authority::new("ours"), Authority::new("strangers"));
    host(1, async || {
        let (client, server) = shake_hands(&trusting(&ours), strangers.server("localhost"), "localhost").await;
        assert_eq!(reason(client), Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert_eq!(reason(server), Error::AlertReceived(AlertDescription::UnknownCA));
    });
}

#[test]
fn a_certificate_for_another_name_is_refused_and_the_server_hears_why() {
    let authority = Authority::new("ours");
    host(1, async || {
        let (client, server) = shake_hands(&trusting(&authority), authority.server("elsewhere"), "localhost").await;
        let Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) = reason(client)
        else {
            panic!("it is for another name");
        };
        assert_eq!(presented, ["DnsName(\"elsewhere\")"]);
        assert_eq!(reason(server), Error::AlertReceived(AlertDescription::BadCertificate));
    });
}

#[test]
fn a_certificate_that_has_expired_is_refused_and_the_server_hears_why() {
    let authority = Authority::new("ours");
    host(1, async || {
        let (client, server) =
            shake_hands(&trusting(&authority), authority.expired_server("localhost"), "localhost").await;
        let Error::InvalidCertificate(CertificateError::ExpiredContext { .. }) = reason(client) else {
            panic!("it has expired");
        };
        assert_eq!(reason(server), Error::AlertReceived(AlertDescription::CertificateExpired));
    });
}

#[test]
fn an_end_without_a_goodbye_is_an_error() {
    host(1, async || {
        let (mut client, mut server) = secure_connection().await;
        server.write_all(b"not all of it").await.expect("somebody reads");
        server.flush().await.expect("somebody reads");
        server.get_ref().0.shutdown(Shutdown::Both).expect("it is connected");
        let mut heard = Vec::new();
        let error = client.read_to_end(&mut heard).await.expect_err("it was cut off");
        assert_eq!((heard.as_slice(), error.kind()), (&b"not all of it"[..], ErrorKind::UnexpectedEof));
    });
}

#[test]
fn what_is_no_tls_is_refused() {
    let authority = Authority::new("ours");
    host(1, async || {
        let (near, far) = connection().await;
        far.write_all(b"220 mail.example.com\r\n").await.expect("somebody reads");
        let host = ServerName::try_from("localhost").expect("a host");
        assert!(matches!(reason(trusting(&authority).connect(host, near).await), Error::InvalidMessage(_)));
    });
}

#[test]
fn the_second_handshake_is_shorter() {
    let authority = Authority::new("ours");
    let server = authority.server("localhost");
    host(1, async || {
        let client = trusting(&authority);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let (near, far) = shake_hands(&client, Arc::clone(&server), "localhost").await;
            let (mut near, mut far) = (near.expect("it is trusted"), far.expect("it is trusted"));
            // The ticket for the next time comes with the first bytes from the server.
            far.write_all(b"!").await.expect("somebody reads");
            near.read_exact(&mut [0]).await.expect("somebody writes");
            kinds.push(near.get_ref().1.handshake_kind().expect("it is over"));
        }
        assert_eq!(kinds, [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed]);
    });
}

#[test]
fn hyper_over_tls_keeps_its_connection() {
    host(ROUNDS, async || {
        let (client, server) = secure_connection().await;
        keep_alive_over(client, server).await;
    });
}
