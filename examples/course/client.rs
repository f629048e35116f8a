//! A client that a check scripts: which requests it sends, in which pieces, what it does then; and what is right about the
//! answers.

use crate::connection::{Answer, Connection, Request, Wants};
use crate::dice::Dice;
use crate::run::broken;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// What the client does when it has its answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Then {
    /// It is silent, perhaps after a piece of a request.
    Silent(bool),
    /// It leaves, perhaps after a piece of a request.
    Leaves(bool),
    /// Its connection is reset.
    Resets,
    /// It sends a head without an end, this much longer than the limit.
    SendsOn(usize),
    /// The server is told to stop while it answers one more; perhaps there are others behind that.
    Stops(bool),
    /// The server is told to stop when it has read half of a head.
    StopsInAHead,
}

/// So much longer than the limit a head gets that does not end: more than any read may bring.
pub const FAR_TOO_LONG: usize = 40_000;

/// A client, and the limits that its server sets.
#[derive(Debug)]
pub struct Client {
    /// All its requests.
    pub requests: Vec<Request>,
    /// All requests, in pieces. Between two of them it waits so many milliseconds.
    pub pieces: Vec<Vec<u8>>,
    /// See `pieces`.
    pub waits: u64,
    /// What it does when it has its answers.
    pub then: Then,
    /// The longest head.
    pub head: usize,
    /// The longest time without a byte.
    pub idle: Duration,
}

impl Client {
    /// Sends these requests in one piece.
    pub fn new(requests: &[Request], then: Then) -> Client {
        let text: String = requests.iter().map(|request| &*request.text).collect();
        let (requests, pieces, idle) = (requests.to_vec(), vec![text.into_bytes()], Duration::from_secs(10));
        Client { requests, pieces, waits: 0, then, head: 1_000, idle }
    }

    /// The same, cut where `at` says.
    pub fn cut(mut self, at: impl Fn(usize) -> bool, waits: u64) -> Client {
        let bytes = self.pieces.concat();
        self.pieces = Vec::new();
        for (index, byte) in bytes.into_iter().enumerate() {
            if index == 0 || at(index) {
                self.pieces.push(Vec::new());
            }
            self.pieces.last_mut().expect("pushed above").push(byte);
        }
        self.waits = waits;
        self
    }

