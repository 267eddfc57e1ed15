//! Errors of the library about configurations, in terms of the command line, which the library does not know.

use crate::invocation::Advice;
use crate::options::known_elsewhere;
use anyhow::Error;
use pelk_train::{ConfigError, Origin, TrainError};

/// The error's text; a refused setting is shown as its option.
pub fn told(error: &Error) -> String {
    let Some(TrainError::Configuration { origin, source }) = error.downcast_ref() else {
        return error.to_string();
    };
    let mut text = match origin {
        Origin::Setting(setting) => format!("--set {setting}: {source}"),
        Origin::Text(name) => format!("{name}: {source}"),
    };
    if let ConfigError::UnknownKey { key, suggestions } = &**source {
        let last = key.rsplit('.').next().unwrap_or_default();
        match known_elsewhere(last).filter(|_| suggestions.is_empty()) {
            Some(option) => text += &format!("; use the option {option}"),
            None => text += &format!("\n`{}` lists all keys", Advice::new("keys")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_train::TrainConfig;

    fn refused(setting: &str) -> String {
        let text = "model.name = \"pelk_atto\"\ndata.dataset = \"mnist\"";
        told(&TrainConfig::parse("x.toml", text, &[setting.to_owned()]).unwrap_err().into())
    }

    #[test]
    fn refused_settings_are_shown_as_options() {
        assert_eq!(
            refused("lr=1"),
            "--set lr=1: there is no key `lr`: did you mean `optimizer.learning_rate`?\n\
             `pelk keys` lists all keys"
        );
        assert_eq!(
            refused("workers=1"),
            "--set workers=1: there is no key `workers`; use the option --loaders"
        );
        assert_eq!(
            refused("batch.size=big"),
            "--set batch.size=big: `batch.size` is \"big\", must be a whole number"
        );
        let text = told(&TrainConfig::parse("x.toml", "[train]\nteacher = 1", &[]).unwrap_err().into());
        assert_eq!(text, "x.toml: there is no key `train.teacher`\n`pelk keys` lists all keys");
    }
}
