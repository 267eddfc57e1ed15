//! Properties of the evaluation.

use pelk_coco::{
    BBox, Detection, Evaluation, EvaluationError, MaskError, Rle, Selection, Settings, Shape, Truth,
    evaluate, evaluate_groups,
};
use proptest::prelude::*;

const CATEGORIES: [u64; 3] = [9, 2, 5];

fn boxes() -> impl Strategy<Value = BBox> {
    [0..40_u32, 0..40_u32, 1..120_u32, 1..120_u32].prop_map(|sides| sides.map(f64::from))
}

fn truths() -> impl Strategy<Value = Vec<Truth<BBox>>> {
    let one = (0..5_u64, 0..3_usize, boxes(), prop::bool::weighted(0.15));
    let truth = one.prop_map(|(image_id, category, shape, crowd)| Truth {
        image_id,
        category_id: CATEGORIES[category],
        shape,
        area: 0.7 * shape.area(),
        crowd,
        group: None,
    });
    prop::collection::vec(truth, 0..25)
}

fn detections() -> impl Strategy<Value = Vec<Detection<BBox>>> {
    // Few different scores, so that there are ties.
    let one = (0..6_u64, 0..3_usize, boxes(), 0..8_u32);
    let detection = one.prop_map(|(image_id, category, shape, score)| {
        Detection::new(image_id, CATEGORIES[category], shape, f64::from(score) / 8.0)
    });
    prop::collection::vec(detection, 0..60)
}

fn run<S: Shape>(truths: &[Truth<S>], detections: &[Detection<S>]) -> Evaluation {
    evaluate(&Settings::default(), &CATEGORIES, truths, detections).unwrap()
}

