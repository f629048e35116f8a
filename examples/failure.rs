//! Why a request failed, in kinds that can be counted, each with its cure where there is one.

use rustls::CertificateError;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

/// "Too many open files", of this process and of the system: no `ErrorKind` stands for them, these numbers do on
/// Linux, macOS and the BSDs.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

/// The kinds of failure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Nobody listens at the address any more.
    Refused,
    /// The server ended the connection by a reset.
    Reset,
    /// The connection ended in an orderly way before the answer did.
    ClosedEarly,
    /// No complete answer within `--timeout`.
    TimedOut,
    /// No descriptor left for another socket.
    TooManyFiles,
    /// No port left for another connection to this address.
    NoPorts,
    /// No way to the address.
    Unreachable,
    /// The answer's head is larger than hyper takes.
    HeadTooLarge,
    /// The answer is no HTTP.
    NotHttp,
    /// The answer is no TLS.
    NotTls,
    /// Nobody who is trusted has signed the server's certificate.
    UnknownAuthority,
    /// The server's certificate is an authority's own, and this authority is not trusted.
    SelfSigned,
    /// The server's certificate does not hold, for this reason.
    BadCertificate(String),
    /// Anything else, in the words of whoever found it.
    Other(String),
}

impl Failure {
    /// What to do about it, where that is known.
    pub fn cure(&self) -> Option<&'static str> {
        Some(match self {
            Self::Refused => "is the server still up, and is this its port?",
            Self::Reset => "the server gave up: ask its log, or lower --concurrency",
            Self::ClosedEarly => "the server hung up: ask its log, or lower --concurrency",
            Self::TimedOut => "raise --timeout, or lower --concurrency or --rate",
            Self::TooManyFiles => "lower --concurrency or raise `ulimit -n`",
            Self::NoPorts => "lower --concurrency: closed connections keep their ports for a minute",
            Self::Unreachable => "is the network up?",
            Self::HeadTooLarge => {
                "a limit of the HTTP library here (hyper: 100 headers, 400 KiB), no fault of the server"
            }
            Self::NotHttp => "is this the server's port for plain http?",
            Self::NotTls => "is this the server's port for https?",
            Self::UnknownAuthority => "--ca FILE trusts a private authority, --insecure anybody",
            Self::SelfSigned => "--ca FILE with this certificate trusts it, --insecure anybody",
            Self::BadCertificate(_) => "the server needs another one, or is to be asked by another name",
            Self::Other(_) => return None,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadCertificate(reason) => return write!(f, "certificate not trusted: {reason}"),
            Self::Refused => "connection refused",
            Self::Reset => "connection reset",
            Self::ClosedEarly => "connection closed early",
            Self::TimedOut => "timed out",
            Self::TooManyFiles => "too many open files",
            Self::NoPorts => "no free port",
            Self::Unreachable => "unreachable",
            Self::HeadTooLarge => "the head of the answer is too large",
            Self::NotHttp => "the answer is no HTTP",
            Self::NotTls => "the answer is no TLS",
            Self::UnknownAuthority => "certificate not trusted: signed by an authority that is unknown here",
            Self::SelfSigned => "certificate not trusted: signed by itself, as `openssl req -x509` makes them",
            Self::Other(words) => words,
        })
    }
}

impl From<&str> for Failure {
    /// The kind that says so: what `Display` has written becomes what it was.
    fn from(words: &str) -> Self {
        let kinds = [
            Self::Refused,
            Self::Reset,
            Self::ClosedEarly,
            Self::TimedOut,
            Self::TooManyFiles,
            Self::NoPorts,
            Self::Unreachable,
            Self::HeadTooLarge,
            Self::NotHttp,
            Self::NotTls,
            Self::UnknownAuthority,
            Self::SelfSigned,
        ];
        let reason = words.strip_prefix("certificate not trusted: ");
        let known = kinds.into_iter().find(|kind| kind.to_string() == words);
        known.unwrap_or_else(|| {
            reason.map_or_else(|| Self::Other(words.to_string()), |reason| Self::BadCertificate(reason.to_string()))
        })
    }
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        if error.raw_os_error().is_some_and(|number| TOO_MANY_FILES.contains(&number)) {
            return Self::TooManyFiles;
        }
        // rustls has no other way to tell through the traits of a stream.
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return error.into();
        }
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Self::Reset,
            ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof | ErrorKind::NotConnected => Self::ClosedEarly,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::AddrNotAvailable => Self::NoPorts,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Self::Unreachable,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&rustls::Error> for Failure {
    fn from(error: &rustls::Error) -> Self {
        use rustls::{AlertDescription, Error};
        match error {
            Error::InvalidCertificate(reason) => reason.into(),
            Error::InvalidMessage(_) => Self::NotTls,
            Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_) => {
                Self::Other("TLS: the server speaks neither version 1.2 nor 1.3 with ciphers known here".to_string())
            }
            Error::AlertReceived(alert) => Self::Other(format!("TLS: the server refused: {}", in_words(alert))),
            _ => Self::Other(format!("TLS: {}", in_words(error))),
        }
    }
}

impl From<&CertificateError> for Failure {
    /// rustls counts the seconds since a certificate has expired; here all of them are one kind.
    fn from(error: &CertificateError) -> Self {
        Self::BadCertificate(match error {
            CertificateError::UnknownIssuer => return Self::UnknownAuthority,
            CertificateError::Other(other) if is_authority_s(other) => return Self::SelfSigned,
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                "it names no host (no subjectAltName)".to_string()
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                // `DnsName("example.com")`, `IpAddress(127.0.0.1)`: the name is inside.
                let name = |text: &String| text.split_once('(').map_or(text.as_str(), |it| it.1).to_string();
                let names = presented.iter().map(|text| name(text).trim_matches(['"', ')']).to_string());
                format!("it is for {}", names.collect::<Vec<_>>().join(" and "))
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_string(),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "it is not valid yet".to_string()
            }
            _ => in_words(error),
        })
    }
}

/// Whether webpki has found an authority's certificate where a server's should be.
pub(crate) fn is_authority_s(error: &rustls::OtherError) -> bool {
    error.0.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// What rustls calls by the name of a variant, `HandshakeFailure`, in words: `handshake failure`.
fn in_words(error: impl fmt::Debug) -> String {
    let mut words = String::new();
    for letter in format!("{error:?}").chars().filter(|letter| !"\"{}".contains(*letter)) {
        let begins = letter.is_uppercase() && words.chars().last().is_some_and(char::is_lowercase);
        words.extend(begins.then_some(' '));
        match letter {
            '(' => words.push_str(": "),
            ')' => {}
            _ => words.extend(letter.to_lowercase()),
        }
    }
    words
}

impl From<hyper::Error> for Failure {
    /// hyper wraps what it got from the socket: the error of the system, where there is one, says the most.
    fn from(error: hyper::Error) -> Self {
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(inner) = inner.downcast_ref::<io::Error>() {
                return inner.into();
            }
            source = inner.source();
        }
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            Self::ClosedEarly
        } else if error.is_parse_too_large() {
            Self::HeadTooLarge
        } else if error.is_parse() {
            Self::NotHttp
        } else {
            Self::Other(error.to_string())
        }
    }
}