    /// The client of this program, if it is one of the first ones, which are always the same.
    pub fn small(number: u64) -> Option<Client> {
        use Then::{Leaves, Resets, SendsOn, Silent, Stops, StopsInAHead};
        use Wants::{Body, Close, End, Stay, Told};
        let hello = |wants| Request::new("/hello", wants);
        let slow = |wants| Request::new("/slow", wants);
        // The longest head: as long as the shortest that is needed.
        let short = hello(Stay).text.len();
        let head = |mut client: Client, head| {
            client.head = head;
            client
        };
        let idle = |mut client: Client, idle| {
            client.idle = idle;
            client
        };
        Some(match number {
            1 => Client::new(&[hello(Stay), slow(Stay)], Leaves(false)),
            2 => Client::new(&[hello(Stay)], Leaves(false)).cut(|at| at == 9, 1),
            3 => Client::new(&[hello(Stay), slow(Stay), hello(Stay)], Leaves(true)).cut(|at| at == 40, 0),
            4 => Client::new(&[hello(Close)], Leaves(false)),
            5 => Client::new(&[hello(End)], Leaves(false)),
            6 => Client::new(&[hello(Told)], Leaves(false)),
            7 => Client::new(&[hello(Body), hello(Stay)], Leaves(false)),
            8 => Client::new(&[hello(Stay)], SendsOn(FAR_TOO_LONG)),
            9 => head(Client::new(&[hello(Stay)], SendsOn(200)), 600),
            10 => head(Client::new(&[hello(Stay), hello(Stay)], Leaves(false)).cut(|_| true, 0), short),
            11 => Client::new(&[hello(Stay)], Silent(false)),
            12 => idle(Client::new(&[hello(Stay)], Silent(true)).cut(|at| at % 8 == 0, 90), MS * 100),
            13 => Client::new(&[hello(Stay)], Stops(false)),
            14 => Client::new(&[hello(Stay)], StopsInAHead),
            15 => idle(Client::new(&[slow(Stay)], Silent(false)), MS * 3),
            16 => Client::new(&[slow(Stay)], Resets),
            17 => Client::new(&[hello(Stay), hello(Stay), hello(Stay)], Stops(true)),
            18 => {
                let mut request = hello(Stay);
                request.text = "GET /hello HTTP/1.1\r\nVia: HTTP/1.0 b\r\n\r\n".to_owned();
                Client::new(&[request], Leaves(false))
            }
            20 => {
                let mut request = hello(Stay);
                request.text = format!("GET /hello HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(2_500));
                head(Client::new(&[request], Leaves(false)).cut(|at| at % 500 == 0, 1), 3_000)
            }
            // Each head is short enough, and all together are too long.
            21 => head(Client::new(&[hello(Stay), hello(Stay), hello(Stay)], Leaves(false)), short),
            _ => return None,
        })
    }

    /// Any client.
    pub fn roll(dice: &mut Dice, size: f64) -> Client {
        let requests = 1 + dice.roll(0..=(size * 7.0).ceil() as u64);
        let requests: Vec<Request> = (0..requests)
            .map(|_| {
                let path = *dice.pick(&["/hello", "/hello", "/slow", "/none"]);
                let wants =
                    if dice.one_in(12) { *dice.pick(&Wants::ALL) } else { *dice.pick(&[Wants::Stay, Wants::Told]) };
                Request::new(path, wants)
            })
            .collect();
        let then = match dice.roll(1..=8) {
            1..=2 => Then::Silent(dice.one_in(2)),
            3..=4 => Then::Leaves(dice.one_in(2)),
            5 => Then::Resets,
            6 => Then::SendsOn(FAR_TOO_LONG),
            _ => Then::Stops(dice.one_in(2)),
        };
        let mut client = Client::new(&requests, then);
        let bytes = client.pieces.concat().len();
        // Up to six cuts; sometimes at each byte.
        let cuts: Vec<usize> = (0..dice.roll(0..=6)).map(|_| dice.roll(1..=bytes as u64) as usize).collect();
        let each = dice.one_in(40);
        client = client.cut(|at| each || cuts.contains(&at), if each { 0 } else { dice.roll(0..=3) });
        let longest = requests.iter().map(|request| request.text.len()).max().unwrap_or_default();
        client.head = longest + dice.roll(0..=100) as usize;
        client.idle = MS * dice.roll(50..=20_000) as u32;
        client
    }

    /// So many of its requests are to be answered: up to the one after which the connection ends.
    pub fn expected(&self) -> usize {
        let last = self.requests.iter().position(|request| !request.wants.stays());
        last.map_or(self.requests.len(), |last| last + 1)
    }

    /// The requests have their answers, and then the connection stays, or ends.
    ///
    /// # Panics
    /// If it is not so: that breaks a rule. So do the others.
    pub fn judge(&self, connection: &Connection, may_be_let_go: bool) {
        let (expected, requests, (answers, rest)) = (self.expected(), &self.requests, connection.answers());
        for (number, answer) in answers.iter().take(expected).enumerate() {
            is_answer(requests, number, answer, self.pieces.len() > 1);
        }
        if answers.len() > expected {
            self.is_one_too_many(expected, answers.len());
        }
        if answers.len() < expected || rest > 0 {
            let (count, got) = (requests.len(), answers.len());
            if rest > 0 {
                let says = format!(
                    "{} came, and {} written whole. {rest} bytes more are there, of an answer without its end: its head has no \
                     empty line at the end, or its body is shorter than its `Content-Length`.",
                    requests_(count),
                    answers_(got)
                );
                broken("each request has its answer", says, Some("Write"));
            }
            let says = if self.pieces.len() == 1 {
                format!("{} came in one read, and {} written.", requests_(count), answers_(got))
            } else {
                let pieces = self.pieces.len();
                format!("{} came in {pieces} pieces, and {} written.", requests_(count), answers_(got))
            };
            let end =
                if connection.is_closed() { "Then the connection is closed." } else { "The client waits for ever." };
            broken("each request has its answer", format!("{says} {end}"), Some("Write"));
        }
        let last = &requests[expected - 1];
        match (last.wants.stays(), connection.is_closed()) {
            (true, true) if !may_be_let_go => {
                let hint = match last.text.lines().skip(1).any(|line| line.contains("HTTP/1.0")) {
                    true => " It speaks HTTP/1.1, by its first line. The lines below that say nothing of it.",
                    false => "",
                };
                let says = format!(
                    "The client has sent {}, and has not asked for an end. The connection is closed after the answer.{hint}",
                    last.asks
                );
                broken("the connection stays", says, None)
            }
            (false, false) => {
                let says = match last.wants {
                    Wants::Close => {
                        "The client has said `Connection: close`. It has its answer, and waits for the end."
                    }
                    Wants::Body => {
                        "A POST may have a body. Nobody reads it here, so what comes next may be a piece of it, and no \
                         request: the connection has to end."
                    }
                    _ => {
                        "A client of HTTP/1.0 that does not ask for keep-alive reads to the end of the connection. There \
                         is none: it waits for ever."
                    }
                };
                broken("the connection ends when asked to", says, Some("Close"))
            }
            _ => {}
        }
        for (request, answer) in requests.iter().zip(&answers) {
            is_told(request, answer);
        }
    }

    /// The client sends piece by piece, and the connection is closed before it has sent them all, `waits` after the last one.
    pub fn judge_early_end(&self, connection: &Connection, sent: usize) {
        let (expected, (answers, _)) = (self.expected(), connection.answers());
        let are_right = self.requests.iter().zip(&answers).all(|(request, answer)| request.is_answered_by(answer));
        if answers.len() >= expected || !are_right {
            return;
        }
        let says = format!(
            "The client sends a piece every {} ms. It was never silent for {:?}, which is the limit. The connection is \
             closed when {sent} of {} pieces are sent.",
            self.waits,
            self.idle,
            self.pieces.len()
        );
        broken("a silent client is let go", says, None);
    }

    /// There are more answers than there should be.
    pub(crate) fn is_one_too_many(&self, expected: usize, got: usize) {
        let last = &self.requests[expected - 1];
        if !last.wants.stays() {
            let says = format!("The connection was to end after {}. The request after it is answered, too.", last.asks);
            broken("the connection ends when asked to", says, None);
        }
        let says = format!("{} came, and {} written.", requests_(expected), answers_(got));
        broken("each request has its answer", says, None);
    }
}

/// So many requests, in words.
pub(crate) fn requests_(count: usize) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{count} requests") }
}

