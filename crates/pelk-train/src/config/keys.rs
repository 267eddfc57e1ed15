//! Every configuration key with its type, default and meaning, taken from the configuration's types and their
//! doc comments.

use super::kind::Kind;
use super::types::TrainConfig;
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use toml::Value;

/// One key of [`TrainConfig`].
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Dotted path, such as `optimizer.learning_rate`.
    pub path: String,
    /// The values that it takes.
    pub kind: Kind,
    /// Its value if not given; `None` for tables, for required keys, and if leaving it out switches something
    /// off or leaves the choice to the model.
    pub default: Option<Value>,
    /// Whether it is required.
    pub required: bool,
    /// Its meaning: the doc comment on one line, in Markdown.
    pub meaning: String,
}

/// All keys and tables, sorted by path.
pub fn keys() -> Vec<Key> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = Json::from(settings.into_generator().into_root_schema_for::<TrainConfig>());
    let mut keys = Vec::new();
    add_keys("", &parts(&schema), &mut keys);
    keys
}

impl Key {
    /// Whether it has keys of its own.
    pub fn is_table(&self) -> bool {
        matches!(self.kind, Kind::Table { .. })
    }

    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// The default as TOML, "required" or "none".
    pub fn default_text(&self) -> String {
        match &self.default {
            Some(value) => value.to_string(),
            None if self.required => "required".to_owned(),
            None => "none".to_owned(),
        }
    }
}

/// A schema and its alternatives: the variants of an enum, the value of an option.
fn parts(schema: &Json) -> Vec<&Json> {
    let nested = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|word| schema[word].as_array()).flatten();
    std::iter::once(schema).chain(nested.flat_map(parts)).collect()
}

/// Adds the keys of the table that `table` describes.
fn add_keys(prefix: &str, table: &[&Json], keys: &mut Vec<Key>) {
    // A key of several variants of an enum is listed once.
    let mut children: BTreeMap<&String, Vec<&Json>> = BTreeMap::new();
    for (name, schema) in table.iter().filter_map(|part| part["properties"].as_object()).flatten() {
        children.entry(name).or_default().extend(parts(schema));
    }
    for (name, child) in children {
        let path = format!("{prefix}{name}");
        let find = |word: &str| child.iter().map(|part| &part[word]).find(|value| !value.is_null());
        let required = table
            .iter()
            .filter_map(|part| part["required"].as_array())
            .any(|required| required.contains(&name.as_str().into()));
        let kind = match kind(&child) {
            Kind::Table { .. } => Kind::Table { optional: !required && find("default").is_none() },
            kind => kind,
        };
        keys.push(Key {
            path: path.clone(),
            default: find("default").and_then(|value| default(value, &child)),
            required,
            meaning: find("description").and_then(Json::as_str).map(plain).unwrap_or_default(),
            kind,
        });
        add_keys(&format!("{path}."), &child, keys);
    }
}

fn kind(schema: &[&Json]) -> Kind {
    let mut names: Vec<String> = Vec::new();
    for part in schema {
        let listed = part["enum"].as_array().into_iter().flatten();
        names.extend(listed.chain([&part["const"]]).filter_map(Json::as_str).map(str::to_owned));
    }
    names.dedup();
    if !names.is_empty() {
        return Kind::OneOf(names);
    }
    // The type of an option is a list with "null" in it.
    let types = schema.iter().flat_map(|part| match &part["type"] {
        Json::Array(types) => types.iter().collect(),
        other => vec![other],
    });
    let found = types.filter_map(Json::as_str).find(|name| *name != "null");
    match found {
        Some("integer") => Kind::Whole,
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Bool,
        Some("array") => {
            let list = schema.iter().find(|part| !part["items"].is_null());
            let len = list.filter(|list| list["minItems"] == list["maxItems"]);
            let items = list.map(|list| parts(&list["items"])).unwrap_or_default();
            Kind::List { of: Box::new(kind(&items)), len: len.and_then(|list| list["minItems"].as_u64()) }
        }
        Some("object") => Kind::Table { optional: false },
        None if schema.iter().any(|part| part["properties"].is_object()) => Kind::Table { optional: false },
        _ => Kind::Text,
    }
}

