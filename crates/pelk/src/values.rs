//! Measured values in words; what was not measured, since nothing was counted, is "none".

/// A share in percent, with two decimals.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(none, |share| format!("{:.2} %", 100.0 * share))
}

/// A loss, with this number of decimals.
pub fn loss(loss: Option<f64>, decimals: usize) -> String {
    loss.map_or_else(none, |loss| format!("{loss:.decimals$}"))
}

/// The word for a value that was not measured.
pub fn none() -> String {
    "none".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_measured_is_not_zero() {
        assert_eq!(
            [percent(Some(0.0)), percent(Some(0.98765)), percent(None)],
            ["0.00 %", "98.77 %", "none"]
        );
        assert_eq!([loss(Some(0.0), 4), loss(Some(1.0), 3), loss(None, 4)], ["0.0000", "1.000", "none"]);
    }
}
