//! What the programs share, most of it with the load test. The small ones need none of it: each is one file.
//!
//! In reading order: [`out`], [`arguments`] and [`progress`] are the manners of a command, [`memory`] is what it took, and
//! [`process`] waits for another one; [`stop`] and [`http`] join what knows no loop to this one (signals, hyper);
//! [`server`] is what the load test fires at when it is given no URL; [`url`], [`tls`], [`failure`] and [`client`] are
//! one request; [`tally`] counts many, [`report`] shows the counts, [`record`] keeps them as JSON and [`fail_if`] judges
//! them; [`timeline`] writes a row a second, [`live`] shows how it goes, and [`fire`] is the run. The program itself is `load_test.rs`.

#[macro_use]
pub mod out;
pub mod arguments;
pub mod progress;
pub mod memory;
pub mod process;
pub mod logs;
pub mod stop;
pub mod http;
pub mod server;
pub mod url;
pub mod tls;
pub mod failure;
pub mod client;
pub mod tally;
pub mod report;
pub mod record;
pub mod fail_if;
pub mod timeline;
pub mod live;
pub mod fire;
#[cfg(feature = "pool")]
pub mod postgres;
#[cfg(feature = "caches")]
pub mod redis;
#[cfg(feature = "scrape")]
pub mod html;
#[cfg(feature = "scrape")]
pub mod crawl;
#[cfg(feature = "scrape")]
pub mod site;
