//! Units of the tables and figures.

/// Thousands.
pub const K: f64 = 1e3;
/// Millions.
pub const M: f64 = 1e6;
/// Billions.
pub const G: f64 = 1e9;

/// A value in a unit, with three decimals.
pub fn scaled(value: f64, unit: f64) -> String {
    format!("{:.3}", value / unit)
}
