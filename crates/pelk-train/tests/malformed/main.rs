//! Thousands of malformed inputs of all kinds: each causes an error, or is still valid and read; none causes a
//! panic, hangs or fills the memory. A single test in its own process, to measure its peak memory.

#![expect(clippy::print_stdout, reason = "an abort leaves no other trace")]

#[path = "../training/common.rs"]
mod common;
mod mutations;

use common::{TEXT, config, train};
use pelk_data::{Dataset, Split, cifar10, idx, read_rgb};
use pelk_train::{Checkpoint, Origin, TrainConfig, TrainError};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// Reading an input takes milliseconds; after this time it hangs, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Limit on the increase of peak memory: the largest allowed picture takes 256 MiB.
const MEMORY: u64 = 512 << 20;

/// The result of reading a file.
type Answer = Result<(), String>;

struct Case {
    /// What was done to the file.
    name: String,
    /// Name of the file.
    file: &'static str,
    bytes: Box<dyn Fn() -> Vec<u8> + Send>,
    read: fn(&Path) -> Answer,
    /// Whether it could also be valid.
    maybe_valid: bool,
}

#[derive(Default)]
struct Cases(Vec<Case>);

/// A format: the name of its files, their reader, and an intact file.
#[derive(Clone, Copy)]
struct Format<'a> {
    file: &'static str,
    read: fn(&Path) -> Answer,
    whole: &'a [u8],
}

impl Cases {
    fn add(
        &mut self,
        format: Format,
        name: &str,
        maybe_valid: bool,
        bytes: impl Fn() -> Vec<u8> + Send + 'static,
    ) {
        let name = format!("{}: {name}", format.file);
        self.0.push(Case { name, file: format.file, bytes: Box::new(bytes), read: format.read, maybe_valid });
    }

    /// Adds `count` truncated files.
    fn truncate(&mut self, format: Format, count: usize) {
        for number in 0..count {
            let part = format.whole[..format.whole.len() * number / count].to_vec();
            self.add(format, &format!("cut after {} bytes", part.len()), false, move || part.clone());
        }
    }

    /// Adds `count` files with one flipped bit, in the first `header` bytes or anywhere.
    fn flip(&mut self, format: Format, count: usize, header: usize) {
        let mut state = 7_u64;
        for number in 0..count {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let length = if number % 2 == 0 { header.min(format.whole.len()) } else { format.whole.len() };
            let bit = (state >> 33) as usize % (8 * length);
            let mut bytes = format.whole.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            self.add(format, &format!("bit {bit} is another"), true, move || bytes.clone());
        }
    }

