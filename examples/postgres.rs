//! What goes wrong with PostgreSQL, in words and with the cure, for the program `pool`.

use crate::out::chain;
use std::io;
use tokio_postgres::{Client, Error};

/// What to say when there is none that can be asked.
pub const CURE: &str = "name one (postgres://user:password@host/database), or have one started by `tests/services run` \
                        before the command";

/// Why there is no answer.
#[derive(Debug)]
pub struct Trouble {
    /// The fault is the connection's own, not that of the query: another one may help.
    pub lost: bool,
    /// What to tell.
    pub words: String,
}

impl Trouble {
    /// There is no connection to begin with.
    pub fn no_way(host: &str, port: u16, error: &io::Error) -> Self {
        Self { lost: true, words: format!("no way to {host}:{port}: {error}; is PostgreSQL there?") }
    }

    /// The connection is there, and the two do not come to terms.
    pub fn no_terms(error: &Error) -> Self {
        let words = told(error);
        let cure = match &words {
            words if words.contains("password missing") => {
                "; put it into the URL: postgres://user:password@host/database"
            }
            words if words.contains("TLS") => {
                "; this program speaks no TLS: it needs a server that does without (sslmode=disable)"
            }
            words if words.contains("pg_hba.conf") => {
                "; the server lets no such user in from here without TLS: its pg_hba.conf says who may"
            }
            // Whoever else listens there hangs up, or says what PostgreSQL never does.
            _ if error.as_db_error().is_none() => "; is PostgreSQL there?",
            _ => "",
        };
        Self { lost: true, words: format!("{words}{cure}") }
    }

    /// A query was not answered.
    pub fn of(client: &Client, error: &Error) -> Self {
        let last_words = error.as_db_error().is_some_and(|error| error.severity() == "FATAL");
        Self { lost: last_words || error.is_closed() || client.is_closed(), words: told(error) }
    }
}

/// An error in the server's own words, where it has some, and with all that caused it.
pub fn told(error: &Error) -> String {
    error.as_db_error().map_or_else(|| chain(error), |error| chain(error))
}
