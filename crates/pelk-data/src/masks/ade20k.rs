//! ADE20K, and other datasets in the layout of its scene parsing benchmark.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::read::Coding;
use super::{MaskFolder, half, lines};
use crate::{DataError, FileOptions, IGNORED, Split};

/// The file with the classes' names.
pub(crate) const INFO: &str = "objectInfo150.txt";
/// The same as the set's toolkit has it.
pub(crate) const TOOLKIT_INFO: &str = "objectInfo150.csv";
/// The folder at the top of the published archive.
const TOP: &str = "ADEChallengeData2016";
const LAYOUT: &str = "unpack http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip there, \
                      or use its layout: objectInfo150.txt, images/training/NAME.jpg, \
                      annotations/training/NAME.png, the same with validation";

/// The folders of a split in this layout.
pub(crate) struct Folders {
    pub pictures: PathBuf,
    pub masks: PathBuf,
}

impl Folders {
    pub fn new(folder: &Path, split: Split) -> Folders {
        let name = match split {
            Split::Train => "training",
            Split::Test => "validation",
        };
        let [pictures, masks] = ["images", "annotations"].map(|part| folder.join(part).join(name));
        Folders { pictures, masks }
    }
}

/// Opens the training or the validation set of ADE20K's scene parsing benchmark (Zhou et al., Scene Parsing
/// through ADE20K Dataset; 20210 and 2000 images, 150 classes) from `folder`, the unpacked
/// [archive](http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip) or the folder around it.
///
/// Other datasets in this layout work as well: `images/training/NAME.jpg` (or PNG and others),
/// `annotations/training/NAME.png` in gray, the same with `validation`, and `objectInfo150.txt` with a row
/// per class: columns separated by tabs, `Idx` first, counted from 1, and one called `Name`, whose part
/// before the first comma counts; or `objectInfo150.csv`, with commas between columns and semicolons between
/// names. The value 0 is [`IGNORED`], any other the `Idx` of a class; 255 is ignored,
/// too, unless there are as many classes.
///
/// # Errors
/// [`DataError`] with the file if one is missing or without its counterpart, or a row is not as above; when a
/// sample is read, also if an annotation has another size than its image, or a value beyond the classes.
pub fn ade20k(
    folder: impl AsRef<Path>,
    split: Split,
    options: &FileOptions,
) -> Result<MaskFolder, DataError> {
    let top = folder.as_ref();
    let inside = top.join(TOP);
    let folder = if inside.is_dir() { &inside } else { top };
    let classes = classes(folder)?;
    let values = std::iter::once(IGNORED).chain(0..classes.len() as u32).collect();
    let names = match split {
        Split::Train => ["training", "train"],
        Split::Test => ["validation", "val"],
    };
    let [pictures, masks] = ["images", "annotations"].map(|part| half(&folder.join(part), &names));
    let coding = Coding { values, colors: BTreeMap::new() };
    MaskFolder::open(top, [&pictures, &masks], classes, coding, LAYOUT, options)
}

/// The names in the table of classes: columns are separated by tabs, or by commas in the table of the set's
/// toolkit, whose names of one class are separated by semicolons.
fn classes(folder: &Path) -> Result<Vec<String>, DataError> {
    let (mut path, comma) = (folder.join(INFO), folder.join(TOOLKIT_INFO));
    if !path.is_file() && comma.is_file() {
        path = comma;
    }
    let path = path.as_path();
    let lines = lines(path, LAYOUT)?;
    let error = |line: usize, found: &str, expected: String| DataError::Line {
        path: path.into(),
        line,
        found: found.into(),
        expected,
    };
    let header = lines.first().map_or("", |(_, text)| text.as_str());
    let between = if header.contains('\t') { '\t' } else { ',' };
    let columns: Vec<&str> = header.split(between).map(unquoted).collect();
    let column = columns.iter().position(|name| *name == "Name");
    let Some(column) = column.filter(|_| columns[0] == "Idx") else {
        return Err(error(
            1,
            header,
            "columns separated by tabs, `Idx` the first and one called `Name`".into(),
        ));
    };
    let mut classes = Vec::new();
    for (line, text) in lines.iter().skip(1).filter(|(_, text)| !text.trim().is_empty()) {
        let cells: Vec<&str> = text.split(between).map(unquoted).collect();
        let number = classes.len() + 1;
        let name = cells.get(column).and_then(|names| names.split([',', ';']).next()).map_or("", str::trim);
        if cells[0] != number.to_string() || name.is_empty() {
            return Err(error(*line, text, format!("class {number} and its name in column {}", column + 1)));
        }
        classes.push(name.to_owned());
    }
    if classes.is_empty() {
        return Err(error(lines.len() + 1, "", "class 1 and its name: there are no classes".into()));
    }
    Ok(classes)
}

