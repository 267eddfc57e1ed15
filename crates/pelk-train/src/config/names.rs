//! Finds the key that a user meant by an unknown name.

use super::keys::keys;
use strsim::damerau_levenshtein;

/// Other tools' names (timm, PyTorch Lightning, Hugging Face, MMSegmentation, torchvision's scripts) for our
/// keys. Names that are the last part of a key are found without this table.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("lr", &["optimizer.learning_rate"]),
    ("base_lr", &["optimizer.learning_rate"]),
    ("max_lr", &["optimizer.learning_rate"]),
    ("min_lr", &["schedule.final_fraction"]),
    ("wd", &["optimizer.weight_decay"]),
    ("decay_rate", &["optimizer.layer_decay.rate"]),
    ("layer_decay", &["optimizer.layer_decay.rate"]),
    ("opt", &["optimizer.algorithm"]),
    ("optim", &["optimizer.algorithm"]),
    ("optimizer", &["optimizer.algorithm"]),
    ("opt_eps", &["optimizer.eps"]),
    ("epsilon", &["optimizer.eps"]),
    ("adam_epsilon", &["optimizer.eps"]),
    ("betas", &["optimizer.beta1", "optimizer.beta2"]),
    ("opt_betas", &["optimizer.beta1", "optimizer.beta2"]),
    ("adam_beta1", &["optimizer.beta1"]),
    ("adam_beta2", &["optimizer.beta2"]),
    ("clip_grad", &["optimizer.clip_norm"]),
    ("grad_clip", &["optimizer.clip_norm"]),
    ("max_grad_norm", &["optimizer.clip_norm"]),
    ("gradient_clip_val", &["optimizer.clip_norm"]),
    ("sched", &["schedule.decay"]),
    ("scheduler", &["schedule.decay"]),
    ("lr_scheduler", &["schedule.decay"]),
    ("lr_scheduler_type", &["schedule.decay"]),
    ("schedule", &["schedule.decay"]),
    ("epoch", &["schedule.epochs"]),
    ("num_epochs", &["schedule.epochs"]),
    ("max_epochs", &["schedule.epochs"]),
    ("num_train_epochs", &["schedule.epochs"]),
    ("iters", &["schedule.steps"]),
    ("iterations", &["schedule.steps"]),
    ("max_iters", &["schedule.steps"]),
    ("max_steps", &["schedule.steps"]),
    ("warmup", &["schedule.warmup_epochs"]),
    ("warmup_iters", &["schedule.warmup_steps"]),
    ("eval_steps", &["schedule.evaluate_every"]),
    ("eval_interval", &["schedule.evaluate_every"]),
    ("val_check_interval", &["schedule.evaluate_every"]),
    ("batch", &["batch.size"]),
    ("bs", &["batch.size"]),
    ("batch_size", &["batch.size"]),
    ("train_batch_size", &["batch.size"]),
    ("per_device_train_batch_size", &["batch.size"]),
    ("eval_batch_size", &["batch.evaluation_size"]),
    ("val_batch_size", &["batch.evaluation_size"]),
    ("test_batch_size", &["batch.evaluation_size"]),
    ("validation_batch_size", &["batch.evaluation_size"]),
    ("grad_accum", &["batch.accumulation"]),
    ("grad_accum_steps", &["batch.accumulation"]),
    ("accum_iter", &["batch.accumulation"]),
    ("update_freq", &["batch.accumulation"]),
    ("accumulate_grad_batches", &["batch.accumulation"]),
    ("gradient_accumulation", &["batch.accumulation"]),
    ("gradient_accumulation_steps", &["batch.accumulation"]),
    ("grad_checkpointing", &["batch.recompute"]),
    ("gradient_checkpointing", &["batch.recompute"]),
    ("use_checkpoint", &["batch.recompute"]),
    ("amp", &["batch.float16"]),
    ("use_amp", &["batch.float16"]),
    ("fp16", &["batch.float16"]),
    ("half", &["batch.float16"]),
    ("mixed_precision", &["batch.float16"]),
    ("precision", &["batch.float16"]),
    ("smoothing", &["loss.label_smoothing"]),
    ("mixup", &["data.mix.mixup_alpha"]),
    ("cutmix", &["data.mix.cutmix_alpha"]),
    ("mix", &["data.mix.mixup_alpha", "data.mix.cutmix_alpha"]),
    ("mixup_prob", &["data.mix.probability"]),
    ("mixup_switch_prob", &["data.mix.switch_probability"]),
    ("reprob", &["data.augmentation.erasing_probability"]),
    ("random_erase", &["data.augmentation.erasing_probability"]),
    ("random_erasing", &["data.augmentation.erasing_probability"]),
    ("flip", &["data.augmentation.flip_probability", "inference.flip"]),
    ("hflip", &["data.augmentation.flip_probability"]),
    ("aa", &["data.augmentation.rand_augment"]),
    ("auto_augment", &["data.augmentation.rand_augment"]),
    ("randaugment", &["data.augmentation.rand_augment"]),
    ("img_size", &["data.augmentation.resized_crop.size", "data.evaluation.size"]),
    ("image_size", &["data.augmentation.resized_crop.size", "data.evaluation.size"]),
    ("input_size", &["data.augmentation.resized_crop.size", "data.evaluation.size"]),
    ("resolution", &["data.augmentation.resized_crop.size", "data.evaluation.size"]),
    ("crop_pct", &["data.evaluation.crop_ratio"]),
    ("data", &["data.dataset"]),
    ("data_set", &["data.dataset"]),
    ("tta", &["inference.flip", "inference.scales"]),
    ("ema", &["ema.decay"]),
    ("use_ema", &["ema.decay"]),
    ("model_ema", &["ema.decay"]),
    ("ema_decay", &["ema.decay"]),
    ("model_ema_decay", &["ema.decay"]),
    ("sparse", &["sparsity.sparsity"]),
    ("model", &["model.name"]),
    ("arch", &["model.name"]),
    ("model_name", &["model.name"]),
    ("kernel", &["model.kernels"]),
    ("kernel_size", &["model.kernels"]),
    ("drop", &["model.drop_path"]),
    ("drop_path_rate", &["model.drop_path"]),
    ("drop_connect", &["model.drop_path"]),
    ("stochastic_depth", &["model.drop_path"]),
    ("layer_scale_init_value", &["model.layer_scale"]),
    ("pretrained", &["weights"]),
    ("finetune", &["weights"]),
    ("init_from", &["weights"]),
    ("random_seed", &["seed"]),
    ("manual_seed", &["seed"]),
];