    /// Adds a file with these bytes at an offset.
    fn put(&mut self, format: Format, name: &str, place: usize, bytes: &[u8]) {
        let mut whole = format.whole.to_vec();
        whole[place..place + bytes.len()].copy_from_slice(bytes);
        self.add(format, name, false, move || whole.clone());
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn labels(path: &Path) -> Answer {
    idx::read_idx::<1>(path).map(|_| ()).map_err(text)
}

fn images(path: &Path) -> Answer {
    idx::read_idx::<3>(path).map(|_| ()).map_err(text)
}

fn cifar(path: &Path) -> Answer {
    cifar10(path.parent().unwrap(), Split::Test).map_err(text).map(|set| {
        assert!((0..set.len()).all(|index| set.label(index) < set.classes().len() as u32));
    })
}

fn picture(path: &Path) -> Answer {
    read_rgb(path).map_err(text).map(|(size, pixels)| assert_eq!(pixels.len(), 3 * size[0] * size[1]))
}

fn settings(path: &Path) -> Answer {
    let text_of = fs::read_to_string(path).map_err(|error| format!("settings.toml: {error}"))?;
    TrainConfig::parse("settings.toml", &text_of, &[]).map(|_| ()).map_err(text)
}

/// The file's text as a single setting.
fn setting(path: &Path) -> Answer {
    let setting = fs::read_to_string(path).unwrap();
    TrainConfig::parse("set", TEXT, std::slice::from_ref(&setting)).map(|_| ()).map_err(
        |error| match &error {
            TrainError::Configuration { origin: Origin::Setting(given), .. } if *given == setting => {
                format!("the setting: {error}")
            }
            _ => error.to_string(),
        },
    )
}

fn checkpoint(path: &Path) -> Answer {
    Checkpoint::read(path).map(|_| ()).map_err(text)
}

fn idx_cases(cases: &mut Cases) {
    let plain: Vec<u8> = [vec![0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6], vec![9; 120]].concat();
    let plain = Format { file: "images-idx3", read: images, whole: &plain };
    cases.truncate(plain, 17);
    cases.flip(plain, 24, 16);
    for (name, sizes) in [
        ("sizes beyond 2^64", [u32::MAX; 3]),
        ("2^31 values announced", [1 << 31, 1, 1]),
        ("2^31 and 1", [(1 << 31) + 1, 1, 1]),
        ("sizes of 2^16, the product 0 in 32 bits", [1 << 16, 1 << 16, 1]),
        ("no images", [0, 5, 6]),
    ] {
        cases.put(plain, name, 4, &sizes.map(u32::to_be_bytes).concat());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/fashion-mnist");
    let packed = fs::read(root.join("t10k-labels-idx1-ubyte.gz")).unwrap();
    let packed = Format { file: "labels-idx1.gz", read: labels, whole: &packed };
    cases.truncate(packed, 17);
    cases.flip(packed, 24, 64);
}

fn cifar_cases(cases: &mut Cases) {
    const RECORD: usize = 3073;
    let format = Format { file: "test_batch.bin", read: cifar, whole: &[] };
    for length in [0, 1, RECORD, RECORD * 10_000 - 1, RECORD * 9_999, RECORD * 10_000 + 1, RECORD * 20_000] {
        cases.add(format, &format!("{length} bytes"), false, move || vec![0; length]);
    }
    for (record, label) in [(0, 10), (1, 255), (9_999, 10)] {
        cases.add(format, &format!("label {label} in record {record}"), false, move || {
            let mut bytes = vec![0; RECORD * 10_000];
            bytes[RECORD * record] = label;
            bytes
        });
    }
    cases.add(format, "other pixels", true, || {
        (0..RECORD * 10_000).map(|i| (i % RECORD % 10) as u8).collect()
    });
}

fn picture_cases(cases: &mut Cases) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pelk-data/tests/fixtures/pictures");
    for name in ["420.jpg", "progressive.jpg", "restarts.jpg", "cmyk.jpg", "gray.jpg"] {
        let whole = fs::read(fixtures.join(name)).unwrap();
        let format = Format { file: name, read: picture, whole: &whole };
        cases.truncate(format, 12);
        cases.flip(format, 40, usize::MAX);
        let frame = whole.windows(2).position(|mark| matches!(mark, [0xff, 0xc0 | 0xc2])).unwrap();
        for (sizes, what) in
            [([0xff; 4], "65535 x 65535 pixels"), ([0, 0, 0, 21], "no height"), ([0, 14, 0, 0], "no width")]
        {
            cases.put(format, what, frame + 5, &sizes);
        }
        if ["420.jpg", "progressive.jpg"].contains(&name) {
            // The data end early, with an end marker: the rest is gray, as in libjpeg, which only warns.
            let mut large = whole.clone();
            large[frame + 5..frame + 9].copy_from_slice(&[0x24, 0xf2, 0x24, 0xf2]);
            cases.add(format, "9458 x 9458 pixels, just below what is read", true, move || large.clone());
        }
        cases.put(format, "255 components", frame + 9, &[255]);
        cases.put(format, "a segment without an end", frame + 2, &[0xff, 0xff]);
    }
    for name in
        ["alpha.png", "palette.png", "interlaced.png", "deep.png", "colors.gif", "colors.webp", "colors.tif"]
    {
        let whole = fs::read(fixtures.join(name)).unwrap();
        let format = Format { file: name, read: picture, whole: &whole };
        cases.flip(format, 24, 64);
        if name.ends_with("png") {
            // The end marker is not required.
            cases.truncate(Format { whole: &whole[..whole.len() - 12], ..format }, 12);
            for (side, what) in
                [(0x7fff_ffff_u32, "2^31 x 2^31 pixels"), (9458, "9458 x 9458"), (0, "no pixels")]
            {
                cases.put(format, what, 16, &[side.to_be_bytes(), side.to_be_bytes()].concat());
            }
            cases.put(format, "a chunk of 2^31 bytes", 33, &[0x7f, 0xff, 0xff, 0xff]);
        }
    }
    let empty = Format { file: "other.jpg", read: picture, whole: &[] };
    for (name, bytes) in [
        ("no picture", &b"<html>not found</html>"[..]),
        ("PNM of 2^32 pixels a side", b"P6 4294967295 4294967295 255\n"),
        ("PNM of numbers without an end", b"P2 9 9 255\n999999999999999999999999999999999"),
        (
            "BMP of 2^31 pixels a side",
            b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\xff\xff\xff\x7f\
               \xff\xff\xff\x7f\x01\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ),
        ("GIF of 65535 pixels a side", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\0;"),
        ("only the marks of JPEG", b"\xff\xd8\xff\xd9"),
        ("fill without an end", &[[0xff, 0xd8].as_slice(), &[0xff; 4000]].concat()),
    ] {
        let bytes = bytes.to_vec();
        cases.add(empty, name, false, move || bytes.clone());
    }
}

fn settings_cases(cases: &mut Cases) {
    let format = Format { file: "settings.toml", read: settings, whole: TEXT.as_bytes() };
    let after = |what: &str| format!("model.name = \"pelk_atto\"\ndata.dataset = \"mnist\"\n{what}\n");
    cases.flip(format, 40, usize::MAX);
    for length in [0, 5, 20, 60] {
        cases.add(format, &format!("cut after {length}"), false, move || TEXT.as_bytes()[..length].to_vec());
    }
    for (name, bytes) in [
        ("lists within lists", after(&format!("x = {}", "[".repeat(100_000)))),
        ("whole lists within lists", after(&format!("x = {}{}", "[".repeat(100_000), "]".repeat(100_000)))),
        ("tables within tables", after(&format!("x = {}", "{a=".repeat(100_000)))),
        ("a key of 100,000 parts", after(&format!("{}a = 1", "a.".repeat(100_000)))),
        ("a table of 100,000 parts", after(&format!("[{}a]", "a.".repeat(100_000)))),
        ("a number of 100,000 digits", after(&format!("seed = {}", "9".repeat(100_000)))),
        ("a negative seed", after("seed = -1")),
        ("a size beyond 64 bits", after("batch.size = 99999999999999999999")),
        ("a learning rate that is not a number", after("optimizer.learning_rate = nan")),
        ("an infinite learning rate", after("optimizer.learning_rate = inf")),
        ("an infinite number of epochs", after("schedule.epochs = inf")),
        ("a text where a number belongs", after("batch.size = \"8\"")),
        ("a table where a number belongs", after("batch = 3")),
        ("a key twice", after("seed = 1\nseed = 2")),
        ("an unknown key", after("sed = 1")),
        ("a text without an end", after("weights = \"")),
        ("zero bytes", "\0".repeat(100)),
    ] {
        cases.add(format, name, false, move || bytes.clone().into_bytes());
    }
    cases.add(format, "bytes that are no text", false, || vec![0xff, 0xfe, 0, 1]);
    let format = Format { file: "setting", read: setting, whole: &[] };
    for (name, bytes) in [
        ("a key of 100,000 parts", format!("{}a=1", "a.".repeat(100_000))),
        ("lists within lists", format!("seed={}", "[".repeat(100_000))),
        ("whole lists within lists", format!("seed={}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ("no value", "seed=".to_owned()),
        ("nothing", String::new()),
        ("dots", "....=1".to_owned()),
    ] {
        cases.add(format, name, false, move || bytes.clone().into_bytes());
    }
}

fn checkpoint_cases(cases: &mut Cases, whole: &[u8]) {
    let format = Format { file: "last.safetensors", read: checkpoint, whole };
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap());
    cases.truncate(format, 25);
    cases.flip(format, 60, 8 + header as usize);
    for (name, length) in [
        ("a header of 2^60 bytes", 1_u64 << 60),
        ("a header of 2^64 - 1 bytes", u64::MAX),
        ("a header of 2^63 bytes", 1 << 63),
        ("an empty header", 0),
        ("a header one byte short", header - 1),
        ("a header one byte long", header + 1),
        ("a header as long as the file", whole.len() as u64),
    ] {
        cases.put(format, name, 0, &length.to_le_bytes());
    }
    for (name, json) in [
        ("lists within lists", "[".repeat(100_000)),
        ("tables within tables", "{\"a\":".repeat(100_000)),
        (
            "a shape beyond 64 bits",
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#.to_owned(),
        ),
        (
            "a shape of 2^62 values",
            r#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}"#.to_owned(),
        ),
        ("offsets that go back", r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#.to_owned()),
        (
            "offsets beyond the end",
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[1000,1004]}}"#.to_owned(),
        ),
        ("another type of values", r#"{"a":{"dtype":"I64","shape":[0],"data_offsets":[0,0]}}"#.to_owned()),
        ("no description", r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#.to_owned()),
        ("a description of another format", r#"{"__metadata__":{"pelk":"{\"format\":99}"}}"#.to_owned()),
        ("a description that is no JSON", r#"{"__metadata__":{"pelk":"{"}}"#.to_owned()),
        (
            "a description of lists within lists",
            format!(r#"{{"__metadata__":{{"pelk":"{}"}}}}"#, "[".repeat(100_000)),
        ),
    ] {
        let bytes = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &[0; 4]].concat();
        cases.add(format, name, false, move || bytes.clone());
    }
}

/// Peak memory of this process, in bytes; `None` if the system does not report it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}

/// Reads a file on its own thread, so that a hang or panic is reported with the name of the case.
fn read(name: &str, path: PathBuf, read: fn(&Path) -> Answer) -> Answer {
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || sender.send(read(&path)));
    match receiver.recv_timeout(PATIENCE) {
        Ok(answer) => answer,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{name}: still not read"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let panicked = reader.join().expect_err("it sent nothing");
            let message = panicked.downcast_ref::<String>().map(String::as_str);
            let message = message.or_else(|| panicked.downcast_ref::<&str>().copied()).unwrap_or("");
            panic!("{name}: panicked: {message}")
        }
    }
}

#[test]
fn malformed_files_are_errors_and_neither_panic_nor_hang_nor_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    train(config(&[]), folder.path(), 2);
    let whole = fs::read(folder.path().join("last.safetensors")).unwrap();
    fs::write(folder.path().join("batches.meta.txt"), "class\n".repeat(10)).unwrap();
    let mut cases = Cases::default();
    idx_cases(&mut cases);
    cifar_cases(&mut cases);
    picture_cases(&mut cases);
    settings_cases(&mut cases);
    checkpoint_cases(&mut cases, &whole);
    assert!(cases.0.len() > 600, "{}", cases.0.len());

    let before = peak_memory();
    let mut wrong = Vec::new();
    for case in &cases.0 {
        // An abort leaves no message, but with --nocapture the last line is the name of the case.
        println!("{}", case.name);
        let path = folder.path().join(case.file);
        fs::write(&path, (case.bytes)()).unwrap();
        match read(&case.name, path, case.read) {
            Ok(()) if case.maybe_valid => {}
            Ok(()) => wrong.push(format!("{}: was read", case.name)),
            // The message names the file, the setting or the key.
            Err(message)
                if [case.file, "the setting", "configuration key"]
                    .iter()
                    .any(|name| message.contains(name)) => {}
            Err(message) => wrong.push(format!("{}: does not say where: {message}", case.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    mutations::run(folder.path(), &whole);
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        println!("{} inputs, {} MiB more than before", cases.0.len(), (after - before) >> 20);
        assert!(after - before < MEMORY, "{} MiB more than before", (after - before) >> 20);
    }
}
