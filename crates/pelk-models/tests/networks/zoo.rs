//! The zoo's models, and which of their options users may change.

use pelk_models::zoo::{self, model, models};
use pelk_models::{MixerConfig, ModelSpec, Network, Position};
use serde_json::{Value, json};

#[test]
fn every_model_makes_a_network_and_lists_its_parameters_once() {
    for model in models() {
        let config = model.configure(3, 10).unwrap();
        let specs = Network::new(config).unwrap().parameters().unwrap();
        let mut names: Vec<_> = specs.iter().map(|spec| &spec.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), specs.len(), "{}", model.name);
    }
}

#[test]
fn the_paper_s_grids_and_channel_counts() {
    let config = model("PeLK-T").unwrap().configure(3, 1000).unwrap();
    let got: Vec<_> = config
        .stages
        .iter()
        .map(|stage| match &stage.mixer {
            MixerConfig::Peripheral(p) => (stage.width, p.channels, p.grid.kernel(), p.grid.cells()),
            other => panic!("PeLK has peripheral kernels, not {other:?}"),
        })
        .collect();
    assert_eq!(got, [(124, 46, 51, 13), (249, 93, 49, 13), (499, 187, 47, 13), (998, 374, 13, 9)]);
}

#[test]
fn a_misspelled_model_gets_the_nearest_name() {
    let message = model("pelk_tt").unwrap_err().to_string();
    assert!(message.contains("\"pelk_t\""), "{message}");
}

fn spec(value: Value) -> Result<ModelSpec, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn options_that_mean_nothing_for_a_form_are_refused() {
    for (name, form) in [
        ("convnext_t", "depthwise"),
        ("slak_t", "stripe"),
        ("replk_t", "dense"),
        ("replknet_31b", "dense"),
        ("inceptionnext_t", "inception"),
    ] {
        let message = spec(json!({ "name": name, "center": 7 })).unwrap_err();
        for part in ["`center`", form, "peripheral kernels do"] {
            assert!(message.contains(part), "{name}: {message}");
        }
    }
    let message = spec(json!({ "name": "pelk_t", "form": "stripe", "position": "in_bounds" })).unwrap_err();
    assert!(message.contains("`position`") && message.contains("`ratio`, `small_kernel`"), "{message}");
    let message = spec(json!({ "name": "pelk_t", "form": "dense", "base": 3 })).unwrap_err();
    assert!(message.contains("`base`") && message.contains("dense kernels have"), "{message}");
    let message = spec(json!({ "name": "pelk_t", "centre": 3 })).unwrap_err();
    assert!(message.contains("unknown field `centre`") && message.contains("`center`"), "{message}");
}

#[test]
fn values_of_another_type_name_their_option() {
    for (key, value) in [
        ("kernels", json!(7)),
        ("center", json!("wide")),
        ("form", json!("round")),
        ("position", json!("left")),
        ("drop_path", json!("much")),
        ("upernet", json!({ "chanels": 3 })),
    ] {
        let message = spec(json!({ "name": "pelk_t", key: value })).unwrap_err();
        assert!(message.contains(&format!("`{key}`")), "{message}");
    }
    assert!(spec(json!({ "drop_path": 0.1 })).unwrap_err().contains("missing field `name`"));
}

#[test]
fn another_form_keeps_the_options_that_it_has_too() {
    let of = |value| zoo::configure(&spec(value).unwrap(), 3, 10).unwrap().stages[0].mixer.clone();
    let MixerConfig::Peripheral(pelk) = of(json!({ "name": "pelk_t" })) else { panic!("PeLK is peripheral") };
    let MixerConfig::Peripheral(dense) = of(json!({ "name": "pelk_t", "form": "dense" })) else { panic!() };
    assert_eq!((dense.channels, dense.position), (pelk.channels, pelk.position));
    assert_eq!(dense.grid.cells(), 51);
    let MixerConfig::Stripe(stripe) = of(json!({ "name": "pelk_t", "form": "stripe" })) else { panic!() };
    assert_eq!((stripe.channels, stripe.width), (pelk.channels, 5));
    // The form takes effect first, in whatever order the keys are written.
    let MixerConfig::Peripheral(slak) = of(json!({ "center": 7, "form": "peripheral", "name": "slak_t" }))
    else {
        panic!()
    };
    assert_eq!((slak.grid.center(), slak.position), (7, Position::None));
    assert!(matches!(
        of(json!({ "name": "pelk_t", "form": "depthwise" })),
        MixerConfig::Depthwise { kernel: 51 }
    ));
}

#[test]
fn files_of_earlier_versions_are_read() {
    for form in ["stripe", "inception"] {
        let old = spec(json!({ "name": "pelk_t", "form": form, "position": "none" })).unwrap();
        assert_eq!(old, spec(json!({ "name": "pelk_t", "form": form })).unwrap());
    }
    assert!(spec(json!({ "name": "convnext_t", "position": "none" })).is_err());
    let old = spec(json!({ "name": "pelk_t", "boxes": "mean" })).unwrap();
    assert_eq!(old, spec(json!({ "name": "pelk_t", "theta_scale": "mean" })).unwrap());
}

#[test]
fn a_specification_writes_what_was_set_and_nothing_else() {
    let value =
        json!({ "name": "pelk_t", "kernels": [9, 9, 9, 9], "drop_path": 0.1, "upernet": { "channels": 64 } });
    let spec = spec(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&spec).unwrap(), value);
    assert_eq!(spec.blueprint().kernels, [9; 4]);
}

#[test]
fn every_option_is_listed_with_its_meaning() {
    let schema = schemars::schema_for!(ModelSpec);
    let fields = schema.get("properties").unwrap().as_object().unwrap();
    for model in models() {
        let options = serde_json::to_value(&model.blueprint).unwrap();
        for key in options.as_object().unwrap().keys() {
            let description = fields.get(key).and_then(|field| field.get("description"));
            assert!(description.is_some_and(|text| text.as_str().unwrap().len() > 10), "{key}");
        }
    }
    let center = fields["center"]["description"].as_str().unwrap();
    assert!(center.ends_with("Forms: peripheral."), "{center}");
}
