//! Counted parameters and multiply-adds match the papers and the published code.

use pelk_models::cost::{PaperRules, Part, PartCost, count, parts};
use pelk_models::zoo::{Model, PaperNumbers, Task, configure, models};
use pelk_models::{ModelSpec, Network, ThetaScale};

fn total(model: &Model, printed: &PaperNumbers) -> PartCost {
    let PaperNumbers { task, size, .. } = *printed;
    let network = Network::new(model.configure_for(task, 3, task.classes()).unwrap()).unwrap();
    let rules = PaperRules { density: model.density, runs_small_kernels: task.runs_small_kernels() };
    count(&network, size, rules).unwrap().total()
}

/// The error that the printed digits allow.
fn close(actual: f64, printed: f64) -> bool {
    (actual / printed - 1.0).abs() < 0.015
}

#[test]
fn factors_of_means_cost_what_taps_cost() {
    let [sums, means] = [ThetaScale::Sum, ThetaScale::Mean].map(|theta_scale| {
        let spec = ModelSpec::named("pelk_atto").unwrap().with("theta_scale", theta_scale).unwrap();
        let network = Network::new(configure(&spec, 3, 10).unwrap()).unwrap();
        count(&network, [28, 28], PaperRules::PLAIN).unwrap()
    });
    assert_eq!(sums, means);
}

#[test]
fn the_parts_hold_every_trained_parameter_as_they_are_counted() {
    for model in models() {
        let network = Network::new(model.configure(3, 10).unwrap()).unwrap();
        let side = network.config().smallest_input();
        let counted = count(&network, [side, side], PaperRules::PLAIN).unwrap();
        let parts = parts(&network).unwrap();
        for part in Part::ALL {
            let values = parts.iter().filter(|(_, of)| *of == part);
            let sum: usize = values.map(|(spec, _)| spec.shape.elements()).sum();
            assert_eq!(sum as u64, counted.part(part).params, "{}: {}", model.name, part.name());
        }
    }
}

#[test]
fn parameters_agree_with_the_papers() {
    for model in models() {
        for printed in model.paper {
            let millions = total(&model, printed).params_paper / 1e6;
            assert!(close(millions, printed.params_m), "{}: {millions} M, not {printed:?}", model.name);
        }
    }
}

#[test]
fn multiply_adds_agree_with_the_papers_but_for_three_cells() {
    for model in models() {
        for printed in model.paper {
            let total = total(&model, printed);
            let extra = if printed.task.counts_like_mmcv() { total.mmcv_extra } else { 0 };
            let thousands = (total.macs_paper + extra as f64) / 1e9;
            // For T and S at 224 the papers print up to 0.2 less than is counted here (PeLK: 5.6 and 10.7
            // instead of 5.8 and 10.9), while PeLK's own numbers at 2048 x 512 follow from this count; SLaK-S
            // is within the bound.
            let known =
                ["pelk_t", "pelk_s", "slak_t"].contains(&model.name) && printed.task == Task::ImageNet;
            assert_eq!(
                close(thousands, printed.macs_g),
                !known,
                "{}: {thousands} G, {printed:?}",
                model.name
            );
        }
    }
}

#[test]
fn rivals_with_families_of_their_own_cost_what_the_published_code_costs() {
    // All parameters, and the multiply-adds of all convolutions and linear layers but RepLKNet's small
    // kernels, counted on the published PyTorch code (sail-sg/inceptionnext 3f9769c,
    // DingXiaoH/RepLKNet-pytorch b76808a).
    for (name, size, params, macs) in [
        ("inceptionnext_t", 224, 28_055_680, 4_188_634_272),
        ("inceptionnext_s", 224, 49_374_016, 8_355_682_080),
        ("inceptionnext_b", 224, 86_672_136, 14_841_072_000),
        ("inceptionnext_b", 384, 86_672_136, 43_602_524_160),
        ("replknet_31b", 224, 79_864_168, 15_353_525_248),
        ("replknet_31b", 384, 79_864_168, 45_118_578_688),
    ] {
        let config = configure(&ModelSpec::named(name).unwrap(), 3, 1000).unwrap();
        let total = count(&Network::new(config).unwrap(), [size, size], PaperRules::PLAIN).unwrap().total();
        assert_eq!((total.params, total.macs_paper as u64), (params, macs), "{name} at {size}");
    }
}

