//! A connection to a server whose client the check plays: what it sends, in which pieces, and what it reads of the answers.

use crate::run::{Run, broken};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{ErrorKind, Result};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A server may read so much more of a head than its limit allows: what one read brings.
const BUFFER: usize = 16_384;

/// So often the end is read at most.
const ENDS: u32 = 3;

/// One request of a client, and what a server has to say.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and path.
    pub asks: String,
    /// All its bytes.
    pub text: String,
    /// What the client wants of the connection.
    pub wants: Wants,
    /// The answer's status, and its body.
    pub status: &'static str,
    /// See `status`.
    pub body: &'static str,
}

/// What becomes of a connection after a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wants {
    /// HTTP/1.1, and not a word about it: it stays.
    Stay,
    /// HTTP/1.1, which asks to close.
    Close,
    /// HTTP/1.0: the client reads to the end.
    End,
    /// HTTP/1.0, which asks for keep-alive, and wants to be told.
    Told,
    /// It is no GET, and may have a body.
    Body,
}

impl Wants {
    /// All of them.
    pub const ALL: [Wants; 5] = [Wants::Stay, Wants::Close, Wants::End, Wants::Told, Wants::Body];

    /// Whether the connection stays.
    pub fn stays(self) -> bool {
        matches!(self, Wants::Stay | Wants::Told)
    }
}

impl Request {
    /// A request for this path.
    pub fn new(path: &str, wants: Wants) -> Request {
        let (method, version, field) = match wants {
            Wants::Stay => ("GET", "1.1", "Host: a"),
            Wants::Close => ("GET", "1.1", "Connection: close"),
            Wants::End => ("GET", "1.0", "Accept: */*"),
            Wants::Told => ("GET", "1.0", "Connection: Keep-Alive"),
            Wants::Body => ("POST", "1.1", "Content-Length: 0"),
        };
        let (status, body) = match path {
            "/hello" => ("200", "Hello, world!\n"),
            "/slow" => ("200", "slept for 5 ms\n"),
            _ => ("404", "no such page\n"),
        };
        let asks = format!("{method} {path}");
        let text = format!("{asks} HTTP/{version}\r\n{field}\r\n\r\n");
        Request { asks, text, wants, status, body }
    }

    /// Whether this is its answer.
    pub fn is_answered_by(&self, answer: &Answer) -> bool {
        answer.status == self.status && answer.body == self.body
    }
}

/// What a client has read.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// As in `200`.
    pub status: String,
    /// What the field `Connection` says, in small letters.
    pub connection: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Takes one answer from the front of what was read. `None`: not all of it is there.
    pub fn take(read: &mut Vec<u8>, has_ended: bool) -> Option<Answer> {
        let end = read.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let field = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(':'));
            let found = fields.find(|(field, _)| field.trim().eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim().to_ascii_lowercase())
        };
        let length = match field("content-length").and_then(|length| length.parse::<usize>().ok()) {
            Some(length) => length,
            // Then the body goes on to the end of the connection.
            None if has_ended => read.len() - end,
            None => return None,
        };
        if read.len() < end + length {
            return None;
        }
        let body = String::from_utf8_lossy(&read[end..end + length]).into_owned();
        read.drain(..end + length);
        let status = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
        Some(Answer { status, connection: field("connection").unwrap_or_default(), body })
    }
}

/// A connection: what the client has sent, and what the server has written.
#[derive(Debug)]
pub struct Connection {
    /// The pieces that nobody has read. A read gets no more than one.
    sent: RefCell<VecDeque<Vec<u8>>>,
    /// What a read gets when there are no more pieces: the end, or an error.
    ended: Cell<Option<Option<ErrorKind>>>,
    ends_read: Cell<u32>,
    reader: RefCell<Option<Waker>>,
    written: RefCell<Vec<u8>>,
    is_closed: Cell<bool>,
    /// The limit of a head, and how much was read of one that has not ended; so many of its last bytes may be of its end.
    limit: usize,
    open: Cell<usize>,
    matched: Cell<usize>,
}

/// What begins these bytes, for a line of a message.
fn first_line(bytes: &[u8]) -> String {
    let is_plain = |byte: &&u8| **byte == b' ' || byte.is_ascii_graphic();
    bytes.iter().take(17).take_while(is_plain).map(|&byte| char::from(byte)).collect()
}

impl Connection {
    /// A new one, whose server has this limit for a head.
    pub fn new(limit: usize) -> Rc<Connection> {
        let (sent, written, reader) = (RefCell::default(), RefCell::default(), RefCell::default());
        let (ended, ends_read, is_closed) = (Cell::default(), Cell::default(), Cell::default());
        let (open, matched) = (Cell::default(), Cell::default());
        Rc::new(Connection { sent, ended, ends_read, reader, written, is_closed, limit, open, matched })
    }

