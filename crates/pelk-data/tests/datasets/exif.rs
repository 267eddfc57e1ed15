//! EXIF orientation of images with labels.

use std::fs;
use std::path::Path;

use image::{GrayImage, RgbImage};
use pelk_coco::Rle;
use pelk_data::{
    DataError, Dataset, Exif, FileOptions, Split, coco, coco_instances, image_folder, mask_folder,
};

const APPLY: FileOptions =
    FileOptions { whole: true, annotations: Vec::new(), exif: Exif::Apply, lenient: false };

/// Writes a PNG of 21 x 14 pixels with this EXIF orientation.
fn picture(path: &Path, orientation: u8) {
    picture_of(path, [21, 14], orientation);
}

/// Writes a PNG whose red is a number for each pixel, and whose green and blue are its column and row.
fn picture_of(path: &Path, [height, width]: [u32; 2], orientation: u8) {
    let color = |x, y| image::Rgb([number(x, y), x as u8, y as u8]);
    let image = RgbImage::from_fn(width, height, color);
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

/// Whether a pixel belongs to an object in the shape of an L, which no turn or flip leaves as it is.
fn in_object(x: usize, y: usize) -> bool {
    (2..5).contains(&x) && (3..12).contains(&y) || (5..10).contains(&x) && (9..12).contains(&y)
}

/// Writes the annotation of the object in an image of this size, in one of three encodings.
fn annotate(path: &Path, [height, width]: [usize; 2], encoding: usize) {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| in_object(x, y)));
    let mask = Rle::from_bitmap(&pixels.collect::<Vec<bool>>(), [height, width]).unwrap();
    let segmentation = match encoding {
        0 => "[[2, 3, 5, 3, 5, 9, 10, 9, 10, 12, 2, 12]]".to_owned(),
        1 => format!(r#"{{"size": [{height}, {width}], "counts": {:?}}}"#, mask.counts()),
        _ => format!(r#"{{"size": [{height}, {width}], "counts": {:?}}}"#, mask.to_packed()),
    };
    let text = format!(
        r#"{{"images": [{{"id": 1, "file_name": "a.png", "height": {height}, "width": {width}}}],
            "annotations": [{{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 42,
                "bbox": [2, 3, 8, 9], "segmentation": {segmentation}}}],
            "categories": [{{"id": 1, "name": "cat"}}]}}"#
    );
    fs::write(path, text).unwrap();
}

/// The size and the pixels of an image, and for each pixel whether it belongs to the object.
type Outlined = ([usize; 2], Vec<u8>, Vec<bool>);

/// The sample as both readers of COCO's format see it.
fn object_of(folder: &Path, exif: Exif) -> Result<Outlined, DataError> {
    let options = FileOptions { exif, ..FileOptions::default() };
    let config = pelk_data::ObjectConfig { min_side: 0, ..Default::default() };
    let set = coco(folder, Split::Train, &options).unwrap();
    let labels = set.sample(0)?;
    let inside: Vec<bool> = labels.labels.iter().map(|label| *label == 1).collect();

    let objects = coco_instances(folder, Split::Train, &config, &options).unwrap();
    assert_eq!(objects.remarks(), set.remarks());
    let sample = objects.sample(0)?;
    assert_eq!((sample.size, &sample.pixels), (labels.size, &labels.pixels));
    assert_eq!((objects.sample_size(0), set.sample_size(0)), (Some(sample.size), Some(sample.size)));
    assert_eq!(objects.objects(0)?, sample.objects);
    let object = &sample.objects[0];
    assert_eq!(
        (object.mask.size(), object.mask.to_bitmap(), object.area),
        (sample.size, inside.clone(), 42.0)
    );
    let [x, y, width, height] = object.mask.bbox().map(|value| value as f32);
    assert_eq!(object.bbox, [x, y, x + width, y + height], "the box is that of the mask");
    Ok((sample.size, sample.pixels.into_owned(), inside))
}

