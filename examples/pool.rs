//! 500 queries gathered over a pool of 20 connections to PostgreSQL, by tokio-postgres, on this loop.
//!
//! ```text
//! $ tests/services run cargo run --release -p examples --features pool --example pool                # starts a PostgreSQL
//! $ cargo run --release -p examples --features pool --example pool -- postgres://me:secret@localhost/mine
//! $ tests/services run cargo run --release -p examples --features pool --example pool -- --kill 10   # connections die
//! $ tests/services run cargo run --release -p examples --features pool --example pool -- --stall 10 --timeout 2
//! ```
//!
//! The pool is a [`Semaphore`] and a list. Who finds no connection free waits in the semaphore's line, first come, first
//! served. A connection that dies under a query is replaced, and the query is asked once more, in its place in the line,
//! before it is reported as failed. That is right here because these queries change nothing: what was sent may have run.
//! A query whose answer is late is called off by the server before its connection is used again: to stop listening does
//! not end it there.

use clap::Parser;
use examples::arguments::{count, exit_status, seconds};
use examples::postgres::{CURE, Trouble, told};
use examples::progress::progress_bar;
use examples::say;
use examples::stop::or_signal;
use gather::{Outcomes, gather};
use runtime::net::TcpStream;
use runtime::sync::{Permit, Semaphore};
use runtime::time::{now, timeout};
use runtime::{JoinHandle, block_on, spawn};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;
use tokio_postgres::config::Host;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Statement};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// Each query doubles its number, and asks the server how many connections of this program it sees. Told to, it kills
/// the one that it came through, or takes an hour.
const QUERY: &str = "
    SELECT $1::int8 * 2,
        (SELECT count(*) FROM pg_stat_activity WHERE application_name = current_setting('application_name')),
        CASE $2::int4 WHEN 1 THEN pg_terminate_backend(pg_backend_pid()) END,
        pg_sleep(CASE $2::int4 WHEN 2 THEN 3600 ELSE 0.005 END)";

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
    /// How many take an hour: they are called off
    #[arg(long, value_name = "N", default_value = "0")]
    stall: u64,
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
    /// Which query was served when.
    order: RefCell<Vec<u64>>,
    /// The longest time in the line.
    longest: Cell<Duration>,
    /// How many queries were asked once more.
    retried: Cell<u32>,
}

/// A connection, with the query prepared on it. The task `driver` moves its bytes, and ends with it.
struct Session {
    client: Client,
    query: Statement,
    driver: JoinHandle<Result<(), Error>>,
}

impl Pool {
    fn new(options: &Options) -> Result<Pool, String> {
        let variable = || std::env::var("GLASSLOOP_POSTGRES").ok();
        let url = options.url.clone().or_else(variable).ok_or_else(|| format!("which server? {CURE}"))?;
        let mut config: Config = url.parse().map_err(|error| format!("{}; {CURE}", told(&error)))?;
        config.application_name(format!("glassloop pool {}", std::process::id()));
        let Some(Host::Tcp(host)) = config.get_hosts().first() else {
            return Err("the URL of the server names no host to connect to by TCP".to_string());
        };
        let address = (host.clone(), config.get_ports().first().copied().unwrap_or(5432));
        let places = Semaphore::new(options.connections as usize);
        let (idle, opened, order, longest, retried) = Default::default();
        Ok(Pool { config, address, timeout: options.timeout, places, idle, opened, order, longest, retried })
    }

    /// An open connection, for who holds a place: the one used last, or a new one.
    async fn session(&self, _place: &Permit<'_>, fresh: bool) -> Result<Session, Trouble> {
        let mut idle = std::iter::from_fn(|| if fresh { None } else { self.idle.borrow_mut().pop() });
        match idle.find(|session| !session.client.is_closed()) {
            Some(session) => Ok(session),
            None => timeout(self.timeout, self.connect()).await.unwrap_or_else(|_| Err(self.late())),
        }
    }

    async fn connect(&self) -> Result<Session, Trouble> {
        let (host, port) = (self.address.0.as_str(), self.address.1);
        let stream = TcpStream::connect((host, port)).await;
        let stream = stream.map_err(|error| Trouble::no_way(host, port, &error))?;
        let raw = self.config.connect_raw(stream.compat(), NoTls).await;
        let (client, connection) = raw.map_err(|error| Trouble::no_terms(&error))?;
        let driver = spawn(connection);
        self.opened.set(self.opened.get() + 1);
        let query = client.prepare(QUERY).await.map_err(|error| Trouble::of(&client, &error))?;
        Ok(Session { client, query, driver })
    }

    /// Asks query `number` and gives what it says: the double, and how many connections the server counts.
    async fn ask(&self, number: u64, deeds: [i32; 2]) -> Result<(i64, i64), String> {
        let came = now();
        let place = self.places.acquire().await;
        self.longest.set(self.longest.get().max(now() - came));
        self.order.borrow_mut().push(number);
        match self.attempt(number, deeds[0], &place, false).await {
            Err(trouble) if trouble.lost => self.retried.set(self.retried.get() + 1),
            outcome => return outcome.map_err(|trouble| trouble.words),
        }
        // Over a new one: those that are idle may have died with it, and not know yet.
        let outcome = self.attempt(number, deeds[1], &place, true).await;
        outcome.map_err(|trouble| format!("failed twice: {}", trouble.words))
    }

