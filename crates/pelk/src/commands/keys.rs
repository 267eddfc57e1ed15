//! `pelk keys`

use crate::output::say;
use crate::wrap::wrapped;
use anyhow::{Result, bail};
use pelk_train::{Key, Kind, keys, suggestions};

/// List the configuration keys that --set and a configuration file take
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct KeysArgs {
    /// List only keys with this text in their path, or else in their meaning; names of other tools work too,
    /// such as lr
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
    /// Print all keys as the Markdown page of the guide
    #[arg(long, conflicts_with = "pattern")]
    markdown: bool,
}

const EXAMPLES: &str = "\
Examples:
  pelk keys
  pelk keys optimizer
  pelk keys lr
  pelk train --set optimizer.learning_rate=0.002";

const HEAD: &str = "\
# Configuration keys

Every key that `pelk train --set KEY=VALUE` and a configuration file take, as `pelk keys` lists them. The page
is made from the doc comments of the code by `pelk keys --markdown > docs/guide/configuration.md`; a test
compares the two.

A key without a default is off until it is set; a key of `model` without one keeps the value of the named
model. `--set KEY=` gives a key its default again, and `--set TABLE={}` switches an optional table on with its
defaults.
";

/// Runs the command.
///
/// # Errors
/// When no key fits the pattern.
pub fn run(args: &KeysArgs) -> Result<()> {
    let keys = keys();
    if args.markdown {
        say!("{}", markdown(&keys).trim_end());
        return Ok(());
    }
    for key in matching(&keys, args.pattern.as_deref())? {
        say!("{}", listed(key));
    }
    Ok(())
}

/// Whether to list it: all but tables that only hold other keys.
fn is_listed(key: &&Key) -> bool {
    matches!(key.kind, Kind::Table { optional: true }) || !key.is_table()
}

fn matching<'k>(keys: &'k [Key], pattern: Option<&str>) -> Result<Vec<&'k Key>> {
    let listed = || keys.iter().filter(is_listed);
    let Some(pattern) = pattern else { return Ok(listed().collect()) };
    let lower = pattern.to_lowercase();
    let suggested = suggestions(pattern);
    let by_path: Vec<_> =
        listed().filter(|key| key.path.contains(&lower) || suggested.contains(&key.path)).collect();
    if !by_path.is_empty() {
        return Ok(by_path);
    }
    let by_meaning: Vec<_> = listed().filter(|key| key.meaning.to_lowercase().contains(&lower)).collect();
    if by_meaning.is_empty() {
        bail!("no key has {pattern:?} in its path or meaning");
    }
    Ok(by_meaning)
}

fn listed(key: &Key) -> String {
    let default = match (&key.default, key.required) {
        (Some(value), _) => format!(", default {value}"),
        (None, true) => ", required".to_owned(),
        (None, false) => String::new(),
    };
    format!("{}: {}{default}\n{}", key.path, key.kind, wrapped(&key.meaning, 4))
}

/// A page with a section per table.
fn markdown(keys: &[Key]) -> String {
    let mut page = HEAD.to_owned();
    let top = keys.iter().filter(|key| !key.path.contains('.') && !key.is_table());
    page += &format!("\n## The run\n\n{}", rows(top));
    for table in keys.iter().filter(|key| key.is_table()) {
        let prefix = format!("{}.", table.path);
        let is_own = |key: &&Key| {
            !key.is_table() && key.path.strip_prefix(&prefix).is_some_and(|name| !name.contains('.'))
        };
        let mut own = keys.iter().filter(is_own).peekable();
        if own.peek().is_none() {
            continue; // it holds other tables only
        }
        let switch = match table.kind {
            Kind::Table { optional: true } => " Off until it is set.",
            _ => "",
        };
        page += &format!("\n## {}\n\n{}{switch}\n\n{}", table.path, wrapped(&table.meaning, 0), rows(own));
    }
    page
}

fn rows<'k>(keys: impl Iterator<Item = &'k Key>) -> String {
    let mut table = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for key in keys {
        let default = match (&key.default, key.required) {
            (Some(value), _) => format!("`{value}`"),
            (None, true) => "required".to_owned(),
            (None, false) => String::new(),
        };
        let meaning = key.meaning.replace('|', "\\|");
        table += &format!("| `{}` | {} | {default} | {meaning} |\n", key.path, key.kind);
    }
    table
}
