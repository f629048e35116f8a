//! What the programs share, most of it with the load test. The small ones need none of it: each is one file.
//!
//! In reading order: [`arguments`] and [`progress`] are the manners of a command, [`memory`] is what it took, and
//! [`process`] waits for another one; [`stop`] and [`http`] join what knows no loop to this one (signals, hyper);
//! [`server`] is what the load test fires at when it is given no URL; [`url`], [`tls`], [`failure`] and [`client`] are
//! one request; [`tally`] counts many and [`report`] shows the counts. The program itself is `load_test.rs`.

pub mod arguments;
pub mod progress;
pub mod memory;
pub mod process;
pub mod stop;
pub mod http;
pub mod server;
pub mod url;
pub mod tls;
pub mod failure;
pub mod client;
pub mod tally;
pub mod report;
#[cfg(feature = "scrape")]
pub mod site;
