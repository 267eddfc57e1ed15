//! Golden cases of run lengths, polygons and overlaps.

use crate::case::Case;
use pelk_coco::{BBox, Rle, Shape};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Item {
    size: [usize; 2],
    counts: Vec<u32>,
    string: String,
    area: u32,
    bbox: BBox,
    mask: Option<String>,
    polygons: Option<Vec<Vec<f64>>>,
    /// All pixels are inside (1) or outside (0).
    all: Option<u8>,
}

#[derive(Deserialize)]
struct Items {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Overlaps {
    size: [usize; 2],
    detections: Vec<String>,
    truths: Vec<String>,
    crowd: Vec<u8>,
    detection_boxes: Vec<BBox>,
    truth_boxes: Vec<BBox>,
}

fn attrs<T: DeserializeOwned>(case: &Case) -> Result<T, String> {
    serde_json::from_value(case.attrs.clone()).map_err(|error| format!("attributes: {error}"))
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, actual: &T, expected: &T) -> Result<(), String> {
    if actual == expected { Ok(()) } else { Err(format!("{what} is {actual:?}, expected {expected:?}")) }
}

/// All forms of a mask lead to each other.
fn mask(rle: &Rle, item: &Item) -> Result<(), String> {
    let text = |error: pelk_coco::MaskError| error.to_string();
    equal("counts", &rle.counts().to_vec(), &item.counts)?;
    equal("string", &rle.to_packed(), &item.string)?;
    equal("area", &rle.area(), &item.area)?;
    equal("bbox", &rle.bbox(), &item.bbox)?;
    equal("of counts", &Rle::from_counts(&item.counts, item.size).map_err(text)?, rle)?;
    equal("of string", &Rle::from_packed(&item.string, item.size).map_err(text)?, rle)?;
    equal("of bitmap", &Rle::from_bitmap(&rle.to_bitmap(), item.size).map_err(text)?, rle)
}

pub fn rle(case: &mut Case) -> Result<(), String> {
    let items = attrs::<Items>(case)?.items;
    for (i, item) in items.iter().enumerate() {
        let rle = match (&item.mask, item.all) {
            (Some(name), _) => {
                let bitmap: Vec<bool> = case.get(name)?.1.iter().map(|&value| value > 0.0).collect();
                Rle::from_bitmap(&bitmap, item.size)
            }
            (None, Some(all)) => Rle::from_bitmap(&vec![all == 1; item.size.iter().product()], item.size),
            (None, None) => Rle::from_counts(&item.counts, item.size),
        };
        let rle = rle.map_err(|error| error.to_string())?;
        mask(&rle, item).map_err(|error| format!("item {i}: {error}"))?;
    }
    let areas: Vec<f64> = items.iter().map(|item| f64::from(item.area)).collect();
    case.compare("out.area", &[items.len()], &areas)?;
    let boxes: Vec<f64> = items.iter().flat_map(|item| item.bbox).collect();
    case.compare("out.bbox", &[items.len(), 4], &boxes)
}

pub fn polygon(case: &mut Case) -> Result<(), String> {
    for (i, item) in attrs::<Items>(case)?.items.iter().enumerate() {
        let polygons = item.polygons.as_ref().ok_or("no polygons")?;
        let rle = Rle::from_polygons(polygons, item.size).map_err(|error| error.to_string())?;
        mask(&rle, item).map_err(|error| format!("item {i}: {error}"))?;
        let bitmap: Vec<f64> =
            rle.to_bitmap().into_iter().map(|inside| f64::from(u8::from(inside))).collect();
        case.compare(&format!("out.mask{i}"), &item.size, &bitmap)?;
    }
    Ok(())
}

fn ious<S: Shape>(detections: &[S], truths: &[S], crowd: &[u8]) -> Result<Vec<f64>, String> {
    let truths: Vec<_> = truths.iter().zip(crowd).map(|(truth, &crowd)| (truth, crowd == 1)).collect();
    S::ious(&detections.iter().collect::<Vec<_>>(), &truths).map_err(|error| error.to_string())
}

pub fn iou(case: &mut Case) -> Result<(), String> {
    let attrs: Overlaps = attrs(case)?;
    let shape = [attrs.detections.len(), attrs.truths.len()];
    let masks = |texts: &[String]| -> Result<Vec<Rle>, String> {
        texts
            .iter()
            .map(|text| Rle::from_packed(text, attrs.size).map_err(|error| error.to_string()))
            .collect()
    };
    let segm = ious(&masks(&attrs.detections)?, &masks(&attrs.truths)?, &attrs.crowd)?;
    case.compare("out.segm", &shape, &segm)?;
    let bbox = ious(&attrs.detection_boxes, &attrs.truth_boxes, &attrs.crowd)?;
    case.compare("out.bbox", &shape, &bbox)
}
