//! TLS for the load test: whom to trust.
//!
//! rustls turns bytes into other bytes and touches no socket; futures-rustls moves them over any stream with the traits
//! of futures, such as the runtime's TCP stream. The cryptography is ring's.

use crate::failure::is_authority_s;
use futures_rustls::TlsConnector;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use webpki::EndEntityCert;

/// Whom to trust besides the authorities that browsers trust.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust<'a> {
    /// A file with certificates: those of authorities, and such as a server shows that has signed its own.
    pub ca: Option<&'a Path>,
    /// Everybody. Then TLS keeps secrets from those who listen, and from nobody else.
    pub anybody: bool,
}

/// What shakes hands with the servers that are to be trusted.
///
/// # Errors
///
/// A sentence that names the file, when there are no certificates in it.
pub fn connector(trust: Trust<'_>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let pinned = match trust.ca {
        Some(path) => add(&mut roots, path).map_err(|problem| format!("--ca {}: {problem}", path.display()))?,
        None => Vec::new(),
    };
    let provider = Arc::new(ring::default_provider());
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let usual = usual.map_err(|error| error.to_string())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks every version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { usual, pinned, anybody: trust.anybody }))
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

/// Adds the certificates of a PEM file, and gives them.
fn add(roots: &mut RootCertStore, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    if certificates.is_empty() {
        return Err("no certificate in it; it is text that begins with -----BEGIN CERTIFICATE-----".to_string());
    }
    Ok(certificates)
}

/// Checks certificates as browsers do, with two exceptions.
#[derive(Debug)]
struct Verifier {
    /// Does as browsers do.
    usual: Arc<WebPkiServerVerifier>,
    /// A server that shows one of these is trusted for it, as curl does it. `openssl req -x509` makes the certificate of
    /// an authority, and webpki takes none such for a server.
    pinned: Vec<CertificateDer<'static>>,
    /// Nothing is checked.
    anybody: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.anybody {
            return Ok(ServerCertVerified::assertion());
        }
        match self.usual.verify_server_cert(certificate, others, name, ocsp, now) {
            // webpki asks for the dates before it asks whose it is, so they are good.
            Err(Error::InvalidCertificate(CertificateError::Other(error)))
                if is_authority_s(&error) && self.pinned.contains(certificate) =>
            {
                names(certificate, name).map(|()| ServerCertVerified::assertion())
            }
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Whether the certificate names this server. One without alternative names does it by its common name, as `-subj
/// /CN=localhost` makes it, and as curl takes it.
fn names(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    match verify_server_name(&ParsedCertificate::try_from(certificate)?, name) {
        Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }))
            if presented.is_empty() && common_name(certificate).is_some_and(|it| name.to_str() == it) =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}

/// The common name in the subject of a certificate, if it has one and that is shorter than 128 bytes.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    /// How the common name is called in DER: the object identifier 2.5.4.3.
    const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let subject = certificate.subject();
    let at = subject.windows(COMMON_NAME.len()).position(|bytes| bytes == COMMON_NAME)?;
    // A byte for the kind of text, a byte for its length, the text.
    let [_kind, length, text @ ..] = &subject[at + COMMON_NAME.len()..] else { return None };
    let text = text.get(..usize::from(*length)).filter(|_| *length < 128)?;
    Some(String::from_utf8_lossy(text).to_ascii_lowercase())
}
