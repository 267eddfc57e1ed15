//! Peak memory of this process.

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

#[cfg(test)]
mod tests {
    use super::*;

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
