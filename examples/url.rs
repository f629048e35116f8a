//! What the command line names: a URL to test and a header to send, checked before anything goes out.

use hyper::Uri;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use rustls::pki_types::ServerName;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// An `http://` or `https://` URL in the parts that a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Name or address and port, for the resolver: `localhost:80`, `[::1]:8080`.
    pub address: String,
    /// What the header `Host` says: as in the URL, so without a port when the URL has none.
    pub host: HeaderValue,
    /// Whom the server's certificate must name: the host. `None` without TLS.
    pub name: Option<ServerName<'static>>,
    /// Path and query: what the first line of the request asks for.
    pub path: Uri,
}

impl FromStr for Url {
    type Err = String;

    /// Parses `http://host[:port][/path][?query]`, and the same with `https://`.
    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
        let (secure, usual) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            Some(scheme) => return Err(format!("{scheme}:// is not supported, only http:// and https:// are")),
            None => return Err("a URL starts with http:// or https://".to_string()),
        };
        let authority = uri.authority().ok_or("no host")?;
        let (host, named) = (authority.host(), authority.as_str());
        if named.contains('@') {
            return Err("a user name or password in the URL is not supported".to_string());
        }
        if host.is_empty() {
            return Err("no host".to_string());
        }
        // `Uri` takes any digits for a port and says afterwards that there is none.
        let port = match (authority.port_u16(), named.len() == host.len()) {
            (None, true) => usual,
            (None | Some(0), _) => return Err("a port is a number from 1 to 65535".to_string()),
            (Some(port), _) => port,
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = secure.then(|| ServerName::try_from(bare.to_string())).transpose();
        Ok(Self {
            address: format!("{host}:{port}"),
            name: name.map_err(|_| "no certificate can name the host")?,
            host: named.parse().map_err(|_| "the host cannot stand in a header")?,
            path: uri.path_and_query().map_or(Uri::from_static("/"), |path| path.clone().into()),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.name.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.host.to_str().unwrap_or_default(), self.path)
    }
}

/// Where a host and port are to be found, whatever the resolver says. curl's `--resolve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    /// `example.com:443`.
    from: String,
    /// The address and the same port.
    to: SocketAddr,
}

impl FromStr for Resolve {
    type Err = String;

    /// Parses `HOST:PORT:ADDRESS`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (host, rest) = text.split_once(':').filter(|(host, _)| !host.is_empty())?;
            let (port, address) = rest.split_once(':')?;
            let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
            let address: IpAddr = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
            Some(Self { from: format!("{host}:{port}"), to: SocketAddr::new(address, port) })
        };
        parse().ok_or_else(|| "write HOST:PORT:ADDRESS, as in example.com:443:127.0.0.1".to_string())
    }
}

impl Resolve {
    /// Gives the URLs of that host and port the address. What the header `Host` says, and whom the certificate must
    /// name, stays as it is.
    ///
    /// # Errors
    ///
    /// A sentence, when there is no such URL.
    pub fn apply(&self, urls: &mut [Url]) -> Result<(), String> {
        let mut found = false;
        for url in urls.iter_mut().filter(|url| url.address.eq_ignore_ascii_case(&self.from)) {
            (url.address, found) = (self.to.to_string(), true);
        }
        found.then_some(()).ok_or_else(|| format!("--resolve {}: there is no URL with this host and port", self.from))
    }
}

/// A header to send with every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name, in lower case.
    pub name: HeaderName,
    /// Its value, without the blanks around it.
    pub value: HeaderValue,
}

impl FromStr for Header {
    type Err = String;

