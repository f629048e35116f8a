//! 500 queries gathered over a pool of 20 connections to PostgreSQL, by tokio-postgres, on this loop.
//!
//! ```text
//! $ tests/services run cargo run --release --features pool --example pool                # starts a PostgreSQL
//! $ cargo run --release --features pool --example pool -- postgres://me:secret@localhost/mine
//! $ tests/services run cargo run --release --features pool --example pool -- --kill 10   # connections die
//! ```
//!
//! The pool is a [`Semaphore`] and a list. Who finds no connection free waits in the semaphore's line, first come, first
//! served. A connection that dies under a query is replaced, and the query is asked once more, in its place in the line,
//! before it is reported as failed. That is right here because these queries change nothing: what was sent may have run.

use clap::Parser;
use examples::arguments::{count, seconds};
use examples::progress::progress_bar;
use gather::{Outcomes, gather};
use runtime::net::TcpStream;
use runtime::sync::{Permit, Semaphore};
use runtime::time::{now, timeout};
use runtime::{JoinHandle, block_on, spawn};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, Error, NoTls, Statement};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// Each query doubles its number, and asks the server how many connections of this program it sees. Told to, it kills
/// the one that it came through.
const QUERY: &str = "
    SELECT $1::int8 * 2,
        (SELECT count(*) FROM pg_stat_activity WHERE application_name = current_setting('application_name')),
        CASE WHEN $2::bool THEN pg_terminate_backend(pg_backend_pid()) END,
        pg_sleep(0.005)";

/// Queries over a pool of connections to PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "pool", after_help = "Exit status: 0 if every query was answered, 1 if not, 2 if it could not begin")]
struct Options {
    /// postgres://user:password@host/database. Without one: what GLASSLOOP_POSTGRES says
    url: Option<String>,
    /// How many queries to ask
    #[arg(long, value_name = "N", default_value = "500", value_parser = count)]
    queries: u64,
    /// How many connections there may be
    #[arg(long, value_name = "N", default_value = "20", value_parser = count)]
    connections: u64,
    /// How many queries, spread over all, kill their connection when they are asked first
    #[arg(long, value_name = "N", default_value = "0")]
    kill: u64,
    /// How many kill it whenever they are asked: they are reported
    #[arg(long, value_name = "N", default_value = "0")]
    poison: u64,
    /// How long the server may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    timeout: Duration,
}

/// At most so many connections, and a line for those who wait.
struct Pool {
    config: Config,
    address: (String, u16),
    timeout: Duration,
    /// A permit is the right to have a connection, open or yet to be opened.
    places: Semaphore,
    /// Open connections that nobody uses.
    idle: RefCell<Vec<Session>>,
    /// How many were opened.
    opened: Cell<usize>,
}

/// A connection, with the query prepared on it. The task `driver` moves its bytes, and ends with it.
struct Session {
    client: Client,
    query: Statement,
    driver: Driver,
}

type Driver = JoinHandle<Result<(), Error>>;

/// Why there is no answer: it matters whether another connection may help.
enum Trouble {
    Connection(String),
    Query(String),
}

impl Pool {
    fn new(options: &Options) -> Result<Pool, String> {
        let variable = std::env::var("GLASSLOOP_POSTGRES").ok();
        let url = options.url.clone().or(variable).ok_or(
            "which server? Name one (postgres://user:password@host/database), or have one started by \
             `tests/services run` before the command",
        )?;
        let mut config: Config = url.parse().map_err(|error| format!("the URL of the server: {}", told(&error)))?;
        config.application_name(format!("glassloop pool {}", std::process::id()));
        let Some(Host::Tcp(host)) = config.get_hosts().first() else {
            return Err("the URL of the server names no host to connect to by TCP".to_string());
        };
        let address = (host.clone(), config.get_ports().first().copied().unwrap_or(5432));
        let places = Semaphore::new(options.connections as usize);
        let (idle, opened) = Default::default();
        Ok(Pool { config, address, timeout: options.timeout, places, idle, opened })
    }

    /// An open connection, for who holds a place: the one used last, or a new one.
    async fn session(&self, _place: &Permit<'_>, fresh: bool) -> Result<Session, Trouble> {
        let mut idle = std::iter::from_fn(|| if fresh { None } else { self.idle.borrow_mut().pop() });
        let open = idle.find(|session| !session.client.is_closed());
        match open {
            Some(session) => Ok(session),
            None => timeout(self.timeout, self.connect()).await.unwrap_or_else(|_| Err(self.late())),
        }
    }

    async fn connect(&self) -> Result<Session, Trouble> {
        let (host, port) = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await;
        let stream = stream.map_err(|error| Trouble::Connection(format!("no way to {host}:{port}: {error}")))?;
        let raw = self.config.connect_raw(stream.compat(), NoTls).await;
        let (client, connection) = raw.map_err(|error| Trouble::Connection(told(&error)))?;
        let driver = spawn(connection);
        self.opened.set(self.opened.get() + 1);
        match client.prepare(QUERY).await {
            Ok(query) => Ok(Session { client, query, driver }),
            Err(error) => Err(self.bury(client, driver, &error).await),
        }
    }

    /// Asks query `number` and gives what it says: the double, and how many connections the server counts. `kills` is
    /// how often it kills its connection.
    async fn ask(&self, number: u64, kills: u32, run: &Run) -> Result<(i64, i64), String> {
        let came = now();
        let place = self.places.acquire().await;
        run.longest.set(run.longest.get().max(now() - came));
        run.order.borrow_mut().push(number);
        match self.attempt(number, kills > 0, &place, false).await {
            Err(Trouble::Connection(_)) => run.retried.set(run.retried.get() + 1),
            outcome => return outcome.map_err(Trouble::told),
        }
        // Over a new one: those that are idle may have died with it, and not know yet.
        let outcome = self.attempt(number, kills > 1, &place, true).await;
        outcome.map_err(|trouble| format!("failed twice: {}", trouble.told()))
    }

