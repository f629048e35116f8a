//! How a connection to a scripted client has to end: after a silence, a leave, a head that is too long, or a stop.

use crate::client::{Client, requests_};
use crate::connection::{Answer, Connection, Request, Wants};
use crate::run::broken;

impl Client {
    /// To a piece of a request there is no answer.
    fn is_answered_no_more(&self, connection: &Connection) {
        let (answers, _) = connection.answers();
        let expected = self.requests.len();
        // Who says why it closes may do so.
        if answers.get(expected).is_some_and(|answer| !answer.status.starts_with('4')) {
            self.is_one_too_many(expected, answers.len());
        }
    }

    /// The client was silent for too long: it is let go.
    pub fn judge_silence(&self, connection: &Connection) {
        if !connection.is_closed() {
            let says = format!(
                "The client has sent no byte for {:?}, which is the limit. The connection is still there, and with it a \
                 descriptor and the memory of its task.",
                self.idle
            );
            broken("a silent client is let go", says, Some("Close"));
        }
        self.is_answered_no_more(connection);
    }

    /// The client has left: so does the server.
    pub fn judge_leave(&self, connection: &Connection) {
        if !connection.is_closed() {
            let says = "The client has left, and the server keeps the connection.";
            broken("a client that has left ends serve", says, Some("Close"));
        }
        self.is_answered_no_more(connection);
    }

    /// A head that was too long has its answer, after so many others, and the connection ends.
    pub fn judge_too_long(&self, connection: &Connection, before: usize) {
        let (answers, rest) = connection.answers();
        let says = match (answers.get(before), connection.is_closed()) {
            (Some(answer), true) if answer.status == "431" => return is_end_told(answer),
            (Some(answer), true) => format!(
                "A head is longer than the limit. The answer is {}, and not 431: its headers are too large.",
                answer.status
            ),
            (None, true) if rest > 0 => format!(
                "A head is longer than the limit. {rest} bytes of an answer are written, and then the connection is closed. \
                 The answer is not whole: its head has no end (an empty line), or its body is too short."
            ),
            (None, true) => {
                "A head is longer than the limit, and the connection is closed without a word. Say 431.".to_owned()
            }
            (_, false) => format!(
                "The limit of a head is {} bytes, and this one is longer. Nobody knows where the next one begins: the \
                 connection has to end.",
                self.head
            ),
        };
        broken("a head has a limit", says, Some(if connection.is_closed() { "Write" } else { "Close" }))
    }

    /// After so many answers the server was told to stop, half of a head was read then, and the rest of it came.
    pub fn judge_stop_in_a_head(&self, connection: &Connection, before: usize) {
        let hello = Request::new("/hello", Wants::Stay);
        let (answers, rest) = connection.answers();
        let rule = "a stop answers what was asked";
        match &answers[before..] {
            [answer] if hello.is_answered_by(answer) && rest == 0 => {}
            [] if connection.is_closed() => {
                let says = "Half of the head of GET /hello was read when the server was told to stop. Then the other half \
                            came, and the connection is closed without an answer.";
                broken(rule, says, Some("Write"));
            }
            [] => {
                let says = "Half of the head of GET /hello was read when the server was told to stop. Then the other half \
                            came, and there is no answer.";
                broken(rule, says, Some("Write"));
            }
            _ => broken(rule, "The server was told to stop in the middle of a head. The answer is another one.", None),
        }
        if !connection.is_closed() {
            let says = "The server was told to stop, and has answered what was asked. The connection is still there, and \
                        waits for more.";
            broken("a stop ends the connection", says, Some("Close"));
        }
    }

    /// After so many answers the client has asked for `/slow`, and perhaps for more behind it: `asked` in all. The server was
    /// told to stop when it had `/slow` in work.
    pub fn judge_stop(&self, connection: &Connection, before: usize, asked: usize) {
        let (slow, hello) = (Request::new("/slow", Wants::Stay), Request::new("/hello", Wants::Stay));
        let (answers, rest) = connection.answers();
        let answers = &answers[before..];
        match answers.first() {
            Some(answer) if slow.is_answered_by(answer) => {}
            Some(answer) => {
                let says =
                    format!("GET /slow was asked for before the stop. Its answer has the status {}.", answer.status);
                broken("a stop answers what was asked", says, None);
            }
            None => {
                let says = "GET /slow was asked for before the stop, and was in work. The connection is closed without its \
                            answer.";
                broken("a stop answers what was asked", says, Some("Write"));
            }
        }
        if !connection.is_closed() {
            let says = if answers.len() == 1 {
                "The server was told to stop, and has answered what was asked. The connection is still there, and waits \
                 for more."
            } else {
                "The server was told to stop, and goes on answering."
            };
            broken("a stop ends the connection", says, Some("Close"));
        }
        let are_right = answers[1..].iter().all(|answer| hello.is_answered_by(answer)) && rest == 0;
        if !are_right {
            let says = "The server was told to stop, and more requests came. Not all their answers are whole.";
            broken("a stop answers what was asked", says, None);
        }
        let last = answers.last().expect("the first is there");
        if answers.len() < asked && last.connection != "close" {
            let says = format!(
                "The server was told to stop. Its last answer does not say `Connection: close`, and then it closes. The \
                 client has sent {} more, and cannot know that nobody answers. Look at the stop before the head of the \
                 answer is written.",
                requests_(asked - answers.len())
            );
            broken("the answer says keep-alive or close", says, None);
        }
    }
}

/// The answer to a head that is too long says that the connection ends.
fn is_end_told(answer: &Answer) {
    let says = match &*answer.connection {
        "close" => return,
        "" => {
            "The answer 431 says nothing of the connection, and then it ends. In HTTP/1.1 that means that it stays: the \
             client may send its next request. Say `Connection: close`."
                .to_owned()
        }
        other => format!("The answer 431 says `Connection: {other}`, and then it ends. Say `Connection: close`."),
    };
    broken("the answer says keep-alive or close", says, None);
}
