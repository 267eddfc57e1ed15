//! What reads each format, and whole files of it to start from.

use std::fs;
use std::path::{Path, PathBuf};

use pelk_data::{DataError, FileOptions, Split, ade20k, cifar10, mask_folder, read_rgb};

/// A reader of files: its name, whole files, and a function that reads a file placed in a folder, and tells
/// whether it was read.
pub struct Reader {
    pub name: &'static str,
    pub files: Vec<Vec<u8>>,
    /// The file's name in the folder.
    pub file: &'static str,
    pub read: fn(&Path) -> Result<bool, DataError>,
}

/// The formats by the endings of their files.
const FORMATS: [(&str, &[&str]); 7] = [
    ("JPEG", &["jpg"]),
    ("PNG", &["png"]),
    ("GIF", &["gif"]),
    ("TIFF", &["tif"]),
    ("WebP", &["webp"]),
    ("BMP", &["bmp"]),
    ("PNM", &["ppm", "pgm", "pbm"]),
];

/// The readers of pictures, with the files in `fixtures/pictures`.
pub fn pictures() -> Vec<Reader> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let of = |endings: &[&str]| {
        let named = |path: &&PathBuf| endings.contains(&path.extension().unwrap().to_str().unwrap());
        paths.iter().filter(named).map(|path| fs::read(path).unwrap()).collect()
    };
    let read = |folder: &Path| {
        let (size, pixels) = read_rgb(&folder.join("mutated"))?;
        assert_eq!(pixels.len(), 3 * size[0] * size[1]);
        Ok(true)
    };
    FORMATS
        .iter()
        .map(|&(name, endings)| Reader { name, files: of(endings), file: "mutated", read })
        .collect()
}

/// The readers of tables and of arrays.
pub fn tables() -> Vec<Reader> {
    let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6];
    idx.extend((0..120).map(|i| i as u8));
    let meta = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    let palette = "# classes\n0 0 0 ground\n255 0 9 water, still\n224 224 192 ignored\n";
    let tabs = "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.2\t9\t1\t1\twall\n2 \t0.1\t6\t1\t0\tdoor, gate \n";
    let excluded = "cat/a.jpg\n# comment\ndog/b.jpg\n";
    vec![
        Reader {
            name: "IDX",
            files: vec![idx],
            file: "mutated",
            read: |folder| pelk_data::idx::read_idx::<3>(&folder.join("mutated")).map(|_| true),
        },
        Reader {
            name: "CIFAR",
            files: vec![meta.into(), format!("\u{feff}{meta}").into()],
            file: "batches.meta.txt",
            // The names are read if the records are what is missing.
            read: |folder| match cifar10(folder, Split::Test) {
                Err(DataError::Layout { path, .. }) if path.ends_with("test_batch.bin") => Ok(true),
                other => other.map(|_| true),
            },
        },
        Reader {
            name: "palette",
            files: vec![palette.into(), format!("\u{feff}{palette}").into()],
            file: "palette.txt",
            read: |folder| match mask_folder(folder, Split::Train, &FileOptions::default()) {
                Err(DataError::Layout { path, .. }) if !path.ends_with("palette.txt") => Ok(true),
                other => other.map(|_| true),
            },
        },
        Reader {
            name: "objectInfo150",
            files: vec![tabs.into(), format!("\u{feff}{tabs}").into()],
            file: "objectInfo150.txt",
            read: |folder| match ade20k(folder, Split::Train, &FileOptions::default()) {
                Err(DataError::Layout { path, .. }) if !path.ends_with("objectInfo150.txt") => Ok(true),
                other => other.map(|_| true),
            },
        },
        Reader {
            name: "excluded",
            files: vec![excluded.into()],
            file: pelk_data::EXCLUDED,
            read: |folder| pelk_data::Excluded::read(folder).map(|_| true),
        },
    ]
}