    async fn attempt(&self, number: u64, kill: bool, place: &Permit<'_>, fresh: bool) -> Result<(i64, i64), Trouble> {
        let Session { client, query, driver } = self.session(place, fresh).await?;
        let asked = timeout(self.timeout, client.query_one(&query, &[&(number as i64), &kill])).await;
        match asked.map_err(|_| self.late())? {
            Ok(row) => {
                self.idle.borrow_mut().push(Session { client, query, driver });
                Ok((row.get(0), row.get(1)))
            }
            Err(error) => Err(self.bury(client, driver, &error).await),
        }
    }

    /// Ends a connection that something went wrong on, and says whether the fault is its own or that of the query.
    /// PostgreSQL hangs up when it has forgotten a connection: only then is there room for another, so this waits.
    async fn bury(&self, client: Client, driver: Driver, error: &Error) -> Trouble {
        let last_words = error.as_db_error().is_some_and(|error| error.severity() == "FATAL");
        let lost = last_words || error.is_closed() || client.is_closed();
        // Whoever lets go of a living client hangs up first.
        let client = lost.then_some(client);
        let _ = timeout(self.timeout, driver).await;
        drop(client);
        if lost { Trouble::Connection(told(error)) } else { Trouble::Query(told(error)) }
    }

    /// A transfer of more than there is: what it has done already is undone when the transaction is dropped.
    async fn roll_back(&self) -> Result<(i64, i64), String> {
        let place = self.places.acquire().await;
        let mut session = self.session(&place, false).await.map_err(Trouble::told)?;
        let sums = async {
            let client = &mut session.client;
            client.batch_execute("CREATE TEMP TABLE accounts (name text, balance int8 CHECK (balance >= 0))").await?;
            client.batch_execute("INSERT INTO accounts VALUES ('ada', 100), ('grace', 0)").await?;
            let transaction = client.transaction().await?;
            transaction.batch_execute("UPDATE accounts SET balance = balance + 150 WHERE name = 'grace'").await?;
            let during = transaction.query_one("SELECT sum(balance)::int8 FROM accounts", &[]).await?.try_get(0)?;
            let refused = transaction.batch_execute("UPDATE accounts SET balance = balance - 150 WHERE name = 'ada'");
            refused.await.expect_err("nobody can owe");
            drop(transaction);
            let after = client.query_one("SELECT sum(balance)::int8 FROM accounts", &[]).await?.try_get(0)?;
            Ok::<_, Error>((during, after))
        };
        timeout(self.timeout, sums).await.map_err(|_| self.late().told())?.map_err(|error| told(&error))
    }

    fn late(&self) -> Trouble {
        Trouble::Query(format!("no answer within {:?}", self.timeout))
    }
}

impl Trouble {
    fn told(self) -> String {
        let (Trouble::Connection(words) | Trouble::Query(words)) = self;
        words
    }
}

/// What is noted while the queries run.
#[derive(Default)]
struct Run {
    longest: Cell<Duration>,
    order: RefCell<Vec<u64>>,
    retried: Cell<u32>,
}

/// An error in the server's own words, where it has some.
fn told(error: &Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}

/// How often query `number` kills its connection.
fn kills(options: &Options, number: u64) -> u32 {
    // `n` of them, evenly spread.
    let chosen = |n: u64, number: u64| u128::from(number) * u128::from(n) % u128::from(options.queries) < n.into();
    let poisoned = chosen(options.poison, options.queries - 1 - number);
    if poisoned { 2 } else { u32::from(chosen(options.kill, number)) }
}

async fn pool(options: Options) -> Result<ExitCode, String> {
    let pool = Pool::new(&options)?;
    // Whoever cannot connect even once is told so, and not 500 times.
    let first = pool.session(&pool.places.acquire().await, true).await.map_err(Trouble::told)?;
    pool.idle.borrow_mut().push(first);

    let (run, bar, start) = (Run::default(), progress_bar(options.queries, "queries"), now());
    let queries = (0..options.queries).map(|number| pool.ask(number, kills(&options, number), &run));
    let results = gather(queries).on_progress(|progress| bar.set_position(progress.completed as u64)).await;
    let took = now() - start;
    bar.finish_and_clear();

    let line = |label: &str, value: &dyn Display, note: &str| println!("  {label:14}{value:>8}   {note}");
    println!("  {} queries over {} connections, in {took:.0?}\n", options.queries, options.connections);
    let right = results.successes().filter(|(number, (double, _))| *double == 2 * *number as i64).count();
    line("answered", &right, &format!("in the order of the input; {} asked twice", run.retried.get()));
    line("failed", &results.failures().count(), "");
    let most = results.successes().map(|(_, (_, seen))| *seen).max().unwrap_or_default();
    line("connections", &most, &format!("at most, as the server counts them; {} opened in all", pool.opened.get()));
    let note = if run.order.borrow().is_sorted() { "in the order in which they came" } else { "OUT OF ORDER" };
    line("in line", &format!("{:.0?}", run.longest.get()), &format!("at most; served {note}"));
    for (number, error) in results.failures().take(5) {
        println!("  query {number}: {error}");
    }
    if right < results.len() {
        return Ok(ExitCode::FAILURE);
    }
    let (during, after) = pool.roll_back().await?;
    line("rollback", &after, &format!("in all accounts, as before; inside the transaction it was {during}"));
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    block_on(pool(Options::parse())).unwrap_or_else(|message| {
        eprintln!("error: {message}");
        ExitCode::from(2)
    })
}
