//! EXIF orientation of images with labels.

use std::fs;
use std::path::Path;

use image::{GrayImage, RgbImage};
use pelk_data::{
    DataError, Dataset, Exif, FileOptions, Split, coco, coco_instances, image_folder, mask_folder,
};

const APPLY: FileOptions =
    FileOptions { whole: true, annotations: Vec::new(), exif: Exif::Apply, lenient: false };

/// Writes a PNG of 21 x 14 pixels, whose red is a number for each pixel, with this EXIF orientation.
fn picture(path: &Path, orientation: u8) {
    let image = RgbImage::from_fn(14, 21, |x, y| image::Rgb([number(x, y), 0, 7]));
    image.save(path).unwrap();
    let mut bytes = fs::read(path).unwrap();
    let mut chunk = b"eXIfMM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    chunk.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    let length = (chunk.len() as u32 - 4).to_be_bytes();
    bytes.splice(33..33, [&length[..], &chunk, &crc.sum().to_be_bytes()].concat());
    fs::write(path, bytes).unwrap();
}

fn number(x: u32, y: u32) -> u8 {
    ((y * 14 + x) * 7 % 199) as u8
}

#[test]
fn labels_stay_on_their_pixels_in_every_orientation() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["images/train", "masks/train"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    let palette: String = (0..199).map(|line| format!("{line} 0 0 class{line}\n")).collect();
    fs::write(path("palette.txt"), palette).unwrap();
    let mask = path("masks/train/a.png");
    for orientation in 1..=8 {
        picture(&path("images/train/a.png"), orientation);
        GrayImage::from_fn(14, 21, |x, y| image::Luma([number(x, y)])).save(&mask).unwrap();
        let sample = |options: &FileOptions| {
            let set = mask_folder(folder.path(), Split::Train, options).unwrap();
            let sample = set.sample(0)?;
            Ok::<_, DataError>((sample.size, sample.pixels.into_owned(), sample.labels.into_owned()))
        };
        let (size, stored, labels) = sample(&FileOptions::default()).unwrap();
        assert_eq!((size, labels[1], stored[3]), ([21, 14], 7, 7), "{orientation}: as stored");
        let (size, pixels, labels) = sample(&APPLY).unwrap();
        assert_eq!(size, if orientation > 4 { [14, 21] } else { [21, 14] });
        assert!(pixels.iter().step_by(3).zip(&labels).all(|(red, label)| u32::from(*red) == *label));
        assert_eq!(pixels == stored, orientation == 1, "{orientation}");

        if orientation > 4 {
            // A mask of the upright image.
            let upright = |x: u32, y: u32| image::Luma([pixels[3 * (y * 21 + x) as usize]]);
            GrayImage::from_fn(21, 14, upright).save(&mask).unwrap();
            assert_eq!(sample(&APPLY).unwrap(), (size, pixels, labels));
            let error = sample(&FileOptions::default()).unwrap_err();
            assert_eq!(error.kind(), "size differs by EXIF orientation");
        }
    }
}

#[test]
fn pictures_of_classes_are_turned_on_request() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("cat")).unwrap();
    picture(&folder.path().join("cat/a.png"), 6);
    let size = |exif| {
        let options = FileOptions { exif, ..APPLY };
        image_folder(folder.path(), Split::Train, &options).unwrap().sample(0).unwrap().size
    };
    assert_eq!((size(Exif::Ignore), size(Exif::Apply)), ([21, 14], [14, 21]));
}

#[test]
fn annotations_of_coco_are_for_the_upright_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["annotations", "train"] {
        fs::create_dir(path(name)).unwrap();
    }
    picture(&path("train/a.png"), 8);
    for ([height, width], fits) in [([14, 21], Exif::Apply), ([21, 14], Exif::Ignore)] {
        let text = format!(
            r#"{{"images": [{{"id": 1, "file_name": "a.png", "height": {height}, "width": {width}}}],
                "annotations": [{{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 16,
                    "bbox": [2, 2, 4, 4], "segmentation": [[2, 2, 6, 2, 6, 6, 2, 6]]}}],
                "categories": [{{"id": 1, "name": "cat"}}]}}"#
        );
        fs::write(path("annotations/instances_train.json"), text).unwrap();
        for exif in [Exif::Ignore, Exif::Apply] {
            let options = FileOptions { exif, ..FileOptions::default() };
            let config = pelk_data::ObjectConfig { min_side: 0, ..Default::default() };
            let pixels = coco(folder.path(), Split::Train, &options).unwrap();
            let objects = coco_instances(folder.path(), Split::Train, &config, &options).unwrap();
            for set in [&pixels as &dyn Dataset, &objects] {
                match set.sample(0) {
                    Ok(sample) => assert_eq!((sample.size, exif), ([height, width], fits)),
                    Err(error) => {
                        assert_eq!((error.kind(), exif == fits), ("size differs by EXIF orientation", false));
                    }
                }
            }
        }
    }
}
