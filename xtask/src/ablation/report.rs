use super::{cost::Costs, results::Results};
use std::path::{Path, PathBuf};
pub struct Written { pub html: PathBuf, pub summary: String }
pub fn write(r: &Results, _c: &Costs, out: &Path) -> anyhow::Result<Written> {
    let mut s = String::new();
    for run in &r.finished { s += &format!("{}: {:?}\n", run.plan.describe(), run.values()); }
    Ok(Written { html: out.join("report.html"), summary: s })
}
