//! As much HTTP as revocation needs: one GET or POST for each connection (RFC 9110), bounded in time, size and redirections.
//!
//! The request is of version 1.0, which a server of 1.1 answers without chunks (RFC 9112 section 6.1), and the connection ends with
//! the answer. There is no TLS: what is fetched is signed, and a list that is needed to verify a server cannot be fetched from it
//! (RFC 5280 section 8).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// For name, connection, redirections and answer together.
pub const TIME_LIMIT: Duration = Duration::from_secs(30);
/// For one address of a server.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Addresses of a server that are tried.
const MAX_ADDRESSES: usize = 4;
/// Octets of status line and header fields.
const MAX_HEAD_OCTETS: usize = 16 << 10;
const MAX_REDIRECTIONS: usize = 3;

/// Why nothing was fetched. It is the fault of the server or of the network, but for [`HttpError::Url`].
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// It cannot be asked.
    #[error("`{0}` is not a URL of HTTP")]
    Url(String),
    /// The name of the server, its connection, or a time that is over.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It refuses, or has nothing.
    #[error("the server answers {0}")]
    Status(String),
    /// It speaks no HTTP.
    #[error("the answer is no HTTP: {0}")]
    Malformed(&'static str),
    /// It goes on and on.
    #[error("the answer has more than {0} octets")]
    TooLarge(usize),
    /// It is not whole.
    #[error("the answer ends after {got} of {wanted} octets")]
    Short {
        /// What came.
        got: usize,
        /// What was announced.
        wanted: usize,
    },
    /// Each server names another.
    #[error("more than {MAX_REDIRECTIONS} redirections")]
    Redirections,
}

/// What is sent along.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// Media type.
    pub media_type: &'static str,
    /// Content.
    pub octets: &'a [u8],
}

/// Fetches the content of a URL, of at most `most` octets: by GET, or by POST with a body.
///
/// # Errors
/// [`HttpError`].
pub fn fetch(
    url: &str,
    body: Option<Body<'_>>,
    most: usize,
    time: Duration,
) -> Result<Vec<u8>, HttpError> {
    let deadline = Instant::now() + time;
    let mut url = Url::parse(url)?;
    for _ in 0..=MAX_REDIRECTIONS {
        match url.ask(body, most, deadline)? {
            Answer::Content(octets) => return Ok(octets),
            Answer::Elsewhere(location) => url = url.join(&location)?,
        }
    }
    Err(HttpError::Redirections)
}

enum Answer {
    Content(Vec<u8>),
    Elsewhere(String),
}

/// A URL in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Url {
    /// As the field `Host` has it, IPv6 in brackets.
    authority: String,
    host: String,
    port: u16,
    /// Path and query.
    target: String,
}

impl Url {
    fn parse(text: &str) -> Result<Self, HttpError> {
        let wrong = || HttpError::Url(text.escape_default().to_string());
        // A blank or a line's end would become part of the request.
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(wrong());
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (authority, 80),
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let named = host
            .bytes()
            .all(|o| o.is_ascii_alphanumeric() || b"-._".contains(&o));
        if !scheme.eq_ignore_ascii_case("http") || host.is_empty() || (bare.is_none() && !named) {
            return Err(wrong());
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            authority: authority.to_owned(),
            host: bare.unwrap_or(host).to_owned(),
            port,
            target: format!("{slash}{target}"),
        })
    }

    /// Where a redirection leads: to a URL, or to a path of the same server.
    fn join(&self, location: &str) -> Result<Self, HttpError> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Self::parse(&format!("http://{}{location}", self.authority));
        }
        Self::parse(location)
    }

    fn ask(
        &self,
        body: Option<Body<'_>>,
        most: usize,
        deadline: Instant,
    ) -> Result<Answer, HttpError> {
        let mut stream = self.connect(deadline)?;
        stream.set_write_timeout(Some(left(deadline)?))?;
        stream.write_all(&self.request(body))?;
        let mut answer = Incoming {
            stream,
            deadline,
            octets: vec![],
        };
        let head_end = loop {
            if let Some(at) = find(&answer.octets, b"\r\n\r\n") {
                break at + 4;
            }
            if answer.octets.len() > MAX_HEAD_OCTETS {
                return Err(HttpError::Malformed("its head does not end"));
            }
            if !answer.more()? {
                return Err(HttpError::Malformed("it ends within its head"));
            }
        };
        let rest = answer.octets.split_off(head_end);
        let head = Head::parse(&std::mem::replace(&mut answer.octets, rest))?;
        match head.status {
            200 => answer.content(head.length, most).map(Answer::Content),
            301 | 302 | 303 | 307 | 308 if head.location.is_some() => {
                Ok(Answer::Elsewhere(head.location.unwrap_or_default()))
            }
            _ => Err(HttpError::Status(head.line)),
        }
    }

    fn connect(&self, deadline: Instant) -> Result<TcpStream, HttpError> {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs()?;
        let addresses: Vec<SocketAddr> = addresses.take(MAX_ADDRESSES).collect();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the server has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, left(deadline)?.min(CONNECT_LIMIT)) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }

    fn request(&self, body: Option<Body<'_>>) -> Vec<u8> {
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request = format!(
            "{method} {} HTTP/1.0\r\nHost: {}\r\nUser-Agent: ravelin\r\nConnection: close\r\n",
            self.target, self.authority
        );
        if let Some(body) = body {
            request.push_str(&format!(
                "Content-Type: {}\r\nContent-Length: {}\r\n",
                body.media_type,
                body.octets.len()
            ));
        }
        request.push_str("\r\n");
        let mut octets = request.into_bytes();
        octets.extend_from_slice(body.map_or(&[], |body| body.octets));
        octets
    }
}