#[test]
fn annotations_of_coco_are_turned_if_only_the_stored_image_has_their_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["annotations", "train"] {
        fs::create_dir(path(name)).unwrap();
    }
    let json = path("annotations/instances_train.json");
    for (orientation, encoding) in (1..=8).flat_map(|it| (0..3).map(move |encoding| (it, encoding))) {
        picture(&path("train/a.png"), orientation);
        // Of the stored image.
        annotate(&json, [21, 14], encoding);
        let (size, pixels, inside) = object_of(folder.path(), Exif::Apply).unwrap();
        assert_eq!(size, if orientation > 4 { [14, 21] } else { [21, 14] });
        for (place, (pixel, inside)) in pixels.chunks(3).zip(inside).enumerate() {
            let [stored, upright] = [[pixel[1].into(), pixel[2].into()], [place % size[1], place / size[1]]];
            // Where both images have the same size, annotations are for the upright one.
            let [x, y] = if orientation > 4 { stored } else { upright };
            assert_eq!(inside, in_object(x, y), "{orientation} {encoding}");
        }
        let (size, _, inside) = object_of(folder.path(), Exif::Ignore).unwrap();
        assert_eq!(
            (size, inside[3 * 14 + 2], inside[9 * 14 + 9], inside[3 * 14 + 9]),
            ([21, 14], true, true, false)
        );

        // Of the upright image, if that has another size.
        annotate(&json, [14, 21], encoding);
        match object_of(folder.path(), Exif::Apply) {
            Ok((size, _, inside)) => {
                assert!(size == [14, 21] && orientation > 4, "{orientation}");
                assert!(inside.iter().enumerate().all(|(at, inside)| *inside == in_object(at % 21, at / 21)));
            }
            Err(error) => {
                assert!(error.kind() == "size differs" && orientation < 5, "{orientation}: {error}");
            }
        }
        let error = object_of(folder.path(), Exif::Ignore).unwrap_err();
        let expected = if orientation > 4 { "size differs by EXIF orientation" } else { "size differs" };
        assert_eq!(error.kind(), expected);
    }
}

#[test]
fn annotations_of_square_images_are_for_the_upright_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["annotations", "train"] {
        fs::create_dir(path(name)).unwrap();
    }
    annotate(&path("annotations/instances_train.json"), [14, 14], 0);
    for orientation in 1..=8 {
        picture_of(&path("train/a.png"), [14, 14], orientation);
        let (_, pixels, inside) = object_of(folder.path(), Exif::Apply).unwrap();
        assert!(inside.iter().enumerate().all(|(at, inside)| *inside == in_object(at % 14, at / 14)));
        assert_eq!(pixels[1] == 0 && pixels[2] == 0, [1, 5].contains(&orientation), "{orientation}");
    }
}

#[test]
fn the_number_of_turned_annotations_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["annotations", "train"] {
        fs::create_dir(path(name)).unwrap();
    }
    annotate(&path("annotations/instances_train.json"), [21, 14], 0);
    // In JPEG, the orientation is in the header; a long profile may lie before it.
    for profile in [0, 6] {
        RgbImage::new(14, 21).save(path("train/a.jpg")).unwrap();
        let mut bytes = fs::read(path("train/a.jpg")).unwrap();
        let mut segments = [&b"\xff\xe2\xff\xff"[..], &[7; 65533]].concat().repeat(profile);
        segments
            .extend(b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0");
        bytes.splice(2..2, segments);
        fs::write(path("train/a.png"), bytes).unwrap();
        let options = FileOptions { exif: Exif::Apply, ..FileOptions::default() };
        let set = coco(folder.path(), Split::Train, &options).unwrap();
        let expected = "annotations of 1 image are for the stored image and are turned with it";
        assert!(set.remarks().len() == 1 && set.remarks()[0].ends_with(expected), "{:?}", set.remarks());
        assert_eq!(set.sample(0).unwrap().size, [14, 21]);
        assert!(coco(folder.path(), Split::Train, &FileOptions::default()).unwrap().remarks().is_empty());
    }
}
