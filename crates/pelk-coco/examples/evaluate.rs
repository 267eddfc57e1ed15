//! Average precision of a file of results, as pycocotools prints it, with the time.
//!
//! ```sh
//! cargo run --release -p pelk-coco --example evaluate TRUTH.json RESULTS.json segm   # or bbox
//! ```
#![allow(clippy::print_stdout)] // an example prints

use pelk_coco::{Instances, IouType, Masks, ReadOptions, Selection, Settings, evaluate, read_results};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (truth, results, kind) = match &arguments[..] {
        [truth, results] => (truth, results, IouType::Bbox),
        [truth, results, kind] if kind == "bbox" => (truth, results, IouType::Bbox),
        [truth, results, kind] if kind == "segm" => (truth, results, IouType::Segm),
        _ => return Err("give a file of annotations, a file of results, and `bbox` or `segm`".into()),
    };
    // `evaluate_files` does all of this at once; here it is in steps, to time them.
    let start = Instant::now();
    let masks = if kind == IouType::Segm { Masks::Runs } else { Masks::Skip };
    let instances = Instances::read(truth, ReadOptions { masks, allow_empty_boxes: true })?;
    let results = read_results(results)?;
    let (settings, categories) = (Settings::default(), instances.category_ids());
    let read = start.elapsed();

    let start = Instant::now();
    let evaluation = match kind {
        IouType::Bbox => {
            let detections = instances.box_detections(results)?;
            evaluate(&settings, &categories, &instances.box_truths(), &detections)?
        }
        IouType::Segm => {
            let detections = instances.mask_detections(results)?;
            evaluate(&settings, &categories, &instances.mask_truths()?, &detections)?
        }
    };
    let evaluated = start.elapsed();
    print!("{}", evaluation.summary());
    println!("read {:.3} s, evaluated {:.3} s", read.as_secs_f64(), evaluated.as_secs_f64());

    // The three best categories.
    let mut best: Vec<(f64, &str)> = Vec::new();
    for (position, id) in evaluation.categories().iter().enumerate() {
        let selection = Selection { category: Some(position), ..Selection::default() };
        let name = instances.categories.iter().find(|category| category.id == *id).map(|one| &*one.name);
        best.extend(evaluation.average_precision(selection).zip(name));
    }
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (precision, name) in best.iter().take(3) {
        println!("{name}: {precision:.3}");
    }
    Ok(())
}
