//! Memory of this process and of the machine.

/// Peak resident memory of this process in bytes; `None` if the system does not report it (Linux does).
pub fn peak_bytes() -> Option<u64> {
    high_water_mark(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The line `VmHWM:    1234 kB` of `/proc/PID/status` (proc_pid_status(5)), in bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kilobytes)
}

/// Bytes that a process can still use: memory and swap of the machine, or what is allowed to a container;
/// `None` if the system does not report it (Linux does).
pub fn available_bytes() -> Option<u64> {
    let machine = available(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    // The file holds the word "max" if there is no limit.
    let limits = limits.iter().filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok());
    Some(limits.fold(machine, u64::min))
}

/// The lines `MemAvailable` and `SwapFree` of `/proc/meminfo` (proc_meminfo(5)), in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kilobytes.checked_mul(1024)
    };
    bytes("MemAvailable")?.checked_add(bytes("SwapFree").unwrap_or(0))
}

/// A number of bytes for people.
pub fn shown(bytes: u64) -> String {
    match bytes {
        ..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_memory_and_swap() {
        let text = "MemTotal:  9 kB\nMemAvailable:    1000 kB\nSwapTotal: 7 kB\nSwapFree:  24 kB\n";
        assert_eq!(available(text), Some(1024 * 1024));
        assert_eq!(available("MemAvailable: 3 kB\n"), Some(3 * 1024));
        assert_eq!(available("MemFree: 3 kB\n"), None);
        assert_eq!((shown(38 << 20), shown(3 << 29)), ("38 MiB".to_owned(), "1.5 GiB".to_owned()));
    }

    #[test]
    fn the_mark_is_read_and_its_absence_too() {
        let status = "Name:\tpelk\nVmPeak:\t  999 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 12 kB\n";
        assert_eq!(high_water_mark(status), Some(1234 * 1024));
        assert_eq!(high_water_mark("Name:\tpelk\n"), None);
        assert_eq!(high_water_mark("VmHWM:\t many kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_mark_rises_with_what_is_touched() {
        const SIZE: usize = 64 << 20;
        let touched = std::hint::black_box(vec![1_u8; SIZE]);
        assert!(peak_bytes().unwrap() >= SIZE as u64);
        drop(touched);
        assert!(peak_bytes().unwrap() >= SIZE as u64);
    }
}
