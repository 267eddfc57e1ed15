//! The clock.

use anyhow::Result;
use std::time::Instant;

/// Times in ms.
pub struct Times {
    pub median: f64,
    pub least: f64,
}

/// Calls once to warm up, then `runs` times.
pub fn measure(call: &mut dyn FnMut() -> Result<()>, runs: usize) -> Result<Times> {
    call()?;
    let mut times = Vec::new();
    for _ in 0..runs.max(1) {
        let start = Instant::now();
        call()?;
        times.push(1e3 * start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    let median = match times.len() % 2 {
        0 => (times[middle - 1] + times[middle]) / 2.0,
        _ => times[middle],
    };
    Ok(Times { median, least: times[0] })
}