/// So many answers, in words.
fn answers_(count: usize) -> String {
    match count {
        0 => "no answer was".to_owned(),
        1 => "1 answer was".to_owned(),
        _ => format!("{count} answers were"),
    }
}

/// This is the answer to the request with this number; `is_cut`: that came in pieces.
///
/// # Panics
/// If it is not: that breaks a rule.
pub fn is_answer(requests: &[Request], number: usize, answer: &Answer, is_cut: bool) {
    let request = &requests[number];
    if request.is_answered_by(answer) {
        return;
    }
    let of_another = requests[number + 1..].iter().find(|other| other.is_answered_by(answer));
    let (asks, number) = (&request.asks, number + 1);
    if let Some(other) = of_another.filter(|_| answer.status == "200") {
        let says = format!("Answer {number} is that of {}. Request {number} was {asks}.", other.asks);
        broken("answers come in order", says, None);
    }
    if answer.status == "431" {
        let hint = match (is_cut, number) {
            (true, 1) => "Was its end not found, because it lies over two pieces? Or is the limit another one?",
            (false, 1) => "Look for its end first. Is the limit the one of `limits`?",
            _ => "The limit is for one head, and not for all that was read.",
        };
        let says =
            format!("Request {number} is {asks}, and its head is not longer than the limit. Its answer is 431. {hint}");
        broken("a head has a limit", says, None);
    }
    let says = format!(
        "Request {number} is {asks}. Its answer has the status {}, and a body of {} bytes.{}",
        answer.status,
        answer.body.len(),
        match (is_cut, &*answer.status) {
            (true, _) => " Was a piece taken for a request?",
            (false, "404") if number > 1 => {
                " Was an empty head taken for a request: what is left in the input of the one before?"
            }
            _ => "",
        }
    );
    broken("an answer is that of its request", says, None)
}

/// The answer says what becomes of the connection.
fn is_told(request: &Request, answer: &Answer) {
    let says = match (request.wants, &*answer.connection) {
        (Wants::Told, "keep-alive") => return,
        (Wants::Told, _) => {
            "The client speaks HTTP/1.0, and has asked for keep-alive. If the answer does not say `Connection: keep-alive`, \
             the client waits for the end of the connection."
        }
        (wants, "close") if wants.stays() => "The answer says `Connection: close`, and nobody has asked for it.",
        (wants, "keep-alive") if !wants.stays() => {
            "The answer says `Connection: keep-alive`, and the connection has to end after it."
        }
        _ => return,
    };
    broken("the answer says keep-alive or close", says, None)
}
