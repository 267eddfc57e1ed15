//! Configurations are stored, read back in all their older spellings, and refused if they are not valid.

use pelk_models::{InceptionConfig, MixerConfig, NetworkConfig, ThetaScale, zoo};

#[test]
fn a_configuration_from_before_there_were_families_is_read() {
    let config = zoo::model("convnext_atto").unwrap().configure(1, 10).unwrap();
    let mut json = serde_json::to_value(&config).unwrap();
    assert!(json["stages"][0].get("mlp_ratio").is_none(), "{json}");
    json.as_object_mut().unwrap().remove("family").unwrap();
    assert_eq!(serde_json::from_value::<NetworkConfig>(json).unwrap(), config);
}

#[test]
fn the_older_names_of_keys_are_read() {
    for name in ["pelk_atto", "inceptionnext_atto", "replknet_atto"] {
        let mut config = zoo::model(name).unwrap().configure(1, 10).unwrap();
        if let MixerConfig::Peripheral(peripheral) = &mut config.stages[0].mixer {
            peripheral.theta_scale = ThetaScale::Mean;
        }
        let new = serde_json::to_string(&config).unwrap();
        let peripheral = new.contains("theta_scale");
        let old = new.replace("\"family\"", "\"skeleton\"").replace("\"theta_scale\"", "\"boxes\"");
        assert!(old.contains("skeleton") && old.contains("boxes") == peripheral, "{old}");
        assert_eq!(serde_json::from_str::<NetworkConfig>(&old).unwrap(), config, "{old}");
    }
}

#[test]
fn every_configuration_survives_being_stored() {
    for model in zoo::models() {
        let config = model.configure(3, 10).unwrap();
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<NetworkConfig>(&json).unwrap(), config, "{json}");
    }
}

#[test]
fn bands_that_leave_no_channel_to_pass_are_refused() {
    let mut config = zoo::model("inceptionnext_atto").unwrap().configure(1, 10).unwrap();
    for (channels, square, field) in
        [(11, 3, "ratio"), (0, 3, "ratio"), (usize::MAX, 3, "ratio"), (4, 2, "small")]
    {
        config.stages[0].mixer = MixerConfig::Inception(InceptionConfig { square, band: 11, channels });
        let message = config.validate().unwrap_err().to_string();
        assert!(message.contains(field), "{channels}, {square}: {message}");
    }
    config.stages[0].mixer = MixerConfig::Inception(InceptionConfig { square: 3, band: 11, channels: 10 });
    config.validate().unwrap();
    config.stages[0].mlp_ratio = Some(0);
    assert!(config.validate().unwrap_err().to_string().contains("mlp_ratio"));
}
