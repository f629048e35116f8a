//! Where and with what was measured: machine, system, toolchain, versions, date.

use crate::affinity::cores;
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The crates whose versions matter.
const CRATES: [&str; 7] =
    ["tokio", "futures", "futures-buffered", "futures-concurrency", "async-executor", "mio", "hyper"];

/// What there is to know, by name.
pub fn facts() -> Vec<(&'static str, String)> {
    vec![
        ("date", today()),
        ("processor", processor()),
        ("cores", cores().to_string()),
        ("system", system()),
        ("toolchain", toolchain()),
        ("versions", CRATES.iter().filter_map(|name| version(name)).collect::<Vec<_>>().join(", ")),
    ]
}

fn processor() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    model.map_or_else(|| std::env::consts::ARCH.into(), |model| model.trim().into())
}

fn system() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {}", std::env::consts::OS, release.trim())
}

/// The compiler that is on the path now, which is the one that cargo has just used.
pub fn toolchain() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or_else(|_| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().into())
}

/// A crate and its version, from the lock file that this was built with.
fn version(name: &str) -> Option<String> {
    let lock = include_str!("../Cargo.lock");
    let package = lock.split(&format!("name = \"{name}\"\nversion = \"")).nth(1)?;
    Some(format!("{name} {}", package.split('"').next()?))
}

/// The date in UTC, by the days since 1970.
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let days = (seconds / 86_400) as i64;
    // Howard Hinnant's civil_from_days, for years after 1970: eras of 400 years that begin on a first of March.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}