    async fn attempt(&self, number: u64, deed: i32, place: &Permit<'_>, fresh: bool) -> Result<(i64, i64), Trouble> {
        let mut session = self.session(place, fresh).await?;
        let outcome = self.put(&mut session, number, deed).await;
        match &outcome {
            // PostgreSQL hangs up when it has forgotten a connection: only then is there room for another.
            Err(trouble) if trouble.lost => drop(timeout(self.timeout, session.driver).await),
            _ => self.idle.borrow_mut().push(session),
        }
        outcome
    }

    /// Asks, and has the query called off when the answer is late: else the server would work on, for nobody.
    async fn put(&self, session: &mut Session, number: u64, deed: i32) -> Result<(i64, i64), Trouble> {
        let Session { client, query, driver } = session;
        let parameters: [&(dyn ToSql + Sync); 2] = [&(number as i64), &deed];
        let mut answer = pin!(client.query_one(&*query, &parameters));
        if let Ok(answer) = timeout(self.timeout, &mut answer).await {
            let row = answer.map_err(|error| Trouble::of(client, &error))?;
            return Ok((row.get(0), row.get(1)));
        }
        let called_off = async { self.call_off(client).await.is_ok() && answer.await.is_err() };
        if !timeout(self.timeout, called_off).await.unwrap_or(false) {
            // The server is deaf to that, too: nothing is left but to hang up.
            driver.abort();
            let _ = driver.await;
        }
        Err(self.late())
    }

    /// Has the server call off what it does for `client`. It takes that by another connection, and hangs up when it has
    /// passed it on. To wait for that matters: a word that comes late would hit the next query.
    async fn call_off(&self, client: &Client) -> io::Result<()> {
        let mut stream = TcpStream::connect((self.address.0.as_str(), self.address.1)).await?.compat();
        client.cancel_token().cancel_query_raw(&mut stream, NoTls).await.map_err(io::Error::other)?;
        stream.get_ref().read(&mut [0]).await.map(drop)
    }

    /// A transfer of more than there is: what it has done already is undone when the transaction is dropped.
    async fn roll_back(&self) -> Result<(i64, i64), String> {
        let place = self.places.acquire().await;
        let mut session = self.session(&place, false).await.map_err(|trouble| trouble.words)?;
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
        timeout(self.timeout, sums).await.map_err(|_| self.late().words)?.map_err(|error| told(&error))
    }

    fn late(&self) -> Trouble {
        Trouble { lost: false, words: format!("no answer within {:?}", self.timeout) }
    }
}

/// What query `number` does besides, the first time it is asked and the second.
fn deeds(options: &Options, number: u64) -> [i32; 2] {
    // `n` of them, evenly spread.
    let chosen = |n: u64, number: u64| u128::from(number) * u128::from(n) % u128::from(options.queries) < n.into();
    let poisoned = chosen(options.poison, options.queries - 1 - number);
    let kills = i32::from(poisoned || chosen(options.kill, number));
    [if chosen(options.stall, number) { 2 } else { kills }, i32::from(poisoned)]
}

async fn pool(options: Options) -> Result<ExitCode, String> {
    let pool = Pool::new(&options)?;
    // Whoever cannot connect even once is told so, and not 500 times.
    let first = pool.session(&pool.places.acquire().await, true).await.map_err(|trouble| trouble.words)?;
    pool.idle.borrow_mut().push(first);

    let (bar, start) = (progress_bar(options.queries, "queries"), now());
    let queries = (0..options.queries).map(|number| pool.ask(number, deeds(&options, number)));
    let results = gather(queries).on_progress(|progress| bar.set_position(progress.completed as u64)).await;
    let took = now() - start;
    bar.finish_and_clear();

    let line = |label: &str, value: &dyn Display, note: &str| say!("  {label:14}{value:>8}   {note}");
    say!("  {} queries over {} connections, in {took:.0?}\n", options.queries, options.connections);
    let right = results.successes().filter(|(number, (double, _))| *double == 2 * *number as i64).count();
    line("answered", &right, &format!("in the order of the input; {} asked twice", pool.retried.get()));
    line("failed", &results.failures().count(), "");
    let most = results.successes().map(|(_, (_, seen))| *seen).max().unwrap_or_default();
    line("connections", &most, &format!("at most, as the server counts them; {} opened in all", pool.opened.get()));
    let note = if pool.order.borrow().is_sorted() { "in the order in which they came" } else { "OUT OF ORDER" };
    line("in line", &format!("{:.0?}", pool.longest.get()), &format!("at most; served {note}"));
    results.failures().take(5).for_each(|(number, error)| say!("  query {number}: {error}"));
    if right < results.len() {
        return Ok(ExitCode::FAILURE);
    }
    let (during, after) = pool.roll_back().await?;
    line("rollback", &after, &format!("in all accounts, as before; inside the transaction it was {during}"));
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    exit_status(block_on(or_signal(pool(Options::parse()))))
}
