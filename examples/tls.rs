//! TLS for the load test: whom to trust.
//!
//! rustls turns bytes into other bytes and touches no socket; futures-rustls moves them over any stream with the traits
//! of futures, such as the runtime's TCP stream. The cryptography is ring's.

use futures_rustls::TlsConnector;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// What shakes hands with servers whose certificates are signed by one of the authorities that browsers trust, or by
/// one of those in the file `ca`.
///
/// # Errors
///
/// A sentence that names the file, when there are no certificates in it.
pub fn connector(ca: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca {
        add(&mut roots, path).map_err(|problem| format!("--ca {}: {problem}", path.display()))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks every version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

/// Adds the certificates of a PEM file.
fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.len() > before {
        Ok(())
    } else {
        Err("no certificate in it; it is text that begins with -----BEGIN CERTIFICATE-----".to_string())
    }
}
