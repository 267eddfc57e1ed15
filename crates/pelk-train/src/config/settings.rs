//! Settings of single keys: `key.path=value`.

use super::error::ConfigError;
use toml::{Table, Value};

/// More parts than any key has. Nested tables are walked recursively, which without a limit could overflow
/// the stack.
const DEEPEST: usize = 16;

/// Sets `key.path=value` in a table. The value is TOML; what does not parse as TOML is taken as text, so that
/// quotes are not needed on the command line. Without a value, the key is removed.
pub(super) fn set(table: &mut Table, setting: &str) -> Result<(), ConfigError> {
    let (path, text) = setting.split_once('=').ok_or(ConfigError::Form)?;
    let value = match format!("value = {text}").parse::<Table>() {
        Ok(mut parsed) if parsed.len() == 1 => parsed.remove("value"),
        _ => None,
    };
    let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let last = keys.pop().filter(|key| !key.is_empty()).ok_or(ConfigError::EmptyKey)?;
    if keys.len() > DEEPEST {
        return Err(ConfigError::Deep { parts: keys.len() + 1, most: DEEPEST });
    }
    let mut place = table;
    for key in keys {
        let next = place.entry(key).or_insert_with(|| Value::Table(Table::new()));
        place = next.as_table_mut().ok_or_else(|| ConfigError::NotATable { key: key.to_owned() })?;
    }
    if text.trim().is_empty() {
        let removed = place.remove(last).map(drop);
        return removed.ok_or_else(|| ConfigError::NotSet { key: path.trim().to_owned() });
    }
    place.insert(last.to_owned(), value);
    Ok(())
}
