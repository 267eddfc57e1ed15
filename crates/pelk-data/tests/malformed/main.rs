//! Thousands of mutations of pictures, arrays and tables: each is read or is an error that names the file;
//! none panics, takes a second or much memory. A single test in its own process, to measure its peak memory.
//! A picture that once did worse belongs into `fixtures/pictures`.

mod mutations;
mod readers;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mutations::{mutated, with_checksums};
use pelk_random::{Purpose, stream};
use rand::RngExt;
use readers::{Reader, pictures, tables};

/// Mutations of each format.
const COUNT: usize = 3000;
/// The longest time that a file may take, on a machine that does nothing else.
const LIMIT: Duration = Duration::from_secs(1);
/// After this time a file hangs, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Limit on the increase of peak memory.
const MEMORY: u64 = 500 << 20;

/// Peak memory of this process, in bytes; `None` if the system does not report it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}

/// Whether the file in the folder was read, and the seconds that it took.
fn read(reader: &Reader, folder: &Path) -> (bool, Duration) {
    let start = Instant::now();
    let is_read = (reader.read)(folder).unwrap_or_else(|error| {
        let (name, text) = (reader.file, error.to_string());
        assert!(text.contains(name), "{name}: {text}");
        assert!(!text.contains('\n') && text.len() < 600, "{name}: {text}");
        false
    });
    (is_read, start.elapsed())
}

/// Reads all mutations of a format and sends for each what was done and how it went.
fn mutate(reader: &Reader, folder: &Path, sender: &mpsc::Sender<(String, bool, Duration)>) {
    let (name, files) = (reader.name, &reader.files);
    let mut rng = stream(7, Purpose::Augment, 0, pelk_random::name_hash(name));
    let folder = folder.join(name);
    fs::create_dir(&folder).unwrap();
    for number in 0..COUNT {
        let [file, other] = [0; 2].map(|_| &files[rng.random_range(0..files.len())]);
        let mut bytes = mutated(file, other, &mut rng);
        if name == "PNG" && number % 4 != 0 {
            bytes = with_checksums(bytes);
        }
        fs::write(folder.join(reader.file), &bytes).unwrap();
        let (is_read, mut time) = read(reader, &folder);
        if time > LIMIT {
            // Others may have taken the time.
            time = time.min(read(reader, &folder).1);
        }
        sender.send((format!("{name} {number}, {} bytes", bytes.len()), is_read, time)).unwrap();
    }
}

#[test]
fn mutated_files_neither_panic_nor_hang_nor_fill_the_memory() {
    // Panics of decoders are errors that name the file.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !pelk_data::decoding() {
            hook(panic);
        }
    }));
    let before = peak_memory();
    let folder = tempfile::tempdir().unwrap();
    let (sender, receiver) = mpsc::channel();
    let place = folder.path().to_owned();
    let worker = std::thread::spawn(move || {
        for reader in pictures().iter().chain(&tables()) {
            mutate(reader, &place, &sender);
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
