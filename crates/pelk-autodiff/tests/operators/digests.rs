//! The CPU's bits of every case, pinned: they are the same on all processors, and stay so.
//!
//! `digests.txt` was written on x86-64. Run on another architecture, the test shows that the same level gives
//! the same bits there: that nothing was contracted to a fused multiply-add, and no function of the system's
//! mathematical library rounds differently.

use crate::backends::{bits, train};
use crate::cases::all;
use crate::evaluation::evaluate;
use pelk_autodiff::{CpuBackend, Storage};
use pelk_random::name_hash;
use pelk_simd::Level;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const HEADER: &str = "\
# What each case of the operators gives on the CPU, outputs and gradients, as a hash of its bits: first on the
# level `portable`, then on `avx2` and `neon`, which have the same lanes and rounding. digests.rs reads this;
# PELK_WRITE_DIGESTS=1 cargo test -p pelk-autodiff --test operators digests
# writes it again, on an x86-64 processor with AVX2, after a change that is meant to change results.
";

/// The file's column of a level; levels without a column exist on one architecture only.
fn column(level: Level) -> Option<usize> {
    ["portable", "avx2 neon"].iter().position(|names| names.split(' ').any(|name| name == level.name()))
}

fn digest(values: &[u32]) -> String {
    let digits: String = values.iter().map(|value| format!("{value:08x}")).collect();
    format!("{:016x}", name_hash(&digits))
}

/// The digests of a level by the name of the case, `training` for the optimizers and averages.
fn digests(level: Level) -> BTreeMap<String, String> {
    let backend = CpuBackend::with_level(level);
    let case = |case| {
        let bits = bits(&backend, &evaluate(&backend, case, |_| true).unwrap());
        bits.into_iter().flat_map(|(_, bits)| bits).collect::<Vec<_>>()
    };
    let cases = all();
    let mut digests: BTreeMap<_, _> = cases.iter().map(|c| (c.name.clone(), digest(&case(c)))).collect();
    let (tensors, _) = train(&backend);
    let trained = tensors.iter().flat_map(|(_, tensor)| backend.download(tensor).unwrap());
    digests.insert("training".to_owned(), digest(&trained.map(f32::to_bits).collect::<Vec<_>>()));
    digests
}

/// The file's digests of a column.
fn pinned(text: &str, column: usize) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            let digests = [words.next().unwrap(), words.next().unwrap()];
            (words.next().unwrap().to_owned(), digests[column].to_owned())
        })
        .collect()
}

#[test]
fn the_bits_are_those_of_every_other_processor() {
    if !pelk_testing::cpu() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators/digests.txt");
    let found: Vec<_> = Level::available()
        .into_iter()
        .filter_map(|level| Some((level, column(level)?, digests(level))))
        .collect();
    assert!(!found.is_empty(), "`portable` has a column");
    if std::env::var_os("PELK_WRITE_DIGESTS").is_some() {
        assert!(cfg!(target_arch = "x86_64") && found.len() == 2, "the file is written on x86-64 with AVX2");
        let second = &found[1].2;
        let line = |(name, digest): (&String, &String)| format!("{digest} {} {name}\n", second[name]);
        std::fs::write(path, HEADER.to_owned() + &found[0].2.iter().map(line).collect::<String>()).unwrap();
        return;
    }
    let text = std::fs::read_to_string(path).unwrap();
    for (level, column, found) in found {
        let pinned = pinned(&text, column);
        let names: BTreeSet<_> = found.keys().chain(pinned.keys()).collect();
        let changed: Vec<_> =
            names.into_iter().filter(|name| found.get(*name) != pinned.get(*name)).collect();
        assert!(changed.is_empty(), "{level}: the bits are not those of digests.txt: {changed:#?}");
    }
}