proptest! {
    #[test]
    fn the_truths_themselves_as_results_are_perfect(truths in truths()) {
        let found: Vec<_> = truths
            .iter()
            .map(|truth| Detection::new(truth.image_id, truth.category_id, truth.shape, 0.5))
            .collect();
        // Equal boxes in an image would compete for each other's truth, one of which may be a crowd.
        let evaluation = run(&truths, &found);
        let all = Selection::default();
        match evaluation.average_recall(all) {
            None => prop_assert!(truths.iter().all(|truth| truth.crowd)),
            Some(recall) => prop_assert_eq!(recall, 1.0),
        }
        if truths.iter().all(|truth| !truth.crowd) && !truths.is_empty() {
            prop_assert!((evaluation.average_precision(all).unwrap() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn order_and_numbers_of_images_and_classes_change_nothing(
        truths in truths(), detections in detections(),
    ) {
        // Scores must differ, since the order decides between equal ones.
        let mut detections = detections;
        for (i, detection) in detections.iter_mut().enumerate() {
            detection.score += i as f64 * 1e-6;
        }
        let evaluation = run(&truths, &detections);
        let (mut other_truths, mut other) = (truths, detections);
        let image = |id: u64| 100 - 7 * id;
        let category = |id: u64| 3 * id + 1;
        for truth in &mut other_truths {
            (truth.image_id, truth.category_id) = (image(truth.image_id), category(truth.category_id));
        }
        other.reverse();
        for one in &mut other {
            (one.image_id, one.category_id) = (image(one.image_id), category(one.category_id));
        }
        let renamed = CATEGORIES.map(category);
        let again = evaluate(&Settings::default(), &renamed, &other_truths, &other).unwrap();
        prop_assert_eq!(evaluation.summary(), again.summary());
    }

    #[test]
    fn a_single_group_is_the_whole(truths in truths(), detections in detections()) {
        let mut grouped = truths;
        grouped.iter_mut().for_each(|truth| truth.group = Some(1));
        let groups = evaluate_groups(&Settings::default(), &CATEGORIES, 3, &grouped, &detections).unwrap();
        prop_assert_eq!(&groups[1], &run(&grouped, &detections));
        for empty in [&groups[0], &groups[2]] {
            prop_assert_eq!(empty.summary().values(), [-1.0; 12]);
        }
    }

    #[test]
    fn groups_in_images_of_their_own_are_measured_as_if_alone(
        truths in truths(), detections in detections(),
    ) {
        // Without detections that overlap nothing, which are wrong in every group.
        let mut truths = truths;
        truths.iter_mut().for_each(|truth| truth.group = Some(truth.image_id as usize % 2));
        let overlaps = |one: &Detection<BBox>| {
            truths.iter().any(|truth| {
                truth.image_id == one.image_id && pelk_coco::box_iou(one.shape, truth.shape, false) > 0.0
            })
        };
        let detections: Vec<_> = detections.into_iter().filter(overlaps).collect();
        let groups = evaluate_groups(&Settings::default(), &CATEGORIES, 2, &truths, &detections).unwrap();
        for (group, evaluation) in groups.iter().enumerate() {
            let of_group = |image: u64| image as usize % 2 == group;
            let truths: Vec<_> = truths.iter().filter(|one| of_group(one.image_id)).cloned().collect();
            let detections: Vec<_> =
                detections.iter().filter(|one| of_group(one.image_id)).cloned().collect();
            prop_assert_eq!(evaluation.summary(), run(&truths, &detections).summary());
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same(truths in truths(), detections in detections()) {
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let one = pool(1).install(|| run(&truths, &detections));
        prop_assert_eq!(pool(3).install(|| run(&truths, &detections)), one);
    }

    #[test]
    fn boxes_of_whole_pixels_are_masks(truths in truths(), detections in detections()) {
        let mask = |shape: BBox| Rle::from_box(shape, [160, 160]).unwrap();
        let mask_truths: Vec<_> = truths
            .iter()
            .map(|one| Truth {
                image_id: one.image_id,
                category_id: one.category_id,
                shape: mask(one.shape),
                area: one.area,
                crowd: one.crowd,
                group: one.group,
            })
            .collect();
        let mask_detections: Vec<_> = detections
            .iter()
            .map(|one| Detection::new(one.image_id, one.category_id, mask(one.shape), one.score))
            .collect();
        prop_assert_eq!(run(&truths, &detections), run(&mask_truths, &mask_detections));
    }

    #[test]
    fn recall_grows_with_detections_and_falls_with_the_threshold(
        truths in truths(), detections in detections(),
    ) {
        let evaluation = run(&truths, &detections);
        for category in 0..3 {
            let recall = |iou, limit| evaluation.recall(iou, category, 0, limit).unwrap_or(0.0);
            for iou in 0..10 {
                prop_assert!(recall(iou, 0) <= recall(iou, 1) && recall(iou, 1) <= recall(iou, 2));
            }
            let curve = evaluation.precision(0, category, 0, 2).unwrap_or(&[]);
            prop_assert!(curve.is_sorted_by(|a, b| a >= b));
        }
    }
}

#[test]
fn as_one_category_any_class_matches() {
    let shape = [0.0, 0.0, 9.0, 9.0];
    let truths = [Truth { image_id: 1, category_id: 2, shape, area: 81.0, crowd: false, group: None }];
    let detections = [Detection::new(1, 5, shape, 0.5)];
    assert_eq!(run(&truths, &detections).summary().values()[0], 0.0);
    let settings = Settings { use_categories: false, ..Settings::default() };
    let evaluation = evaluate(&settings, &CATEGORIES, &truths, &detections).unwrap();
    assert!((evaluation.summary().values()[0] - 1.0).abs() < 1e-12);
    assert!(evaluation.categories().is_empty());
}

#[test]
fn a_detection_is_wrong_in_the_group_of_what_it_overlaps() {
    let square = |x: f64| [x, 0.0, 10.0, 10.0];
    let truth = |x, category_id, group| Truth {
        image_id: 1,
        category_id,
        shape: square(x),
        area: 100.0,
        crowd: false,
        group,
    };
    let truths = [
        truth(0.0, 2, Some(0)),
        truth(20.0, 2, Some(0)),
        truth(40.0, 2, Some(1)),
        truth(60.0, 5, Some(1)),
        truth(80.0, 2, None),
    ];
    let detections = [
        (120.0, 0.95), // nothing: wrong in both groups
        (60.0, 0.9),   // of the other category: wrong in group 1
        (0.0, 0.8),    // right in group 0
        (1.0, 0.7),    // the same again: wrong in group 0
        (40.0, 0.6),   // right in group 1
        (20.0, 0.5),   // right in group 0
        (80.0, 0.4),   // without a group: counts in neither
        (81.0, 0.3),   // the same again
    ];
    let detections = detections.map(|(x, score)| Detection::new(1, 2, square(x), score));
    let groups = evaluate_groups(&Settings::default(), &CATEGORIES, 2, &truths, &detections).unwrap();
    let precision = |evaluation: &Evaluation, category| {
        let category = Some(category); // in the order of ids: 2, 5, 9
        evaluation.average_precision(Selection { category, ..Selection::default() })
    };
    let near = |value: Option<f64>, expected: f64| (value.unwrap() - expected).abs() < 1e-12;
    // 1 of 2, then 2 of 4.
    assert!(near(precision(&groups[0], 0), 0.5));
    // 1 of 3.
    assert!(near(precision(&groups[1], 0), 1.0 / 3.0));
    assert_eq!([precision(&groups[0], 1), precision(&groups[1], 1)], [None, Some(0.0)]);
    // 4 of 7 in all: a group's precision does not suffer from what is wrong elsewhere.
    assert!(near(precision(&run(&truths, &detections), 0), 4.0 / 7.0));

    let error = evaluate_groups(&Settings::default(), &CATEGORIES, 1, &truths, &detections).unwrap_err();
    assert_eq!(error, EvaluationError::UnknownGroup { index: 2, group: 1, groups: 1 });
}

#[test]
fn nothing_at_all_has_no_averages() {
    let evaluation = run::<BBox>(&[], &[]);
    assert_eq!(evaluation.summary().values(), [-1.0; 12]);
    let lines = evaluation.summary().to_string();
    assert!(
        lines.ends_with("Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -1.000\n")
    );
    assert!(
        lines
            .contains("\n Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets=100 ] = -1.000\n")
    );
}

#[test]
fn impossible_input_is_an_error() {
    let shape = [0.0, 0.0, 9.0, 9.0];
    let truth = Truth { image_id: 1, category_id: 2, shape, area: 81.0, crowd: false, group: None };
    let detection = Detection::new(1, 2, shape, 0.5);
    let run = |truth: Truth<BBox>, detection: Detection<BBox>, settings: &Settings| {
        evaluate(settings, &CATEGORIES, &[truth], &[detection]).unwrap_err()
    };
    let settings = Settings::default();
    let unknown = Detection { category_id: 3, ..detection.clone() };
    let error = EvaluationError::UnknownCategory { what: "detection", index: 0, category_id: 3 };
    assert_eq!(run(truth.clone(), unknown, &settings), error);
    let nan = Detection { score: f64::NAN, ..detection.clone() };
    let error = EvaluationError::NotANumber { what: "detection", index: 0, field: "score" };
    assert_eq!(run(truth.clone(), nan, &settings), error);
    let infinite = Detection { shape: [0.0, 0.0, f64::INFINITY, 9.0], ..detection.clone() };
    assert_eq!(
        run(truth.clone(), infinite.clone(), &settings),
        EvaluationError::NotANumber { what: "detection", index: 0, field: "shape" }
    );
    for (field, settings) in [
        ("iou_thresholds", Settings { iou_thresholds: vec![1.5], ..settings.clone() }),
        ("recall_thresholds", Settings { recall_thresholds: vec![0.5, 0.1], ..settings.clone() }),
        ("max_detections", Settings { max_detections: vec![0, 1], ..settings.clone() }),
        ("areas", Settings { areas: vec![], ..settings.clone() }),
    ] {
        let error = run(truth.clone(), detection.clone(), &settings).to_string();
        assert!(error.contains(field), "{error}");
    }
    let masks = [[2, 3], [3, 2]].map(|size| Rle::from_counts(&[0, 6], size).unwrap());
    let truth =
        Truth { image_id: 4, category_id: 2, shape: masks[0].clone(), area: 6.0, crowd: false, group: None };
    let found = [Detection::new(4, 2, masks[1].clone(), 1.0)];
    let error = evaluate(&settings, &CATEGORIES, &[truth], &found).unwrap_err();
    let source = MaskError::SizesDiffer { first: [3, 2], second: [2, 3] };
    assert_eq!(error, EvaluationError::Shapes { image_id: 4, category_id: 2, source });
}
