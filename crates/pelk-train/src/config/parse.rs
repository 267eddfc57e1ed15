//! Reading a configuration from TOML and settings, and writing it.

use super::error::{ConfigError, Origin};
use super::types::TrainConfig;
use super::{refusal, settings};
use crate::error::{Result, TrainError};
use toml::Table;

impl TrainConfig {
    /// Reads a configuration and applies `key.path=value` settings to it; `origin` names it in errors. A
    /// setting's value is TOML, or else text; without a value, its key gets its default back.
    ///
    /// # Errors
    /// When the text or a setting does not parse, a key is unknown or a value has the wrong type.
    pub fn parse(origin: &str, text: &str, settings: &[String]) -> Result<TrainConfig> {
        let refuse = |source| refused(Origin::Text(origin.to_owned()), source);
        let syntax = |error: toml::de::Error| refuse(ConfigError::Syntax(error.to_string()));
        let table: Table = text.parse().map_err(syntax)?;
        let config = refusal::read(&table).map_err(refuse)?;
        let config = if settings.is_empty() { config } else { with_settings(table, settings)? };
        config.validate()?;
        Ok(config)
    }

    /// The configuration as TOML, with every value written out.
    ///
    /// # Errors
    /// When a value cannot be written as TOML; none of these types has such values.
    pub fn to_toml(&self) -> Result<String> {
        let refuse = |error: toml::ser::Error| {
            refused(Origin::Text("the configuration".into()), ConfigError::Other(error.to_string()))
        };
        toml::to_string(self).map_err(refuse)
    }
}

/// Applies settings together, since one may need a later one. If they fail, the error names the first that
/// fails.
fn with_settings(table: Table, settings: &[String]) -> Result<TrainConfig> {
    let set = |table: &mut Table, setting: &String| {
        settings::set(table, setting).map_err(|source| refused(Origin::Setting(setting.clone()), source))
    };
    let mut changed = table.clone();
    settings.iter().try_for_each(|setting| set(&mut changed, setting))?;
    refusal::read(&changed).or_else(|reason| {
        let mut changed = table;
        for setting in settings {
            set(&mut changed, setting)?;
            refusal::read(&changed).map_err(|source| refused(Origin::Setting(setting.clone()), source))?;
        }
        // The last setting produced the table that was rejected above.
        Err(refused(Origin::Text("the settings".to_owned()), reason))
    })
}