/// A default as TOML. JSON has no single precision: it stores 0.1 as 0.10000000149011612.
fn default(value: &Json, schema: &[&Json]) -> Option<Value> {
    if value.is_object() {
        return None;
    }
    let mut value = Value::try_from(value).ok()?;
    if schema.iter().any(|part| part["format"] == "float") || !matches!(value, Value::Float(_)) {
        shorten(&mut value);
    }
    Some(value)
}

/// Writes every number that is one in single precision with the fewest digits.
fn shorten(value: &mut Value) {
    match value {
        Value::Float(number) if f64::from(*number as f32) == *number => {
            *number = (*number as f32).to_string().parse().unwrap_or(*number);
        }
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Table(values) => values.iter_mut().for_each(|(_, value)| shorten(value)),
        _ => {}
    }
}

/// A doc comment on one line, without rustdoc's markup.
fn plain(comment: &str) -> String {
    let words: Vec<&str> = comment.split_whitespace().collect();
    words.join(" ").replace("[`", "`").replace("`]", "`").replace("\\[", "[").replace("\\]", "]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> Key {
        keys().into_iter().find(|key| key.path == path).unwrap_or_else(|| panic!("no key {path}"))
    }

    #[test]
    fn every_key_has_a_meaning() {
        let keys = keys();
        assert!(keys.len() > 60, "{} keys", keys.len());
        for key in keys {
            assert!(!key.meaning.is_empty(), "`{}` has no doc comment", key.path);
        }
    }

    #[test]
    fn types_and_defaults_are_those_of_the_code() {
        for (path, kind, default) in [
            ("seed", "a whole number", "0"),
            ("model.name", "text", "required"),
            ("model.kernels", "a list of whole numbers", "none"),
            ("model.grids", "a list of texts", "none"),
            ("model.upernet.pools", "a list of whole numbers", "[1, 2, 3, 6]"),
            ("batch.recompute", "true or false", "false"),
            ("loss.label_smoothing", "a number", "0.1"),
            ("optimizer.algorithm", "one of adamw, sgd", "\"adamw\""),
            ("optimizer.layer_decay.groups", "one of stages, blocks", "\"stages\""),
            ("data.evaluation", "a table", "none"),
            ("data.evaluation.size", "a whole number", "224"),
            ("data.augmentation.fit", "a list of 2 whole numbers", "[0, 0]"),
            ("data.augmentation.scale", "a list of 2 numbers", "[1.0, 1.0]"),
            ("data.augmentation.rand_augment.magnitude", "a number", "9.0"),
        ] {
            let key = key(path);
            assert_eq!((key.kind.to_string(), key.default_text()), (kind.into(), default.into()), "{path}");
        }
    }

    #[test]
    fn every_default_is_of_its_key_s_kind() {
        for key in keys() {
            assert!(key.default.as_ref().is_none_or(|value| key.kind.accepts(value)), "{key:?}");
        }
    }

    #[test]
    fn every_value_of_a_written_configuration_has_a_key_of_its_kind() {
        let text = "model = { name = \"pelk_atto\", kernels = [9, 7, 5], position = \"none\", upernet = {} }\n\
                    data = { dataset = \"scenes\", evaluation = {}, augmentation.rand_augment = {} }\n";
        let written = TrainConfig::parse("test", text, &[]).unwrap().to_toml().unwrap();
        let mut tables = vec![(String::new(), written.parse::<toml::Table>().unwrap())];
        while let Some((prefix, table)) = tables.pop() {
            for (name, value) in table {
                let path = format!("{prefix}{name}");
                assert!(key(&path).kind.accepts(&value), "{path} = {value}");
                if let Value::Table(table) = value {
                    tables.push((format!("{path}."), table));
                }
            }
        }
    }
}
