//! How much memory this process has had at most, as Linux tells it.

/// The most memory that was in use at once, in bytes. `None` where the system does not tell.
pub fn peak() -> Option<u64> {
    line("VmHWM:")
}

/// The most address space that was reserved at once, in bytes: threads reserve their stacks and use little of them.
pub fn reserved() -> Option<u64> {
    line("VmPeak:")
}

fn line(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
