//! A folder of your own images and masks.

use std::collections::BTreeMap;
use std::path::Path;

use super::read::Coding;
use super::{MaskFolder, half, lines};
use crate::splits::TRAIN;
use crate::{DataError, FileOptions, IGNORED, Split};

const LAYOUT: &str = "the folder needs images/train/NAME.jpg (or another ending), masks/train/NAME.png, the \
                      same with test, and palette.txt with a line `red green blue name` for each class";
/// Names of the folders of test images, in order of preference.
const TEST: [&str; 5] = ["test", "testing", "val", "validation", "valid"];
/// The name of the color that is neither learned nor measured.
const IGNORED_NAME: &str = "ignored";

/// Opens a dataset of images with masks: `images/train/NAME.*` (JPEG, PNG, BMP and others),
/// `masks/train/NAME.png`, the same with `test` (or `val`, `valid`, `validation`), and `palette.txt`. Files
/// that are not images are passed over, and so are images and masks listed in [`Excluded`](crate::Excluded).
///
/// The palette has a line `red green blue name` per class, with colors from 0 to 255; empty lines and those
/// that start with `#` are skipped, and the name `ignored` is [`IGNORED`]. A pixel of a colored mask has the
/// color of its line, alpha is ignored; a pixel of a gray or indexed mask has the number of its line, counted
/// from 0, whatever the mask's own palette. A number that no line has means the class that has its color: 255
/// is the class of white in a black and white mask. Any other 255 is [`IGNORED`], as in PASCAL VOC.
///
/// # Errors
/// [`DataError`] with the file if one is missing or without its counterpart, or a line of the palette is not
/// as above; when a sample is read, also if a mask has another size than its image, or a value that is not in
/// the palette.
pub fn mask_folder(
    folder: impl AsRef<Path>,
    split: Split,
    options: &FileOptions,
) -> Result<MaskFolder, DataError> {
    let folder = folder.as_ref();
    let (classes, coding) = palette(&folder.join("palette.txt"))?;
    let names = match split {
        Split::Train => &TRAIN[..],
        Split::Test => &TEST,
    };
    let [pictures, masks] = ["images", "masks"].map(|part| half(&folder.join(part), names));
    MaskFolder::open(folder, [&pictures, &masks], classes, coding, LAYOUT, options)
}

fn palette(path: &Path) -> Result<(Vec<String>, Coding), DataError> {
    let mut classes = Vec::new();
    let mut coding = Coding { values: Vec::new(), colors: BTreeMap::new() };
    let mut end = 1;
    for (line, text) in lines(path, LAYOUT)? {
        end = line + 1;
        let error = |expected: &str| DataError::Line {
            path: path.into(),
            line,
            found: text.clone(),
            expected: expected.into(),
        };
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let Some((color, name)) = color_and_name(trimmed) else {
            return Err(error("`red green blue name` with colors from 0 to 255"));
        };
        let label = if name == IGNORED_NAME {
            IGNORED
        } else {
            classes.push(name.to_owned());
            classes.len() as u32 - 1
        };
        coding.values.push(label);
        if coding.colors.insert(color, label).is_some() {
            return Err(error("of a color that no earlier line has"));
        }
    }
    if classes.is_empty() {
        let expected = "a class: there are no classes";
        return Err(DataError::Line {
            path: path.into(),
            line: end,
            found: String::new(),
            expected: expected.into(),
        });
    }
    Ok((classes, coding))
}

