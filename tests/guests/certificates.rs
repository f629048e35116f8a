//! Certificates made on the spot, for servers that speak TLS in tests.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use std::sync::Arc;

/// An authority that nobody knows, until somebody is told to trust it.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new one, with a key of its own.
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("ring makes keys");
        Authority { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority signs its own certificate") }
    }

    /// What a file has to hold for those who shall trust it.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server whose certificate names `host` (a name or an address) and is good for a long time.
    pub(crate) fn server(&self, host: &str) -> Arc<ServerConfig> {
        self.sign(host, (4096, 1, 1))
    }

    /// A server whose certificate was good once.
    pub(crate) fn expired_server(&self, host: &str) -> Arc<ServerConfig> {
        self.sign(host, (2001, 1, 1))
    }

    fn sign(&self, host: &str, (year, month, day): (i32, u8, u8)) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([host.to_owned()]).expect("a host can stand in a certificate");
        params.not_after = date_time_ymd(year, month, day);
        let key = KeyPair::generate().expect("ring makes keys");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs what it is given");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks every version")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.into()], key.into())
            .expect("key and certificate belong together");
        Arc::new(config)
    }
}
