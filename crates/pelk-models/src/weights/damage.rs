//! Tells a safetensors file that is cut short from one that is damaged, and both from other formats.
//!
//! A file is the length of its header in 8 bytes, the header, which is JSON, and the values, whose places the
//! header says.

use safetensors::SafeTensorError;
use safetensors::tensor::Metadata;

/// Bytes of the length of the header.
const LENGTH: usize = 8;
/// The longest header that the format allows, in bytes.
const LONGEST_HEADER: usize = 100_000_000;

/// What is wrong with bytes that gave this error, and what to do about it.
pub(super) fn of(bytes: &[u8], error: &SafeTensorError) -> String {
    let again = "copy or download it again";
    let found = bytes.len();
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH>() else {
        return match found {
            0 => format!("it is empty: {again}"),
            _ => format!("it has only {found} bytes, so it is cut short or of another format: {again}"),
        };
    };
    let header = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|&length| length <= LONGEST_HEADER);
    let Some(header) = header.filter(|_| matches!(rest, [] | [b'{', ..])) else {
        return "it is of another format, or its start is damaged: use a .safetensors file".to_owned();
    };
    let cut = |whole: usize| format!("it is cut short: it has {found} of {whole} bytes; {again}");
    match rest.get(..header) {
        // The values follow, but only the rest of the header says how many.
        None => format!("it is cut short: it has {found} bytes, but its header alone {header}; {again}"),
        Some(header) => match serde_json::from_slice::<Metadata>(header).map(|header| header.data_len()) {
            Ok(data) if LENGTH.saturating_add(header.len()).saturating_add(data) > found => {
                cut(LENGTH.saturating_add(header.len()).saturating_add(data))
            }
            _ => format!("it is damaged ({error}); {again}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::WeightsFile;
    use ndarray::ArrayD;
    use pelk_autodiff::HostParameters;
    use std::path::Path;

    fn reason(bytes: &[u8]) -> String {
        WeightsFile::from_bytes(Path::new("a.safetensors"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_file_that_is_cut_short_says_how_much_is_missing() {
        let tensors = HostParameters::from([("w".to_owned(), ArrayD::ones(vec![3, 5]))]);
        let whole = WeightsFile { tensors, ..WeightsFile::default() }.to_bytes().unwrap();
        let header = u64::from_le_bytes(whole[..8].try_into().unwrap());
        assert!(reason(&[]).contains("it is empty"));
        for len in 1..8 {
            assert!(reason(&whole[..len]).contains(&format!("it has only {len} bytes")), "{len}");
        }
        for len in 8..8 + header as usize {
            let expected = format!("cut short: it has {len} bytes, but its header alone {header};");
            assert!(reason(&whole[..len]).contains(&expected), "{len}: {}", reason(&whole[..len]));
        }
        for len in 8 + header as usize..whole.len() {
            let expected = format!("cut short: it has {len} of {} bytes;", whole.len());
            assert!(reason(&whole[..len]).contains(&expected), "{len}: {}", reason(&whole[..len]));
        }
    }

    #[test]
    fn damage_and_other_formats_are_not_called_cut_short() {
        let tensors = HostParameters::from([("w".to_owned(), ArrayD::ones(vec![3]))]);
        let whole = WeightsFile { tensors, ..WeightsFile::default() }.to_bytes().unwrap();
        let damaged = |bytes: &[u8]| {
            let reason = reason(bytes);
            assert!(reason.contains("it is damaged (") && !reason.contains("cut short"), "{reason}");
        };
        damaged(&[&whole[..], &[0]].concat());
        let with = |from: &str, to: &str| {
            let place = whole.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
            [&whole[..place], to.as_bytes(), &whole[place + from.len()..]].concat()
        };
        damaged(&with("\"w\":", "\"w\" "));
        damaged(&with("[3]", "[4]"));
        damaged(&with("[0,", "[4,"));
        for other in [&b"not a checkpoint at all"[..], &[0xff; 40], b"\x20\0\0\0\0\0\0\0[1, 2, 3]"] {
            let reason = reason(other);
            assert!(reason.contains("another format") && !reason.contains("cut short"), "{reason}");
        }
    }
}
