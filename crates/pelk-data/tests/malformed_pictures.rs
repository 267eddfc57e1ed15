//! Thousands of mutations of the pictures in `fixtures/pictures`: each is read or is an error that names the
//! file; none panics, takes a second or much memory. A single test in its own process, to measure its peak
//! memory. A file that once did worse belongs into the folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pelk_data::read_rgb;
use pelk_random::{Purpose, stream};
use rand::{Rng, RngExt};

/// Mutations of each format.
const COUNT: usize = 3000;
/// The longest time that a file may take, on a machine that does nothing else.
const LIMIT: Duration = Duration::from_secs(1);
/// After this time a file hangs, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Limit on the increase of peak memory.
const MEMORY: u64 = 500 << 20;

/// Bytes that headers treat specially.
const BYTES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0xd9, 0xfe, 0xff];

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

/// A damaged copy of a file; `other` is another file of the same format.
fn mutated(whole: &[u8], other: &[u8], rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..rng.random_range(1..5) {
        if bytes.is_empty() {
            break;
        }
        // Half of them in the header.
        let end = if rng.random() { bytes.len().min(80) } else { bytes.len() };
        let place = rng.random_range(0..end);
        let length = rng.random_range(1..33).min(bytes.len() - place);
        match rng.random_range(0..9) {
            0 => bytes[place] ^= 1 << rng.random_range(0..8),
            1 => bytes[place] = BYTES[rng.random_range(0..BYTES.len())],
            2 => {
                let number = 1_u32.wrapping_shl(rng.random_range(0..33)).wrapping_sub(rng.random_range(0..2));
                let number = if rng.random() { number.to_be_bytes() } else { number.to_le_bytes() };
                let part = &mut bytes[place..][..length.min(4)];
                part.copy_from_slice(&number[..part.len()]);
            }
            3 => rng.fill_bytes(&mut bytes[place..place + length]),
            4 => bytes.truncate(place),
            5 => drop(bytes.drain(place..place + length)),
            6 => {
                let part = bytes[place..place + length].to_vec();
                bytes.splice(place..place, part);
            }
            7 => {
                let byte = BYTES[rng.random_range(0..BYTES.len())];
                bytes.splice(place..place, vec![byte; length]);
            }
            _ => {
                bytes.truncate(place);
                bytes.extend(&other[place.min(other.len())..]);
            }
        }
    }
    bytes
}

/// Gives the chunks of a PNG correct checksums, so that decoders look further.
fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut place = 8;
    while let Some(length) = bytes.get(place..).and_then(|rest| rest.first_chunk::<4>()) {
        let end = place + 8 + u32::from_be_bytes(*length) as usize;
        if bytes.len() < end + 4 {
            break;
        }
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[place + 4..end]);
        bytes[end..end + 4].copy_from_slice(&crc.sum().to_be_bytes());
        place = end + 4;
    }
    bytes
}

/// Peak memory of this process, in bytes; `None` if the system does not report it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}

/// Whether the file was read, and the seconds that it took.
fn read(path: &Path) -> (bool, Duration) {
    let start = Instant::now();
    let read = match read_rgb(path) {
        Ok((size, pixels)) => {
            assert_eq!(pixels.len(), 3 * size[0] * size[1], "{}", path.display());
            true
        }
        Err(error) => {
            let (name, text) = (path.file_name().unwrap().to_str().unwrap(), error.to_string());
            assert!(text.contains(name), "{name}: {text}");
            assert!(!text.contains('\n') && text.len() < 600, "{name}: {text}");
            false
        }
    };
    (read, start.elapsed())
}

/// Reads all mutations of a format and sends for each what was done and how it went.
fn mutate(format: &str, files: &[Vec<u8>], folder: &Path, sender: &mpsc::Sender<(String, bool, Duration)>) {
    let mut rng = stream(7, Purpose::Augment, 0, pelk_random::name_hash(format));
    let path = folder.join(format!("mutated-{format}"));
    for number in 0..COUNT {
        let [file, other] = [0; 2].map(|_| &files[rng.random_range(0..files.len())]);
        let mut bytes = mutated(file, other, &mut rng);
        if format == "PNG" && number % 4 != 0 {
            bytes = with_checksums(bytes);
        }
        fs::write(&path, &bytes).unwrap();
        let (is_read, mut time) = read(&path);
        if time > LIMIT {
            // Others may have taken the time.
            time = time.min(read(&path).1);
        }
        sender.send((format!("{format} {number}, {} bytes", bytes.len()), is_read, time)).unwrap();
    }
}

#[test]
fn mutated_pictures_neither_panic_nor_hang_nor_fill_the_memory() {
    // Panics of decoders are errors that name the file.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !pelk_data::decoding() {
            hook(panic);
        }
    }));
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut files: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    for path in paths {
        let ending = path.extension().unwrap().to_str().unwrap();
        if let Some((format, _)) = FORMATS.iter().find(|(_, endings)| endings.contains(&ending)) {
            files.entry(format).or_default().push(fs::read(&path).unwrap());
        }
    }
    assert_eq!(files.len(), FORMATS.len());

    let before = peak_memory();
    let folder = tempfile::tempdir().unwrap();
    let (sender, receiver) = mpsc::channel();
    let place = folder.path().to_owned();
    let worker = std::thread::spawn(move || {
        for (format, files) in &files {
            mutate(format, files, &place, &sender);
        }
    });
    let (mut last, mut counts, mut slow) = (String::new(), BTreeMap::new(), Vec::new());
    loop {
        match receiver.recv_timeout(PATIENCE) {
            Ok((name, is_read, time)) => {
                let format = name.split(' ').next().unwrap_or_default().to_owned();
                counts.entry(format).or_insert([0; 2])[usize::from(is_read)] += 1;
                if time > LIMIT {
                    slow.push(format!("{name}: {time:?}"));
                }
                last = name;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("the file after {last} is still not read"),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    worker.join().unwrap_or_else(|_| panic!("the file after {last} panicked"));
    assert!(slow.is_empty(), "{}", slow.join("\n"));
    for (format, [errors, read]) in &counts {
        assert_eq!(errors + read, COUNT);
        assert!(*errors > COUNT / 10 && *read > COUNT / 100, "{format}: {errors} errors, {read} read");
    }
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        assert!(after - before < MEMORY, "{} MiB more than before", (after - before) >> 20);
    }
}
