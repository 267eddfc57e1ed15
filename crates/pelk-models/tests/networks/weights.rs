//! Weights files: what is written is read back to the bit, and damaged files are refused, fast and without a
//! panic.

use ndarray::{Array2, ArrayD, IxDyn};
use pelk_autodiff::HostParameters;
use pelk_models::{ModelSpec, Network, WeightsFile, initialize, zoo::configure};
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;
use std::time::{Duration, Instant};

const PATH: &str = "some/weights.safetensors";

fn example() -> WeightsFile {
    let special =
        vec![0.0, -0.0, 1.5, f32::MIN_POSITIVE / 2.0, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, -1e-30];
    let tensors = HostParameters::from([
        ("head.weight".into(), ArrayD::from_shape_vec(IxDyn(&[2, 4]), special).unwrap()),
        ("norm.bias".into(), ArrayD::from_elem(IxDyn(&[3]), 0.25)),
        ("none".into(), ArrayD::zeros(IxDyn(&[0, 5]))),
        ("scalar \"é\"".into(), ArrayD::from_elem(IxDyn(&[]), 7.0)),
    ]);
    let present = vec![true, false, false, true, true, false];
    let mask = ArrayD::from_shape_vec(IxDyn(&[3, 2]), present).unwrap();
    let masks = [("head.weight".to_owned(), mask)].into();
    let metadata = Some("{\"text\": \"\u{1f980}\\n\"}".into());
    WeightsFile { tensors, masks, metadata, ..WeightsFile::default() }
}

fn read(bytes: &[u8]) -> Result<WeightsFile, String> {
    let start = Instant::now();
    let result = WeightsFile::from_bytes(Path::new(PATH), bytes);
    assert!(start.elapsed() < Duration::from_secs(1), "took {:?}", start.elapsed());
    result.map_err(|error| {
        let message = error.to_string();
        assert!(message.starts_with(PATH), "the message names the file: {message}");
        message
    })
}