/// The color and the name of a line of the palette.
fn color_and_name(line: &str) -> Option<([u8; 3], &str)> {
    let mut rest = line;
    let mut color = [0; 3];
    for value in &mut color {
        let (word, after) = rest.split_once(char::is_whitespace)?;
        *value = word.parse().ok()?;
        rest = after.trim_start();
    }
    Some((color, rest))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Dataset;
    use crate::picture::write_png;

    const PALETTE: &str =
        "# what is where\n0 0 0 ground\n\n  255 0 0\tgreen house \n9 9 9 ignored\n0 0 255 sky";

    /// A folder with this palette and two training pairs, `a` in gray and `b` in color.
    fn folder(palette: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["images/train", "masks/train", "images/test", "masks/test"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        fs::write(path("palette.txt"), palette).unwrap();
        write_png(&path("images/train/a.png"), [2, 2], 3, &[1; 12]).unwrap();
        write_png(&path("masks/train/a.png"), [2, 2], 1, &[0, 1, 2, 3]).unwrap();
        write_png(&path("images/train/b.bmp"), [1, 2], 1, &[7, 8]).unwrap();
        write_png(&path("masks/train/b.png"), [1, 2], 3, &[0, 0, 255, 9, 9, 9]).unwrap();
        folder
    }

    fn text(folder: &Path, split: Split) -> String {
        mask_folder(folder, split, &FileOptions::default()).unwrap_err().to_string()
    }

    #[test]
    fn pairs_are_read_by_name_and_the_palette_says_their_classes() {
        let folder = folder(PALETTE);
        fs::write(folder.path().join("images/train/.thumbnails"), "").unwrap();
        let set = mask_folder(folder.path(), Split::Train, &FileOptions::default()).unwrap();
        assert_eq!((set.len(), set.image_size(), set.channels()), (2, None, 3));
        assert_eq!(set.classes(), ["ground", "green house", "sky"]);
        let sample = set.sample(0).unwrap();
        assert_eq!((sample.size, sample.labels.as_ref()), ([2, 2], &[0, 1, IGNORED, 2][..]));
        let sample = set.sample(1).unwrap();
        assert_eq!((sample.size, sample.labels.as_ref()), ([1, 2], &[2, IGNORED][..]));
        assert_eq!(sample.pixels.as_ref(), [7, 7, 7, 8, 8, 8]);
        assert!(
            set.files(1)[0].ends_with("images/train/b.bmp") && set.files(1)[1].ends_with("masks/train/b.png")
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = folder(PALETTE);
        let path = |name: &str| folder.path().join(name);
        let error = text(folder.path(), Split::Test);
        assert!(error.contains("images/test is empty: the folder needs images/train/NAME.jpg"), "{error}");
        fs::remove_file(path("masks/train/a.png")).unwrap();
        let error = text(folder.path(), Split::Train);
        assert!(error.contains("a.png has no mask of the same name in"), "{error}");
        fs::rename(path("images/train/a.png"), path("images/train/b.png")).unwrap();
        let error = text(folder.path(), Split::Train);
        assert!(error.contains("have the same name: keep one of them"), "{error}");
        fs::remove_file(path("images/train/b.png")).unwrap();
        write_png(&path("masks/train/c.png"), [1, 1], 1, &[0]).unwrap();
        let error = text(folder.path(), Split::Train);
        assert!(error.contains("c.png has no image of the same name in"), "{error}");
        fs::remove_dir_all(path("masks/train")).unwrap();
        let error = text(folder.path(), Split::Train);
        assert!(error.contains("masks/train is missing: the folder needs"), "{error}");
        fs::remove_file(path("palette.txt")).unwrap();
        assert!(text(folder.path(), Split::Train).contains("palette.txt is missing: the folder needs"));
    }

    #[test]
    fn what_does_not_fit_is_said_when_it_is_read() {
        let folder = folder("0 0 0 ground\n1 1 1 water");
        let set = mask_folder(folder.path(), Split::Train, &FileOptions::default()).unwrap();
        let error = |index| set.sample(index).unwrap_err().to_string();
        assert!(error(0).contains("row 1, column 0 (from 0) has the value 2"), "{}", error(0));
        assert!(error(1).contains("row 0, column 0 (from 0) has the color 0 0 255"), "{}", error(1));
        fs::write(folder.path().join("images/train/b.bmp"), "no image").unwrap();
        assert!(error(1).contains("b.bmp is a text file, not an image"), "{}", error(1));
    }

    #[test]
    fn lines_of_another_form_are_named() {
        for (palette, expected) in [
            ("0 0 0 a\n1 1 256 b", "line 2 of"),
            ("0 0 0", "`0 0 0`, but must be `red green blue name`"),
            ("0, 0, 0, a", "must be `red green blue name`"),
            ("0 0 0 a\n#\n0 0 0 b", "line 3 of"),
            ("0 0 0 a\n0 0 0 b", "a color that no earlier line has"),
            ("9 9 9 ignored\n", "line 2 of"),
            ("", "must be a class: there are no classes"),
        ] {
            let error = text(folder(palette).path(), Split::Train);
            assert!(error.contains(expected) && error.contains("palette.txt"), "{error}");
        }
    }
}
