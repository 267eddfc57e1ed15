//! Golden cases of the evaluation, read from files.

use crate::case::Case;
use pelk_coco::{Evaluation, IouType, Selection, Settings, evaluate_files};

pub fn run(case: &mut Case) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = |field: &str| {
        let path = folder.path().join(field);
        let text = case.attrs.get(field).ok_or_else(|| format!("no {field}"))?.to_string();
        std::fs::write(&path, text).map_err(|error| error.to_string())?;
        Ok::<_, String>(path)
    };
    let (truth, results) = (file("truth")?, file("results")?);
    for (name, kind) in [("bbox", IouType::Bbox), ("segm", IouType::Segm)] {
        let evaluation = evaluate_files(&truth, &results, kind, &Settings::default());
        compare(case, name, &evaluation.map_err(|error| error.to_string())?)?;
    }
    Ok(())
}

/// pycocotools writes -1 where there are no truths.
fn compare(case: &mut Case, name: &str, evaluation: &Evaluation) -> Result<(), String> {
    case.compare(&format!("out.{name}"), &[12], &evaluation.summary().values())?;

    let settings = evaluation.settings();
    let (categories, thresholds) = (evaluation.categories().len(), settings.iou_thresholds.len());
    let of_class = |category| {
        let selection = Selection { category: Some(category), ..Selection::default() };
        evaluation.average_precision(selection).unwrap_or(-1.0)
    };
    let of_class: Vec<f64> = (0..categories).map(of_class).collect();
    case.compare(&format!("out.{name}_of_class"), &[categories], &of_class)?;

    let (areas, limits) = (settings.areas.len(), settings.max_detections.len());
    let mut recall = Vec::new();
    for iou in 0..thresholds {
        for category in 0..categories {
            for area in 0..areas {
                for limit in 0..limits {
                    recall.push(evaluation.recall(iou, category, area, limit).unwrap_or(-1.0));
                }
            }
        }
    }
    case.compare(&format!("out.{name}_recall"), &[thresholds, categories, areas, limits], &recall)?;

    let points = settings.recall_thresholds.len();
    let mut precision = vec![-1.0; points * categories];
    for category in 0..categories {
        let curve = evaluation.precision(0, category, 0, limits - 1).unwrap_or(&[]);
        for (point, &value) in curve.iter().enumerate() {
            precision[point * categories + category] = value;
        }
    }
    case.compare(&format!("out.{name}_precision_at_half"), &[points, categories], &precision)
}