#[test]
fn every_part_of_a_family_is_counted_as_what_it_is() {
    let parts = |name| {
        let config = configure(&ModelSpec::named(name).unwrap(), 3, 10).unwrap();
        let cost = count(&Network::new(config).unwrap(), [28, 28], PaperRules::PLAIN).unwrap();
        [Part::Stem, Part::Downsampling, Part::LargeKernel, Part::Normalization]
            .map(|part| cost.part(part).params)
    };
    // By hand, from the shapes of three stages of two blocks, 32-64-128 channels.
    let inception_kernels = |band: u64, part: u64| part * (3 * 3 + 1 + 2 * (band + 1));
    assert_eq!(
        parts("inceptionnext_atto"),
        [
            32 * 27 + 32,
            64 * 32 * 4 + 64 + 128 * 64 * 4 + 128,
            2 * (inception_kernels(11, 4) + inception_kernels(11, 8) + inception_kernels(5, 16)),
            // The stem's BatchNorm, those before downsampling, a BatchNorm and a layer scale per block.
            2 * 32 + 2 * (32 + 64) + 2 * 3 * (32 + 64 + 128),
        ]
    );
    assert_eq!(
        parts("replknet_atto"),
        [
            32 * 27 + 32 * 9 + 32 * 32 + 32 * 9,
            64 * 32 + 64 * 9 + 128 * 64 + 128 * 9,
            2 * (27 * 27 * 32 + 13 * 13 * 64 + 5 * 5 * 128),
            // Stem, transitions, ten widths per block (the one four times as wide counts as four), the
            // classifier's.
            2 * (4 * 32 + 2 * (64 + 128) + 2 * 10 * (32 + 64 + 128) + 128),
        ]
    );
}

#[test]
fn pelk_with_upernet_agrees_to_the_printed_digit() {
    let pelk = models().into_iter().filter(|model| model.name.starts_with("pelk"));
    let mut compared = 0;
    for model in pelk {
        for printed in model.paper.iter().filter(|printed| printed.task == Task::Ade20k) {
            let total = total(&model, printed);
            assert_eq!((total.macs_paper / 1e9).round(), printed.macs_g, "{}", model.name);
            assert_eq!((total.params_paper / 1e6).round(), printed.params_m, "{}", model.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 4);
}

#[test]
fn cascade_mask_rcnn_agrees_to_the_printed_digit_with_what_mmcv_adds() {
    let mut compared = Vec::new();
    for model in models() {
        for printed in model.paper.iter().filter(|printed| printed.task == Task::Coco) {
            let total = total(&model, printed);
            let macs = [total.macs_paper, total.macs_paper + total.mmcv_extra as f64].map(|macs| macs / 1e9);
            assert_eq!(macs[1].round(), printed.macs_g, "{}: {macs:?}", model.name);
            assert_eq!((total.params_paper / 1e6).round(), printed.params_m, "{}", model.name);
            // Counted on the published PyTorch code of ConvNeXt.
            if model.name == "convnext_t" {
                assert!((macs[0] - 740.155).abs() < 1e-3 && (macs[1] - 740.693).abs() < 1e-3, "{macs:?}");
            }
            compared.push(model.name);
        }
    }
    let models =
        ["convnext_t", "convnext_s", "convnext_b", "pelk_t", "pelk_s", "pelk_b", "pelk_b_101", "slak_b"];
    compared.sort_unstable();
    let mut expected = models.to_vec();
    expected.sort_unstable();
    assert_eq!(compared, expected);
}