    /// The client sends a piece.
    pub fn sends(&self, bytes: &[u8]) {
        Run::current().tell("Send", 0, format!("{} bytes", bytes.len()));
        self.sent.borrow_mut().push_back(bytes.to_vec());
        let reader = self.reader.take();
        reader.into_iter().for_each(Waker::wake);
    }

    /// The client has left: by an end, or by an error.
    pub fn leaves(&self, error: Option<ErrorKind>) {
        Run::current().tell("Leave", 0, if error.is_some() { "the client, by a reset" } else { "the client" });
        self.ended.set(Some(error));
        let reader = self.reader.take();
        reader.into_iter().for_each(Waker::wake);
    }

    /// The server reads.
    ///
    /// # Panics
    /// If it reads what it should not: that breaks a rule.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let mut sent = self.sent.borrow_mut();
        let Some(piece) = sent.front_mut() else {
            let Some(ended) = self.ended.get() else {
                drop(self.reader.replace(Some(cx.waker().clone())));
                return Poll::Pending;
            };
            self.ends_read.set(self.ends_read.get() + 1);
            let note = if ended.is_some() { "an error: it is reset" } else { "0 bytes: the end" };
            Run::current().tell_here("Read", 0, note);
            if self.ends_read.get() > ENDS {
                let says = "The client has left, and read has said so. It is read again and again, and says the same.";
                broken("a client that has left ends serve", says, None);
            }
            return Poll::Ready(ended.map_or(Ok(0), |error| Err(error.into())));
        };
        let length = piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&piece[..length]);
        piece.drain(..length);
        if piece.is_empty() {
            sent.pop_front();
        }
        self.takes(&buffer[..length]);
        let (note, is_too_long) = (format!("{length} bytes"), self.open.get() > self.limit);
        // To note the line of the answer takes time, and there are many reads.
        match is_too_long {
            true => Run::current().tell_here("Read", 0, note),
            false => Run::current().tell("Read", 0, note),
        }
        self.is_not_too_long();
        Poll::Ready(Ok(length))
    }

    /// The server has read these bytes.
    fn takes(&self, bytes: &[u8]) {
        for byte in bytes {
            let matched = match (byte, self.matched.get()) {
                (b'\r', 2) => 3,
                (b'\r', _) => 1,
                (b'\n', at @ (1 | 3)) => at + 1,
                _ => 0,
            };
            let is_end = matched == 4;
            self.matched.set(if is_end { 0 } else { matched });
            self.open.set(if is_end { 0 } else { self.open.get() + 1 });
        }
    }

    /// No head is longer than its limit.
    fn is_not_too_long(&self) {
        let open = self.open.get();
        if open > self.limit + BUFFER {
            let says = format!(
                "The limit of a head is {} bytes. {open} bytes without an end are read already, and it reads on. Who sends \
                 on and on takes all memory.",
                self.limit
            );
            broken("a head has a limit", says, None);
        }
    }

    /// The server begins to write these bytes.
    pub fn says_write(&self, bytes: &[u8]) {
        Run::current().tell_here("Write", 0, first_line(bytes));
    }

    /// The server writes.
    ///
    /// # Errors
    /// When the client has left by a reset.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        if let Some(Some(error)) = self.ended.get() {
            return Err(error.into());
        }
        self.written.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }

    /// The server has dropped its end.
    pub fn is_dropped(&self) {
        Run::current().tell("Close", 0, "by the server");
        self.is_closed.set(true);
    }

    /// Whether the server has closed it.
    pub fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// All answers that are there, and how many bytes of another one.
    pub fn answers(&self) -> (Vec<Answer>, usize) {
        let mut read = self.written.borrow().clone();
        let answers = std::iter::from_fn(|| Answer::take(&mut read, self.is_closed())).collect();
        (answers, read.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Request, Wants};

    #[test]
    fn an_answer_is_read_as_a_client_reads_it() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nConnection: Keep-Alive\r\n\r\nabcHTTP/1.1 431 No\r\n\r\n";
        let mut read = whole[..60].to_vec();
        assert_eq!(Answer::take(&mut read, false), None);
        let mut read = whole.to_vec();
        let answer = Answer::take(&mut read, false).unwrap();
        assert_eq!((&*answer.status, &*answer.connection, &*answer.body), ("200", "keep-alive", "abc"));
        assert_eq!(Answer::take(&mut read, false), None, "no length: the body goes on to the end");
        assert_eq!(Answer::take(&mut read, true).unwrap().status, "431");
        assert!(!Request::new("/hello", Wants::Stay).is_answered_by(&answer));
    }
}
