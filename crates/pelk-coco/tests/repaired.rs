//! Annotation files as labeling tools write them: what is filled in, what is left out, and how ids are read.

use pelk_coco::{FileError, Instances, Masks, ProblemKind, ReadOptions, Repaired};

/// A file of these parts, in the order of COCO's files.
fn file(images: &str, annotations: &str, categories: &str) -> String {
    format!(r#"{{"images": [{images}], "annotations": [{annotations}], "categories": [{categories}]}}"#)
}

fn read(text: impl AsRef<[u8]>) -> Result<Repaired, FileError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Instances::read_repaired(file.path(), ReadOptions { masks: Masks::Runs, allow_empty_boxes: false })
}

const IMAGE: &str = r#"{"id": 1, "height": 8, "width": 9, "file_name": "a.png"}"#;
const CATEGORY: &str = r#"{"id": 5, "name": "dog"}"#;
/// Without a box or an area: 16 pixels at 1, 1.
const BARE: &str =
    r#"{"id": 3, "image_id": 1, "category_id": 5, "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]]}"#;

#[test]
fn boxes_and_areas_follow_from_masks() {
    let with = |fields: &str| BARE.replace("\"id\": 3,", &format!("\"id\": 3, {fields},"));
    for (entry, boxes, areas) in [
        (BARE.to_owned(), 1, 1),
        (with(r#""bbox": [], "area": NaN"#), 1, 1),
        (with(r#""bbox": null, "area": null"#), 1, 1),
        (with(r#""bbox": [NaN, 1, 2, 3], "area": 16"#), 1, 0),
        (with(r#""bbox": [1, 1, 4, 4], "area": "big""#), 0, 1),
        (with(r#""bbox": ["1", "1", "4.0", "4"], "area": "16""#), 0, 0),
        (with(r#""bbox": [1, 1, 4, 4], "area": 16, "score": Infinity, "attributes": {"x": NaN}"#), 0, 0),
    ] {
        let found = read(file(IMAGE, &entry, CATEGORY)).unwrap();
        let [annotation] = &found.instances.annotations[..] else { panic!("{entry}: {found:?}") };
        assert_eq!((annotation.bbox, annotation.area), ([1.0, 1.0, 4.0, 4.0], 16.0), "{entry}");
        assert_eq!((found.boxes, found.areas, found.numbered, found.problems.len()), (boxes, areas, 0, 0));
    }
    // Nothing follows from a mask without pixels, and nothing from a missing one.
    for (from, to) in [("[1, 1, 5, 1, 5, 5, 1, 5]", "[1, 1, 1, 5, 1, 3]"), ("segmentation", "mask")] {
        let found = read(file(IMAGE, &BARE.replace(from, to), CATEGORY)).unwrap();
        assert_eq!((found.instances.annotations.len(), found.problems.len()), (0, 1), "{found:?}");
    }
}

#[test]
fn annotations_without_an_id_of_their_own_get_one() {
    let of = |id: &str| BARE.replace("\"id\": 3", &format!("\"id\": {id}"));
    let other = BARE.replace("[1, 1, 5", "[1, 2, 5");
    // 0 comes from tools that count from 0, a repeated id from sets that were joined.
    let entries = [of("0"), BARE.into(), other, BARE.into(), of("null"), of("\"x\""), of("\"7\""), of("8.0")];
    let found = read(file(IMAGE, &entries.join(", "), CATEGORY)).unwrap();
    let ids: Vec<u64> = found.instances.annotations.iter().map(|annotation| annotation.id).collect();
    assert_eq!(ids, [10, 3, 11, 12, 9, 7, 8]);
    assert_eq!(found.numbered, 3);
    let [problem] = &found.problems[..] else { panic!("{:?}", found.problems) };
    assert_eq!(
        (problem.to_string(), problem.index),
        ("annotation 3: `id` occurs twice: ids must be unique".into(), 3)
    );
}

#[test]
fn ids_may_be_floats_and_texts() {
    let expected = read(file(IMAGE, BARE, CATEGORY)).unwrap();
    let quoted = |text: &str| {
        let text = text.replace("\"id\": 1", "\"id\": \"1\"").replace("\"id\": 5", "\"id\": \"5\"");
        text.replace("_id\": 1", "_id\": \"1\"").replace("_id\": 5", "_id\": 5.0")
    };
    let sizes = quoted(IMAGE).replace('8', "8.0").replace('9', "\"9\"");
    assert_eq!(read(file(&sizes, &quoted(BARE), &quoted(CATEGORY))).unwrap(), expected);

    let images = r#"{"id": "b/2", "height": 8, "width": 9}, {"id": "a/1", "height": 8, "width": 9},
        {"id": 6, "height": 8, "width": 9}"#;
    let named = BARE.replace("\"image_id\": 1", "\"image_id\": \"a/1\"");
    let absent = BARE.replace("\"image_id\": 1", "\"image_id\": \"a/3\"");
    let cat = r#"{"id": "cat", "name": "Cat"}"#;
    let named = named.replace("\"category_id\": 5", "\"category_id\": \"cat\"");
    let dog = named.replace("\"cat\"", "\"dog\"").replace("\"id\": 3", "\"id\": \"third\"");
    let entries = format!("{named}, {absent}, {dog}");
    let found = read(file(images, &entries, &format!("{CATEGORY}, {cat}"))).unwrap();
    assert_eq!(found.instances.images.iter().map(|image| image.id).collect::<Vec<_>>(), [7, 8, 6]);
    assert_eq!(found.instances.category_ids(), [5, 6]);
    let [annotation] = &found.instances.annotations[..] else { panic!("{found:?}") };
    assert_eq!((annotation.image_id, annotation.category_id, found.named_images), (8, 6, true));
    let problems = [0, 1].map(|i| found.problems[i].to_string());
    assert_eq!(problems[0], "annotation 3: `image_id` is the text \"a/3\", but must be the id of an image");
    let category = "`category_id` is the text \"dog\", but must be the id of a category";
    assert_eq!(problems[1], format!("annotation entry 2 (counted from 0): {category}"));
}

#[test]
fn the_order_of_the_parts_does_not_matter_for_texts_either() {
    let image = IMAGE.replace("\"id\": 1", "\"id\": \"a\"");
    let annotation = BARE.replace("\"image_id\": 1", "\"image_id\": \"a\"");
    let annotation = annotation.replace("\"category_id\": 5", "\"category_id\": \"c\"");
    let category = CATEGORY.replace("\"id\": 5", "\"id\": \"c\"");
    let last = format!(
        r#"{{"annotations": [{annotation}], "categories": [{category}], "images": [{image}], "info": {{}}}}"#
    );
    assert_eq!(read(file(&image, &annotation, &category)).unwrap(), read(last).unwrap());
}

#[test]
fn wrong_images_and_categories_cost_only_their_own_annotations() {
    let of = |id: u64, image: u64, category: u64| {
        let text = BARE.replace("\"id\": 3", &format!("\"id\": {id}"));
        let text = text.replace("\"image_id\": 1", &format!("\"image_id\": {image}"));
        text.replace("\"category_id\": 5", &format!("\"category_id\": {category}"))
    };
    let images = format!(
        r#"{IMAGE}, {{"id": 2, "height": null, "width": 9}},
           {{"id": 4, "height": 8, "width": 9, "file_name": "x"}}, {IMAGE},
           {{"id": 4, "height": 8, "width": 9, "file_name": "y"}}"#
    );
    let categories = format!(r#"{CATEGORY}, {{"id": 6}}, {CATEGORY}"#);
    let annotations = [of(1, 1, 5), of(2, 2, 5), of(3, 4, 5), of(4, 1, 6), of(5, 9, 5)].join(", ");
    let found = read(file(&images, &annotations, &categories)).unwrap();
    let ids = |kind: &str| {
        let of_kind = found.problems.iter().filter(|problem| problem.what == kind);
        of_kind.map(|problem| (problem.index, problem.id.unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(ids("image"), [(1, 2), (2, 4), (3, 1), (4, 4)]);
    assert_eq!(ids("category"), [(1, 6), (2, 5)]);
    assert_eq!(ids("annotation"), [(1, 2), (2, 3), (3, 4), (4, 5)]);
    assert_eq!(found.problems[6].kind, ProblemKind::UnknownImage { image_id: 2 });
    assert_eq!((found.instances.images.len(), found.instances.annotations.len()), (1, 1));
}

#[test]
fn marks_of_byte_order_are_skipped_or_named() {
    let text = file(IMAGE, BARE, CATEGORY);
    assert_eq!(read(format!("\u{feff}{text}")).unwrap(), read(&text).unwrap());
    let nan = text.replace("\"id\": 3,", "\"id\": 3, \"area\": NaN,");
    assert_eq!(read(format!("\u{feff}{nan}")).unwrap().instances.annotations.len(), 1);
    let wide: Vec<u8> =
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let error = read(wide).unwrap_err().to_string();
    assert!(error.contains("is text in UTF-16: save it as UTF-8"), "{error}");
}

#[test]
fn what_is_not_json_is_named() {
    for (bytes, expected) in [
        (&b""[..], "is empty: "),
        (b"\xef\xbb\xbf \n", "is empty: "),
        (b"\n <!DOCTYPE html><html>", "is an HTML page or XML: "),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
            "is a Git LFS pointer, not the file itself",
        ),
        (b"PK\x03\x04\x14", "is a zip archive: unpack it"),
        (b"\x1f\x8b\x08", "is a gzip file: "),
        (b"{\"images\": [", "is damaged or not a file of instance annotations"),
        (b"[]", "is damaged or not a file of instance annotations"),
        (b"M\xfcnchen", "is damaged or not a file of instance annotations"),
    ] {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