    /// Parses `Name: value`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or("no colon: write \"Name: value\"")?;
        let name: HeaderName = name.parse().map_err(|_| format!("{name:?} cannot be the name of a header"))?;
        let value = value.trim();
        let value = value.parse().map_err(|_| format!("{value:?} cannot be a header's value"))?;
        if name == CONTENT_LENGTH || name == TRANSFER_ENCODING {
            return Err(format!("{name} is set by the length of the body"));
        }
        Ok(Self { name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url: Url = "http://example.com".parse().unwrap();
        assert_eq!((url.address.as_str(), url.host.as_bytes()), ("example.com:80", &b"example.com"[..]));
        assert_eq!(url.to_string(), "http://example.com/");
        let url: Url = "http://[::1]:8080/a/b?c=d#e".parse().unwrap();
        assert_eq!((url.address.as_str(), url.host.as_bytes()), ("[::1]:8080", &b"[::1]:8080"[..]));
        assert_eq!(url.to_string(), "http://[::1]:8080/a/b?c=d");
        assert_eq!("http://h?q".parse::<Url>().unwrap().path, "/?q");
    }

    #[test]
    fn a_url_with_tls_says_whom_the_certificate_must_name() {
        for (text, address, name) in [
            ("https://example.com/", "example.com:443", "example.com"),
            ("https://127.0.0.1:8443/", "127.0.0.1:8443", "127.0.0.1"),
            ("https://[::1]:8443/a?b", "[::1]:8443", "::1"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!(url.address, address);
            assert_eq!(url.name.as_ref().map(ServerName::to_str).as_deref(), Some(name));
            assert_eq!(url.to_string(), text);
        }
        assert_eq!("http://example.com/".parse::<Url>().unwrap().name, None);
    }

    #[test]
    fn a_url_that_cannot_be_asked_is_refused() {
        for (text, why) in [
            ("", "not a URL"),
            ("example.com", "http://"),
            ("/path", "http://"),
            ("ftp://example.com/", "ftp://"),
            ("https://-.example.com/", "no certificate"),
            ("http://", "not a URL"),
            ("http://:80/", "no host"),
            ("http://ho st/", "invalid uri character"),
            ("http://host:0/", "1 to 65535"),
            ("http://host:/", "1 to 65535"),
            ("http://host:65536/", "1 to 65535"),
            ("http://host:http/", "1 to 65535"),
            ("http://me:secret@host/", "password"),
        ] {
            let error = text.parse::<Url>().expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn an_address_takes_the_place_of_a_host_and_the_host_keeps_its_name() {
        let urls = ["https://Example.com/a", "http://example.com/", "https://example.com:8443/"];
        let mut urls = urls.map(|url| url.parse::<Url>().unwrap());
        let resolve: Resolve = "example.com:443:::1".parse().unwrap();
        resolve.apply(&mut urls).unwrap();
        assert_eq!(
            urls.each_ref().map(|url| url.address.as_str()),
            ["[::1]:443", "example.com:80", "example.com:8443"]
        );
        assert_eq!((urls[0].host.as_bytes(), urls[0].name.is_some()), (&b"Example.com"[..], true));
        assert!(resolve.apply(&mut urls).unwrap_err().contains("no URL"), "it has another address by now");
        assert_eq!("h:80:[::1]".parse::<Resolve>().unwrap().to, "[::1]:80".parse().unwrap());
        for text in ["", "h", "h:80", "h:80:", "h:0:::1", ":80:::1", "h:x:::1", "h:80:elsewhere"] {
            assert!(text.parse::<Resolve>().unwrap_err().contains("HOST:PORT:ADDRESS"), "{text}");
        }
    }

    #[test]
    fn a_header_is_a_name_a_colon_and_a_value() {
        let header: Header = "X-Token:  a:b ".parse().unwrap();
        assert_eq!((header.name.as_str(), header.value.as_bytes()), ("x-token", &b"a:b"[..]));
        for (text, why) in [
            ("X-Token", "colon"),
            (": value", "name"),
            ("X Token: value", "name"),
            ("X-Token : value", "name"),
            ("X-Token: a\nb", "value"),
            ("Content-Length: 5", "length of the body"),
        ] {
            let error = text.parse::<Header>().expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
