//! The results of an evaluation as JSON, for scripts.

use anyhow::{Context, Result};
use pelk_coco::Selection;
use pelk_train::{Evaluation, Scores, write_atomically};
use serde_json::{Map, Value, json};
use std::path::Path;

/// What was evaluated, and on what.
pub struct Evaluated<'a> {
    pub checkpoint: &'a Path,
    pub network: &'a str,
    pub folded: bool,
    /// Whether the weights are the averaged ones.
    pub averaged: bool,
    pub step: u64,
    pub dataset: &'a str,
    pub split: &'a str,
    pub images: usize,
    /// Names of the network's classes.
    pub classes: &'a [String],
    pub seconds: f64,
}

/// Writes one object to a file, or to standard output for `-`. What was not measured is null.
///
/// # Errors
/// When the file cannot be written.
pub fn write(target: &Path, of: &Evaluated<'_>, evaluation: &Evaluation) -> Result<()> {
    let text = serde_json::to_string_pretty(&object(of, evaluation))?;
    if is_output(target) {
        crate::output::say!("{text}");
        return Ok(());
    }
    write_atomically(target, (text + "\n").as_bytes())
        .context("cannot write the results; choose another file with --json")
}

/// Whether the object goes to standard output.
pub fn is_output(target: &Path) -> bool {
    target == Path::new("-")
}

fn object(of: &Evaluated<'_>, evaluation: &Evaluation) -> Value {
    let named = |values: Vec<(&'static str, Option<f64>)>| -> Map<String, Value> {
        values.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
    };
    let mut scores = named(Scores::of(evaluation).named());
    let classes: Vec<Value> = match evaluation {
        Evaluation::Labels(labels) => {
            let confusion = &labels.confusion;
            scores.insert("mean_recall".to_owned(), json!(confusion.mean_recall()));
            let class = |(class, name): (usize, &String)| {
                json!({
                    "name": name,
                    "labels": confusion.labels(class),
                    "recall": confusion.recall(class),
                    "precision": confusion.precision(class),
                    "iou": confusion.iou(class),
                })
            };
            of.classes.iter().enumerate().map(class).collect()
        }
        Evaluation::Objects(found) => {
            let class = |(class, name): (usize, &String)| {
                let selection = Selection { category: Some(class), ..Selection::default() };
                let [boxes, masks] = [&found.boxes, &found.masks].map(|one| one.average_precision(selection));
                json!({ "name": name, "box_ap": boxes, "mask_ap": masks })
            };
            of.classes.iter().enumerate().map(class).collect()
        }
    };
    let group = |group: &pelk_train::GroupResult| {
        let mut values = named(group.named());
        values.insert("name".to_owned(), json!(group.name));
        values.insert("count".to_owned(), json!(group.count));
        Value::Object(values)
    };
    json!({
        "checkpoint": of.checkpoint.to_string_lossy(),
        "network": of.network,
        "folded": of.folded,
        "averaged": of.averaged,
        "step": of.step,
        "dataset": of.dataset,
        "split": of.split,
        "images": of.images,
        "seconds": of.seconds,
        "scores": scores,
        "classes": classes,
        "groups": evaluation.groups().iter().map(group).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_train::{Confusion, GroupResult, GroupScores, LabelEvaluation};

    #[test]
    fn what_was_not_measured_is_null() {
        let mut confusion = Confusion::new(2);
        confusion.add(0, 0);
        let group = |name: &str, count| {
            let scores = GroupScores::Labels { correct: count };
            GroupResult { name: name.to_owned(), count, scores }
        };
        let groups = vec![group("near", 1), group("far", 0)];
        let labels = LabelEvaluation { loss: None, top5_accuracy: Some(1.0), confusion, groups };
        let classes = ["ant", "bee"].map(str::to_owned);
        let of = Evaluated {
            checkpoint: Path::new("best.safetensors"),
            network: "pelk_atto",
            folded: false,
            averaged: true,
            step: 7,
            dataset: "folder",
            split: "test",
            images: 1,
            classes: &classes,
            seconds: 0.5,
        };
        let object = object(&of, &Evaluation::Labels(labels));
        assert_eq!(object["scores"]["loss"], Value::Null);
        assert_eq!(object["scores"]["accuracy"], json!(1.0));
        let bee = json!({"name": "bee", "labels": 0, "recall": null, "precision": null, "iou": null});
        assert_eq!(object["classes"][1], bee);
        assert_eq!(object["groups"][1], json!({"name": "far", "count": 0, "accuracy": null}));
        assert_eq!((&object["averaged"], &object["step"]), (&json!(true), &json!(7)));
    }
}