/// A cell without the spaces and quotes around it.
fn unquoted(cell: &str) -> &str {
    cell.trim().trim_matches('"').trim()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Dataset;
    use crate::picture::write_png;

    const TABLE: &str =
        "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.2\t9\t1\t1\twall\n2 \t0.1\t6\t1\t0\tdoor, gate \n";

    /// A folder with this table and a validation image.
    fn folder(table: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(TOP).join(name);
        for name in ["images/validation", "annotations/validation"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        fs::write(path(INFO), table).unwrap();
        let gray = image::GrayImage::from_pixel(3, 2, image::Luma([200]));
        gray.save(path("images/validation/ADE_val_1.jpg")).unwrap();
        write_png(&path("annotations/validation/ADE_val_1.png"), [2, 3], 1, &[0, 1, 2, 2, 1, 0]).unwrap();
        folder
    }

    #[test]
    fn value_0_is_ignored_and_the_others_are_the_classes() {
        let folder = folder(TABLE);
        for path in [folder.path().to_path_buf(), folder.path().join(TOP)] {
            let set = ade20k(path, Split::Test, &FileOptions::default()).unwrap();
            assert_eq!((set.len(), set.classes()), (1, &["wall".to_owned(), "door".to_owned()][..]));
            let sample = set.sample(0).unwrap();
            assert_eq!((sample.size, sample.pixels.len()), ([2, 3], 18));
            assert_eq!(sample.labels.as_ref(), [IGNORED, 0, 1, 1, 0, IGNORED]);
            assert!(sample.pixels.iter().all(|&byte| byte.abs_diff(200) <= 1), "gray becomes color");
        }
    }

    #[test]
    fn the_table_of_the_toolkit_is_read() {
        let text =
            "\u{feff}Idx,Ratio,Train,Val,Stuff,Name\r\n1,0.2,1,1,1,\"wall\"\r\n2,0.1,1,1,0,door;gate\r\n";
        let folder = folder(text);
        let path = |name: &str| folder.path().join(TOP).join(name);
        fs::rename(path(INFO), path(TOOLKIT_INFO)).unwrap();
        let set = ade20k(folder.path(), Split::Test, &FileOptions::default()).unwrap();
        assert_eq!(set.classes(), ["wall", "door"]);
        assert_eq!(set.sample(0).unwrap().labels[1], 0);
    }

    #[test]
    fn values_beyond_the_table_are_errors() {
        let shorter = folder("Idx\tName\n1\twall\n");
        let error = ade20k(shorter.path(), Split::Test, &FileOptions::default())
            .unwrap()
            .sample(0)
            .unwrap_err()
            .to_string();
        assert!(
            error
                .contains("row 0, column 2 (from 0) has the value 2, which stands for none of the 1 classes"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_folder_or_table_says_where_to_get_the_set() {
        let folder = folder(TABLE);
        let text = |path: &Path, split| ade20k(path, split, &FileOptions::default()).unwrap_err().to_string();
        let error = text(folder.path(), Split::Train);
        assert!(error.contains("images/training is missing: unpack http://data.csail.mit.edu/"), "{error}");
        fs::remove_file(folder.path().join(TOP).join(INFO)).unwrap();
        let error = text(folder.path(), Split::Test);
        assert!(error.contains("objectInfo150.txt is missing: unpack http"), "{error}");
    }

    #[test]
    fn rows_of_another_form_are_named() {
        for (table, expected) in [
            ("", "line 1 of"),
            ("Idx\tRatio\n", "`Idx\tRatio`, but must be columns separated by tabs"),
            ("Name\tIdx\n", "must be columns separated by tabs"),
            ("Idx\tName\n", "line 2 of"),
            ("Idx\tName\n2\twall\n", "must be class 1 and its name in column 2"),
            ("Idx\tName\n1\twall\n2\n", "line 3 of"),
            ("Idx\tName\n1\t ,wall\n", "must be class 1"),
            ("Idx,Name\n1,wall\n3,x\n", "must be class 2"),
        ] {
            let error =
                ade20k(folder(table).path(), Split::Test, &FileOptions::default()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("objectInfo150.txt"), "{error}");
        }
    }
}
