//! Thousands of random changes to a configuration and to a checkpoint: each result is an error, or is read and
//! put to use; none panics, hangs or fills the memory.

use crate::common::{TEXT, config, datasets, restored};
use crate::{Answer, read, text};
use pelk_train::presets::configuration;
use pelk_train::{Checkpoint, TrainConfig, least_memory};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Changed files of each kind.
const COUNT: usize = 3000;
/// No file takes longer than this.
const LONGEST: Duration = Duration::from_secs(1);

/// Values at the edges of what numbers can be, and pieces of both formats.
const PIECES: [&str; 34] = [
    "0",
    "-1",
    "1",
    "65537",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "99999999999999999999",
    "1e308",
    "-1e308",
    "1e-320",
    "nan",
    "-inf",
    "null",
    "true",
    "\"\"",
    "\"pelk_t\"",
    "[]",
    "{}",
    "[[[[",
    "[0, 0]",
    "[1000000, 1000000, 1000000]",
    "\n[model]\n",
    "\nbatch = 3\n",
    "=",
    ".",
    ",",
    "\"",
    "\\u0000",
    "\u{feff}",
    "\0",
    "#",
    "'''",
];

/// A stream of random numbers.
pub struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    /// Changes one or two places: bits, bytes, ranges, and whole numbers.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(2) {
            let at = self.below(bytes.len());
            let range = at..(at + self.below(40)).min(bytes.len());
            match self.below(7) {
                0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
                1 => drop(bytes.drain(range)),
                2 => {
                    let copied = bytes[range].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, copied);
                }
                3 => {
                    let piece = PIECES[self.below(PIECES.len())];
                    bytes.splice(at..at, piece.bytes());
                }
                // Most changes leave the structure as it is, so that the values are looked at too.
                _ => {
                    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-._e".contains(byte);
                    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit) else { continue };
                    let start = at + start;
                    let length = bytes[start..].iter().take_while(|byte| is_part(byte)).count();
                    let old = std::str::from_utf8(&bytes[start..start + length]).unwrap_or_default();
                    let piece = match (self.below(4), old.parse::<u64>()) {
                        (0, Ok(number)) => number.wrapping_mul(2).to_string(),
                        (1, Ok(number)) => (number / 2).to_string(),
                        _ => PIECES[self.below(23)].to_owned(),
                    };
                    bytes.splice(start..start + length, piece.bytes());
                }
            }
        }
    }
}

/// Reads a configuration; one that is accepted must also say at once what it needs.
fn settings(path: &Path) -> Answer {
    let content = fs::read(path).unwrap();
    let content = String::from_utf8_lossy(&content);
    let config = TrainConfig::parse("settings.toml", &content, &[]).map_err(text)?;
    // Many do not fit these data, which is an error too.
    let _ = least_memory(&config, &datasets());
    Ok(())
}

/// Reads a checkpoint; one that is accepted must also resume or be refused.
fn checkpoint(path: &Path) -> Answer {
    Checkpoint::read(path).map_err(text)?;
    restored(config(&[]), path).map(drop).map_err(text)
}

/// Changes files of both kinds in a folder; `whole` is a checkpoint.
pub fn run(folder: &Path, whole: &[u8]) {
    let mut random = Random(7);
    let presets = ["scenes", "scenes-detection", "imagenet-pelk-t", "ade20k-pelk-t"];
    let presets = presets.map(|name| configuration(Some(name), None, &[]).unwrap().1.to_toml().unwrap());
    // With every value written out, and fitting the data.
    let fitting = config(&[]).to_toml().unwrap();
    let fitting = [fitting.as_bytes(), TEXT.as_bytes()].repeat(presets.len() / 2);
    let texts: Vec<&[u8]> = presets.iter().map(String::as_bytes).chain(fitting).collect();
    let mut accepted = 0;
    for number in 0..COUNT {
        let mut bytes = texts[number % texts.len()].to_vec();
        random.change(&mut bytes);
        accepted += usize::from(quick(&folder.join("mutated.toml"), &bytes, number, settings).is_ok());
    }
    assert!(accepted > COUNT / 25, "only {accepted} changed configurations are still valid");

    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut accepted = 0;
    for number in 0..COUNT {
        let mut bytes = whole.to_vec();
        if number % 4 == 0 {
            random.change(&mut bytes);
        } else {
            // With the right length, so that the text is looked at too.
            let mut json = whole[8..header].to_vec();
            random.change(&mut json);
            bytes = [&(json.len() as u64).to_le_bytes()[..], &json, &whole[header..]].concat();
        }
        accepted += usize::from(quick(&folder.join("mutated"), &bytes, number, checkpoint).is_ok());
    }
    assert!(accepted > COUNT / 100, "only {accepted} changed checkpoints are still valid");
}

/// Reads a changed file, in at most [`LONGEST`].
fn quick(path: &Path, bytes: &[u8], number: usize, reader: fn(&Path) -> Answer) -> Answer {
    fs::write(path, bytes).unwrap();
    let once = || {
        let begin = Instant::now();
        let answer = read(&format!("{} number {number}", path.display()), path.to_owned(), reader);
        (begin.elapsed(), answer)
    };
    let (time, answer) = once();
    // A busy machine can stop a process for a second, but not twice.
    let time = if time > LONGEST { time.min(once().0) } else { time };
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]);
    assert!(time <= LONGEST, "number {number} took {time:?}: {shown}");
    answer
}