/// What is left of the time.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        let line = "the server takes too long";
        return Err(io::Error::new(io::ErrorKind::TimedOut, line));
    }
    Ok(left)
}

struct Incoming {
    stream: TcpStream,
    deadline: Instant,
    octets: Vec<u8>,
}

impl Incoming {
    /// Reads a piece; false at the end.
    fn more(&mut self) -> Result<bool, HttpError> {
        let mut piece = [0; 16 << 10];
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        let count = match self.stream.read(&mut piece) {
            // Linux says so when the time is over.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                left(self.deadline)?;
                return Ok(true);
            }
            read => read?,
        };
        self.octets.extend_from_slice(&piece[..count]);
        Ok(count > 0)
    }

    /// The content, of which a part may be there already.
    fn content(mut self, length: Option<usize>, most: usize) -> Result<Vec<u8>, HttpError> {
        if length.is_some_and(|length| length > most) {
            return Err(HttpError::TooLarge(most));
        }
        while length.is_none_or(|length| self.octets.len() < length) {
            if !self.more()? {
                break;
            }
            if self.octets.len() > most {
                return Err(HttpError::TooLarge(most));
            }
        }
        let got = self.octets.len();
        match length {
            Some(wanted) if got < wanted => Err(HttpError::Short { got, wanted }),
            Some(wanted) => {
                self.octets.truncate(wanted);
                Ok(self.octets)
            }
            None if got > most => Err(HttpError::TooLarge(most)),
            None => Ok(self.octets),
        }
    }
}

/// Status line and the header fields that matter.
struct Head {
    status: u16,
    /// Status and reason, as far as it is text.
    line: String,
    length: Option<usize>,
    location: Option<String>,
}

impl Head {
    fn parse(octets: &[u8]) -> Result<Self, HttpError> {
        let malformed = HttpError::Malformed;
        let text = std::str::from_utf8(octets).map_err(|_| malformed("its head is no text"))?;
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let line = line
            .strip_prefix("HTTP/1.")
            .and_then(|line| line.split_once(' '));
        let (_, line) = line.ok_or(malformed("its first line"))?;
        let status = line.get(..3).and_then(|digits| digits.parse().ok());
        let mut head = Self {
            status: status.ok_or(malformed("its status"))?,
            line: line.chars().filter(|c| !c.is_control()).take(80).collect(),
            length: None,
            location: None,
        };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    let length = value.parse().map_err(|_| malformed("its length"))?;
                    if head
                        .length
                        .replace(length)
                        .is_some_and(|other| other != length)
                    {
                        return Err(malformed("it has two lengths"));
                    }
                }
                "location" => head.location = Some(value.to_owned()),
                "transfer-encoding" if !value.eq_ignore_ascii_case("identity") => {
                    return Err(malformed(
                        "it is encoded for transfer, which was not asked for",
                    ));
                }
                "content-encoding" if !value.eq_ignore_ascii_case("identity") => {
                    return Err(malformed("it is compressed, which was not asked for"));
                }
                _ => {}
            }
        }
        Ok(head)
    }
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
pub mod tests;