/// A file with this header and this many bytes of data.
fn with_header(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn bits(file: &WeightsFile) -> Vec<(&String, &[usize], Vec<u32>)> {
    let of = |array: &ArrayD<f32>| array.iter().map(|value| value.to_bits()).collect();
    file.tensors.iter().map(|(name, array)| (name, array.shape(), of(array))).collect()
}

#[test]
fn every_bit_survives_the_round_trip() {
    let file = example();
    let back = read(&file.to_bytes().unwrap()).unwrap();
    assert_eq!(bits(&back), bits(&file));
    assert_eq!((back.masks, back.metadata), (file.masks, file.metadata));
}

#[test]
fn files_are_those_of_the_format_s_own_writer() {
    let file = example();
    let values = |array: &ArrayD<f32>| array.iter().flat_map(|value| value.to_le_bytes()).collect();
    let presences = |mask: &ArrayD<bool>| mask.iter().map(|&present| u8::from(present)).collect();
    let floats =
        file.tensors.iter().map(|(name, array)| (name.clone(), Dtype::F32, array.shape(), values(array)));
    let bools = file
        .masks
        .iter()
        .map(|(name, mask)| (format!("mask.{name}"), Dtype::BOOL, mask.shape(), presences(mask)));
    let all: Vec<(String, Dtype, &[usize], Vec<u8>)> = floats.chain(bools).collect();
    let views = all
        .iter()
        .map(|(name, dtype, shape, bytes)| (name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
    let metadata = file.metadata.clone().map(|text| [("pelk".to_owned(), text)].into());
    assert_eq!(file.to_bytes().unwrap(), safetensors::serialize(views, metadata).unwrap());
}

#[test]
fn a_whole_network_survives_the_round_trip_through_a_file() {
    let network = Network::new(configure(&ModelSpec::named("pelk_atto").unwrap(), 1, 10).unwrap()).unwrap();
    let file = WeightsFile { tensors: initialize(&network, 1).unwrap(), ..WeightsFile::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    std::fs::write(&path, file.to_bytes().unwrap()).unwrap();
    let back = WeightsFile::read(&path).unwrap();
    assert_eq!(back.tensors, file.tensors);
    assert_eq!(back.metadata, None);
}

#[test]
fn equal_weights_make_equal_bytes() {
    let bytes = example().to_bytes().unwrap();
    for _ in 0..20 {
        assert_eq!(example().to_bytes().unwrap(), bytes);
    }
    // The order of values in memory is not stored.
    let rows = Array2::from_shape_fn((3, 4), |(y, x)| (4 * y + x) as f32);
    let columns = Array2::from_shape_fn((4, 3), |(x, y)| (4 * y + x) as f32).reversed_axes();
    let one = |array: Array2<f32>| WeightsFile {
        tensors: HostParameters::from([("w".into(), array.into_dyn())]),
        ..WeightsFile::default()
    };
    assert_eq!(one(columns).to_bytes().unwrap(), one(rows).to_bytes().unwrap());
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let bytes = example().to_bytes().unwrap();
    for len in 0..bytes.len() {
        let message = read(&bytes[..len]).unwrap_err();
        let named = ["it is empty", "cut short"].iter().any(|words| message.contains(words));
        assert!(named && message.contains("download it again"), "{len}: {message}");
    }
    assert!(read(&[bytes, vec![0]].concat()).unwrap_err().contains("it is damaged"));
}

#[test]
fn a_flipped_bit_of_the_header_is_refused_or_seen() {
    let file = example();
    let bytes = file.to_bytes().unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for bit in 0..8 * header {
        let mut spoilt = bytes.clone();
        spoilt[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = read(&spoilt) {
            let others = |file: &WeightsFile| (file.masks.clone(), file.metadata.clone());
            let same = bits(&read) == bits(&file) && others(&read) == others(&file);
            assert!(!same, "bit {bit} changed nothing");
        }
    }
}

#[test]
fn absurd_lengths_are_refused_without_taking_memory() {
    let before = peak_of_address_space();
    let valid = example().to_bytes().unwrap();
    for length in [u64::MAX, u64::MAX - 7, 1 << 63, 1 << 40, 100_000_001, 99_999_999, valid.len() as u64] {
        let mut bytes = valid.clone();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        assert!(read(&bytes).is_err(), "header of {length} bytes");
    }
    let max = u64::MAX;
    let half = 1_u64 << 63;
    for (shape, offsets, data) in [
        (format!("[{max}]"), "[0,16]".to_owned(), 16),
        (format!("[{half},2]"), "[0,0]".to_owned(), 0),
        (format!("[0,{max},{max}]"), "[0,0]".to_owned(), 0),
        (format!("[{max},{max},0]"), "[0,0]".to_owned(), 0),
        ("[1099511627776]".to_owned(), "[0,4398046511104]".to_owned(), 16),
        ("[4]".to_owned(), format!("[0,{max}]"), 16),
        ("[4]".to_owned(), "[16,0]".to_owned(), 16),
        ("[4]".to_owned(), "[-16,0]".to_owned(), 16),
        ("[4]".to_owned(), "[8,24]".to_owned(), 24),
        ("[3]".to_owned(), "[0,16]".to_owned(), 16),
    ] {
        let header = format!("{{\"w\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}");
        let result = read(&with_header(&header, data));
        assert!(result.is_err(), "{header} with {data} bytes: {result:?}");
    }
    // A million brackets must not overflow the stack.
    for header in ["[".repeat(1 << 20), format!("{{\"w\":{}", "{\"a\":".repeat(1 << 18))] {
        assert!(read(&with_header(&header, 0)).is_err());
    }
    let grown = peak_of_address_space().saturating_sub(before);
    assert!(grown < 1 << 30, "the peak grew by {grown} bytes");
}

#[cfg(target_os = "linux")]
fn peak_of_address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmPeak:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[cfg(not(target_os = "linux"))]
fn peak_of_address_space() -> u64 {
    0
}

#[test]
fn other_floats_are_converted_and_other_types_are_left_out() {
    let data = [0x3c; 16];
    for (dtype, shape, value) in [
        (Dtype::F64, 2, Some(f64::from_le_bytes([0x3c; 8]) as f32)),
        (Dtype::F16, 8, Some(1.058_593_8)),
        (Dtype::BF16, 8, Some(f32::from_bits(0x3c3c_0000))),
        (Dtype::I32, 4, None),
        (Dtype::U8, 16, None),
        (Dtype::BOOL, 16, None),
    ] {
        let good = TensorView::new(Dtype::F32, vec![4], &data).unwrap();
        let other = TensorView::new(dtype, vec![shape], &data).unwrap();
        let bytes = safetensors::serialize([("good", good), ("head.weight", other)], None).unwrap();
        let file = read(&bytes).unwrap();
        assert_eq!(file.tensors["good"].as_slice().unwrap(), [f32::from_bits(0x3c3c_3c3c); 4]);
        let name = format!("{dtype:?}");
        match value {
            Some(value) => {
                assert_eq!(file.tensors["head.weight"].as_slice().unwrap(), vec![value; shape]);
                assert_eq!((file.converted, file.others.len()), ([(name, 1)].into(), 0));
            }
            None => {
                assert_eq!(file.tensors.len(), 1);
                assert_eq!((file.converted.len(), file.others), (0, [("head.weight".into(), name)].into()));
            }
        }
    }
}

#[test]
fn foreign_files_and_places_are_refused() {
    for bytes in [&b""[..], b"PK\x03\x04 a PyTorch archive", b"<html></html>", &[0x80, 2], &[0; 64]] {
        assert!(read(bytes).is_err(), "{bytes:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing.safetensors")] {
        let message = WeightsFile::read(&path).unwrap_err().to_string();
        assert!(message.contains("cannot read") && message.contains(&*path.to_string_lossy()), "{message}");
    }
}