fn refused(origin: Origin, source: ConfigError) -> TrainError {
    TrainError::Configuration { origin, source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "model.name = \"pelk_atto\"\ndata.dataset = \"fashion-mnist\"\n";

    fn parse(settings: &[&str]) -> Result<TrainConfig> {
        TrainConfig::parse("test", TEXT, &settings.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn settings_reach_every_level() {
        let config = parse(&[
            "seed=7",
            "optimizer.learning_rate=1e-3",
            "model.position=none",
            "model.kernels=[9,9,5]",
        ]);
        let config = config.unwrap();
        assert_eq!((config.seed, config.optimizer.learning_rate), (7, 1e-3));
        assert_eq!(config.model.blueprint().kernels, [9, 9, 5]);
    }

    #[test]
    fn settings_take_effect_together() {
        let config = parse(&["model.name=slak_atto", "model.center=7", "model.form=peripheral"]).unwrap();
        assert_eq!(config.model.blueprint().form.name(), "peripheral");
        let (origin, error) = refused(&["seed=1", "model.form=stripe", "model.center=7"]);
        assert_eq!(origin, Origin::Setting("model.center=7".to_owned()));
        assert!(error.to_string().contains("stripe kernels do not have this option"), "{error}");
    }

    #[test]
    fn the_written_configuration_reads_back() {
        let config = parse(&["model.drop_path=0.1", "loss.label_smoothing=0.05"]).unwrap();
        assert_eq!(TrainConfig::parse("again", &config.to_toml().unwrap(), &[]).unwrap(), config);
    }

    #[test]
    fn the_recipe_of_imagenet_reads_and_writes() {
        let settings = [
            "data.mix={mixup_alpha=0.8,cutmix_alpha=1.0}",
            "data.augmentation={resized_crop={size=192},rand_augment={},crop_padding=0}",
            "data.augmentation.rand_augment.magnitude=7",
            "data.evaluation={size=224}",
        ];
        let config = parse(&settings).unwrap();
        assert_eq!(config.data.augmentation.output_size(None), Some([192, 192]));
        assert_eq!(config.data.augmentation.rand_augment.as_ref().unwrap().magnitude, 7.0);
        assert_eq!(config.data.evaluation.as_ref().unwrap().crop_ratio, 0.875);
        assert!(config.data.mix.is_on() && !parse(&[]).unwrap().data.mix.is_on());
        assert_eq!(TrainConfig::parse("again", &config.to_toml().unwrap(), &[]).unwrap(), config);
        for (setting, text) in [
            ("data.mix.probability=2", "probability is 2.0"),
            ("data.evaluation.crop_ratio=0", "evaluation.crop_ratio is 0.0"),
            ("data.augmentation.color_jitter=0.4", "color_jitter is 0.4, but must be 0 with `rand_augment`"),
            ("data.mix.alpha=1", "no key `data.mix.alpha`"),
        ] {
            let message = parse(&[&settings[..], &[setting]].concat()).unwrap_err().to_string();
            assert!(message.contains(text), "{message}");
        }
    }

    #[test]
    fn a_key_without_a_value_has_its_default_again() {
        let config = parse(&["data.evaluation={size=96}", "seed=7", "data.evaluation=", "seed= "]).unwrap();
        assert_eq!(config, parse(&[]).unwrap());
        let message = parse(&["data.evaluatoin="]).unwrap_err().to_string();
        assert!(message.contains("data.evaluatoin=") && message.contains("no value to remove"), "{message}");
        let message = parse(&["model.name="]).unwrap_err().to_string();
        assert!(message.contains("`model.name` is missing"), "{message}");
    }

    fn refused(settings: &[&str]) -> (Origin, ConfigError) {
        match parse(settings) {
            Err(TrainError::Configuration { origin, source }) => (origin, *source),
            other => panic!("{settings:?}: {other:?}"),
        }
    }

    #[test]
    fn an_unknown_key_gets_the_nearest_right_one() {
        for (setting, found, suggestion) in [
            ("optimizer.learning_rat=1", "optimizer.learning_rat", "optimizer.learning_rate"),
            ("learning_rate=1", "learning_rate", "optimizer.learning_rate"),
            ("optimiser.eps=1", "optimiser.eps", "optimizer.eps"),
            ("optimizer.layer_decay.rat=1", "optimizer.layer_decay.rat", "optimizer.layer_decay.rate"),
            ("data.evaluation.crop=1", "data.evaluation.crop", ""),
        ] {
            let (origin, error) = refused(&[setting]);
            assert_eq!(origin, Origin::Setting(setting.to_owned()));
            let suggestions = Vec::from_iter((!suggestion.is_empty()).then(|| suggestion.to_owned()));
            assert_eq!(error, ConfigError::UnknownKey { key: found.to_owned(), suggestions });
        }
        let message = parse(&["lr=1"]).unwrap_err().to_string();
        assert_eq!(message, "`lr=1`: there is no key `lr`: did you mean `optimizer.learning_rate`?");
    }

    #[test]
    fn a_value_of_another_type_is_shown_with_its_key_and_the_right_type() {
        for (setting, key, found, expected) in [
            ("batch.size=many", "batch.size", "\"many\"", "a whole number"),
            ("batch.size=-1", "batch.size", "-1", "a whole number"),
            ("batch.size=1.5", "batch.size", "1.5", "a whole number"),
            ("batch.recompute=1", "batch.recompute", "1", "true or false"),
            ("model.kernels=[9, \"x\"]", "model.kernels", "[9, \"x\"]", "a list of whole numbers"),
            ("data.augmentation.fit=[1]", "data.augmentation.fit", "[1]", "a list of 2 whole numbers"),
            ("optimizer.algorithm=adam", "optimizer.algorithm", "\"adam\"", "one of adamw, sgd"),
            ("data.evaluation=3", "data.evaluation", "3", "a table"),
        ] {
            let (_, error) = refused(&[setting]);
            let ConfigError::Type { key: k, found: f, expected: e, suggestions } = error else {
                panic!("{setting}: {error}")
            };
            assert_eq!((&*k, &*f, e.to_string().as_str()), (key, found, expected), "{setting}");
            assert!(suggestions.is_empty(), "{setting}: {suggestions:?}");
        }
        let (_, error) = refused(&["optimizer=sgd"]);
        let text = "`optimizer` is \"sgd\", must be a table: did you mean `optimizer.algorithm`?";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn bad_values_name_their_key() {
        let deep = format!("{}a=1", "a.".repeat(100_000));
        for (setting, key) in [
            (deep.as_str(), "has 100001 parts"),
            ("batch.size=0", "batch.size"),
            ("optimizer.beta1=1.5", "optimizer.beta1"),
            ("schedule.warmup_epochs=99", "schedule.warmup_epochs"),
            ("loss.label_smoothing=nan", "loss.label_smoothing"),
            ("batch.size=many", "size"),
            ("seed", "key.path=value"),
            ("=1", "empty"),
            ("seed.deep=1", "seed"),
        ] {
            let message = parse(&[setting]).unwrap_err().to_string();
            assert!(message.contains(key), "{setting}: {message}");
        }
    }
}
