//! A model of the zoo with a user's changes.

use super::blueprint::Blueprint;
use super::catalog::model;
use super::form::{DenseForm, DepthwiseForm, Form, InceptionForm, PeripheralForm, StripeForm};
use super::options::Options;
use crate::config::NetworkConfig;
use crate::error::{ModelError, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Options that had another name in earlier versions: the old name and the current one.
const RENAMED: [(&str, &str); 1] = [("boxes", "theta_scale")];

/// A model of the zoo by name, with changes to its options; options that are not set keep the model's values.
///
/// In a file it is a table with the key `name` and the options that were set:
///
/// ```
/// use pelk_models::{ModelSpec, zoo};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = r#"{ "name": "pelk_t", "form": "stripe", "drop_path": 0.2 }"#;
/// let spec: ModelSpec = serde_json::from_str(text)?;
/// assert_eq!(spec, ModelSpec::named("pelk_t")?.with("form", "stripe")?.with("drop_path", 0.2)?);
/// let config = zoo::configure(&spec, 3, 1000)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ModelSpec {
    /// Name in the zoo.
    pub name: String,
    /// The options that were set, by key.
    changes: Options,
    /// The model's options with the changes.
    blueprint: Blueprint,
}

impl ModelSpec {
    /// The model as in the zoo.
    ///
    /// # Errors
    /// When there is no such model.
    pub fn named(name: impl Into<String>) -> Result<ModelSpec> {
        ModelSpec::new(name.into(), Options::default())
    }

    /// This model with another value of one option, by its key in [`Blueprint`] or in the options of its
    /// form.
    ///
    /// # Errors
    /// Same as [`Blueprint::with`].
    pub fn with(self, key: &str, value: impl Serialize) -> Result<ModelSpec> {
        let mut changes = self.changes;
        let value = serde_json::to_value(value)
            .map_err(|error| ModelError::Option { key: key.to_owned(), reason: error.to_string() })?;
        changes.insert(key.to_owned(), value);
        ModelSpec::new(self.name, changes)
    }

    /// The form is set first, since it decides which other options exist.
    fn new(name: String, mut changes: Options) -> Result<ModelSpec> {
        for (old, new) in RENAMED {
            if let Some(value) = changes.remove(old) {
                changes.insert(new.to_owned(), value);
            }
        }
        let mut blueprint = model(&name)?.blueprint;
        let is_form = |key: &&String| *key == "form";
        let keys = changes.keys().filter(is_form).chain(changes.keys().filter(|key| !is_form(key)));
        for key in keys {
            blueprint = blueprint.with(key, changes[key].clone())?;
        }
        Ok(ModelSpec { name, changes, blueprint })
    }

    /// All options of the model, with the changes.
    pub fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }
}

/// Two specifications are equal if they make the same networks, whether or not a value was written out.
impl PartialEq for ModelSpec {
    fn eq(&self, other: &ModelSpec) -> bool {
        (&self.name, &self.blueprint) == (&other.name, &other.blueprint)
    }
}

/// Only what was set is written.
impl Serialize for ModelSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let name = ("name", Value::from(self.name.as_str()));
        let changes = self.changes.iter().map(|(key, value)| (key.as_str(), value.clone()));
        serializer.collect_map([name].into_iter().chain(changes))
    }
}

impl<'de> Deserialize<'de> for ModelSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<ModelSpec, D::Error> {
        let mut changes = Map::<String, Value>::deserialize(deserializer)?;
        let name = changes.remove("name").ok_or_else(|| D::Error::missing_field("name"))?;
        let name = String::deserialize(name).map_err(D::Error::custom)?;
        ModelSpec::new(name, Options(changes)).map_err(D::Error::custom)
    }
}

/// The schemas of a structure's fields by key.
fn fields_of(schema: &Schema) -> Map<String, Value> {
    schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The keys of all models and forms, as written in a file; which of them a model has depends on its form.
impl JsonSchema for ModelSpec {
    fn schema_name() -> Cow<'static, str> {
        "ModelSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let forms = Form::all().map(|form| form.name());
        let mut properties = Map::new();
        properties.insert(
            "name".to_owned(),
            serde_json::json!({ "type": "string", "description": "Name of the model in the zoo." }),
        );
        properties.insert(
            "form".to_owned(),
            serde_json::json!({
                "type": "string",
                "enum": forms,
                "description": "The form of the kernels, which decides which other options exist.",
            }),
        );
        let mut fields = fields_of(&Blueprint::json_schema(generator));
        for form in Form::all() {
            let schema = match form {
                Form::Peripheral(_) => PeripheralForm::json_schema(generator),
                Form::Dense(_) => DenseForm::json_schema(generator),
                Form::Stripe(_) => StripeForm::json_schema(generator),
                Form::Inception(_) => InceptionForm::json_schema(generator),
                Form::Depthwise(_) => DepthwiseForm::json_schema(generator),
            };
            // The first form's description serves all forms that share the option. A form's default is not
            // its models'.
            for (key, mut field) in fields_of(&schema) {
                if let Value::Object(field) = &mut field {
                    field.remove("default");
                }
                fields.entry(key).or_insert(field);
            }
        }
        for (key, field) in &mut fields {
            let owners: Vec<_> =
                Form::all().iter().filter(|form| form.options().contains_key(key)).map(Form::name).collect();
            if let (false, Some(Value::String(description))) =
                (owners.is_empty(), field.get_mut("description"))
            {
                let end = if description.ends_with('.') { "" } else { "." };
                description.push_str(&format!("{end} Forms: {}.", owners.join(", ")));
            }
        }
        properties.extend(fields);
        json_schema!({
            "type": "object",
            "properties": properties,
            "required": ["name"],
            "additionalProperties": false,
        })
    }
}

/// The configuration of the network that `spec` describes, for images of `in_channels` channels.
///
/// # Errors
/// When a value makes no network.
pub fn configure(spec: &ModelSpec, in_channels: usize, classes: usize) -> Result<NetworkConfig> {
    spec.blueprint.build(model(&spec.name)?.name, in_channels, classes)
}