/// More keys than this are a guess.
const MOST: usize = 3;

/// The keys that a user may have meant by the unknown `name`: those with this name in other tools, else those
/// with the most similar last parts. Empty if none is similar.
pub fn suggestions(name: &str) -> Vec<String> {
    let name = normalized(name);
    let parts: Vec<&str> = name.split('.').collect();
    let last = parts[parts.len() - 1];
    if let Some((_, keys)) = OTHER_NAMES.iter().find(|(other, _)| *other == name || *other == last) {
        return keys.iter().map(ToString::to_string).collect();
    }
    // First correct names in the wrong table, then misspelled ones; of several, the least deep.
    let keys = keys();
    let allowed = |letters: usize| (letters / 3).min(3);
    let near = keys.iter().filter_map(|key| {
        let own: Vec<&str> = key.path.split('.').collect();
        let common = own.len().min(parts.len());
        let tails = [&parts[parts.len() - common..], &own[own.len() - common..]].map(|tail| tail.join("."));
        let path = damerau_levenshtein(&tails[0], &tails[1]);
        let leaf = damerau_levenshtein(last, key.name());
        let misspelled = path <= allowed(tails[0].len()) && leaf <= allowed(last.len());
        (misspelled || leaf == 0 && last.len() > 2).then_some(((leaf, path, own.len()), &key.path))
    });
    let near: Vec<_> = near.collect();
    let Some(least) = near.iter().map(|(distance, _)| *distance).min() else { return Vec::new() };
    let best = near.into_iter().filter(|(distance, _)| *distance == least);
    let best: Vec<_> = best.map(|(_, path)| path.clone()).collect();
    if best.len() <= MOST { best } else { Vec::new() }
}

fn normalized(name: &str) -> String {
    name.trim().trim_start_matches('-').replace('-', "_").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_of_another_name_is_a_key() {
        let keys = keys();
        for (name, targets) in OTHER_NAMES {
            for target in *targets {
                assert!(keys.iter().any(|key| key.path == *target), "{name} -> {target}");
            }
            assert_eq!(normalized(name), *name);
            assert_eq!(suggestions(name), *targets, "{name} is listed twice");
        }
    }

    #[test]
    fn the_nearest_keys_of_the_whole_tree_are_found() {
        for (name, expected) in [
            ("learning_rate", "optimizer.learning_rate"),
            ("--learning-rate", "optimizer.learning_rate"),
            ("learning_rat", "optimizer.learning_rate"),
            ("optimizer.learning_rat", "optimizer.learning_rate"),
            ("optimiser.eps", "optimizer.eps"),
            ("train.optimizer.momentun", "optimizer.momentum"),
            ("optimizer.lr", "optimizer.learning_rate"),
            ("epochs", "schedule.epochs"),
            ("schedule.epoch", "schedule.epochs"),
            ("Weight-Decay", "optimizer.weight_decay"),
            ("seeed", "seed"),
            ("model.kernel", "model.kernels"),
            ("data.mix.mixup_alhpa", "data.mix.mixup_alpha"),
            ("mixup_alpha", "data.mix.mixup_alpha"),
            ("evaluation.crop_ratio", "data.evaluation.crop_ratio"),
            ("label_smoothing", "loss.label_smoothing"),
            ("optimiser", "optimizer"),
        ] {
            assert_eq!(suggestions(name), [expected], "{name}");
        }
    }

    #[test]
    fn what_is_far_from_everything_gets_no_suggestion() {
        for name in ["foo", "xyz", "", "a.b.c", "teacher_temperature", "optimizer.quux", "wandb_project"] {
            assert!(suggestions(name).is_empty(), "{name}: {:?}", suggestions(name));
        }
    }
}
