//! The IDX format of MNIST and its descendants: a header with sizes, then bytes; plain or in gzip.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::DataError;

/// The largest number of values in a file: 2 GiB. EMNIST ByClass, the largest known dataset in this format,
/// has 0.55.
pub const MAX_VALUES: u64 = 1 << 31;

/// The first bytes of gzip files.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A row-major array of bytes and its sizes, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxArray<const RANK: usize> {
    /// The sizes: `[n, height, width]` for images, `[n]` for labels.
    pub sizes: [usize; RANK],
    /// The values, row-major; their number is the product of `sizes`.
    pub values: Vec<u8>,
}

/// Reads an IDX file of unsigned bytes with `RANK` sizes (1 to 255), plain or in gzip; its name does not
/// matter.
///
/// Memory grows with the file's actual content, so a false header costs nothing.
///
/// # Errors
/// [`DataError`] with the path if the file cannot be read, is damaged, truncated or too long, is not of this
/// format and rank, or announces more than [`MAX_VALUES`].
pub fn read_idx<const RANK: usize>(path: &Path) -> Result<IdxArray<RANK>, DataError> {
    let io_error = |source| DataError::Io { path: path.into(), source };
    let mut file = BufReader::new(File::open(path).map_err(io_error)?);
    if file.fill_buf().map_err(io_error)?.starts_with(&GZIP_MAGIC) {
        // The multi-member decoder, because the plain one ignores data after the first member.
        parse(MultiGzDecoder::new(file), path)
    } else {
        parse(file, path)
    }
}

fn parse<const RANK: usize>(mut reader: impl Read, path: &Path) -> Result<IdxArray<RANK>, DataError> {
    let mut read = |limit| read_at_most(&mut reader, limit).map_err(|source| read_error(path, source));

    let header_len = 4 + 4 * RANK as u64;
    let header = read(header_len)?;
    let expected = [0, 0, 0x08, RANK as u8];
    let (magic, sizes) = header.split_at(header.len().min(4));
    if let Ok(found) = <[u8; 4]>::try_from(magic)
        && found != expected
    {
        return Err(DataError::BadMagic { path: path.into(), found, expected });
    }
    let truncated = |expected, found| DataError::Truncated { path: path.into(), expected, found };
    if (header.len() as u64) < header_len {
        return Err(truncated(header_len, header.len() as u64));
    }

    let (sizes, _) = sizes.as_chunks::<4>();
    let sizes: Vec<u32> = sizes.iter().map(|size| u32::from_be_bytes(*size)).collect();
    let count = sizes.iter().try_fold(1_u64, |product, &size| product.checked_mul(size.into()));
    let Some(count) = count.filter(|&count| count <= MAX_VALUES) else {
        return Err(DataError::TooLarge { path: path.into(), sizes, limit: MAX_VALUES });
    };

    // Reads one more byte than announced, to check that the file ends there; its end also checks gzip's
    // checksum.
    let mut values = read(count + 1)?;
    let (expected, found) = (header_len + count, header_len + values.len() as u64);
    if found < expected {
        return Err(truncated(expected, found));
    }
    if found > expected {
        return Err(DataError::TrailingBytes { path: path.into(), expected });
    }
    values.shrink_to_fit();
    Ok(IdxArray { sizes: std::array::from_fn(|axis| sizes[axis] as usize), values })
}

fn read_at_most(reader: &mut impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Distinguishes damage, which only the gzip decoder reports and a new download repairs, from a failing disk.
fn read_error(path: &Path, source: io::Error) -> DataError {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match source.kind() {
        InvalidData | InvalidInput | UnexpectedEof => DataError::Gzip { path: path.into(), source },
        _ => DataError::Io { path: path.into(), source },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    /// Two images of 3 x 2 pixels.
    fn plain() -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3];
        for size in [2_u32, 3, 2] {
            bytes.extend(size.to_be_bytes());
        }
        bytes.extend(1..=12);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read<const RANK: usize>(bytes: &[u8]) -> Result<IdxArray<RANK>, DataError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        read_idx(file.path())
    }

    #[test]
    fn plain_and_compressed_files_read_alike() {
        let expected = IdxArray { sizes: [2, 3, 2], values: (1..=12).collect() };
        assert_eq!(read(&plain()).unwrap(), expected);
        assert_eq!(read(&gzip(&plain())).unwrap(), expected);
        assert!(read::<1>(&[0, 0, 8, 1, 0, 0, 0, 0]).unwrap().values.is_empty());
    }

    #[test]
    fn every_truncation_is_an_error() {
        let (plain, packed) = (plain(), gzip(&plain()));
        for len in 0..plain.len() {
            let error = read::<3>(&plain[..len]).unwrap_err();
            let DataError::Truncated { found, expected, .. } = error else { panic!("{error}") };
            assert!(found == len as u64 && expected > found);
        }
        for len in 2..packed.len() {
            assert!(matches!(read::<3>(&packed[..len]), Err(DataError::Gzip { .. })), "{len}");
        }
    }

    #[test]
    fn every_flipped_bit_of_the_header_is_an_error() {
        for bit in 0..16 * 8 {
            let mut bytes = plain();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let error = read::<3>(&bytes).unwrap_err();
            match error {
                DataError::BadMagic { .. } => assert!(bit < 32),
                DataError::Truncated { .. }
                | DataError::TrailingBytes { .. }
                | DataError::TooLarge { .. } => {
                    assert!(bit >= 32);
                }
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_flipped_bit_of_the_compressed_values_never_changes_them_unseen() {
        let packed = gzip(&plain());
        let values = read::<3>(&packed).unwrap();
        for bit in 10 * 8..packed.len() * 8 {
            let mut bytes = packed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // The padding bits in the last byte of the compressed stream have no meaning.
            assert!(read(&bytes).map_or(true, |read| read == values), "bit {bit}");
        }
    }

    #[test]
    fn data_after_the_end_is_an_error() {
        let longer = [plain(), vec![0]].concat();
        assert!(matches!(read::<3>(&longer), Err(DataError::TrailingBytes { expected: 28, .. })));
        assert!(matches!(read::<3>(&gzip(&longer)), Err(DataError::TrailingBytes { .. })));
        let packed = [gzip(&plain()), b"garbage".to_vec()].concat();
        assert!(matches!(read::<3>(&packed), Err(DataError::Gzip { .. })));
    }

    #[test]
    fn a_header_that_lies_costs_no_memory() {
        let header = |sizes: [u32; 3]| [vec![0, 0, 8, 3], sizes.map(u32::to_be_bytes).concat()].concat();
        assert!(matches!(read::<3>(&header([u32::MAX; 3])), Err(DataError::TooLarge { .. })));
        assert!(matches!(read::<3>(&header([1 << 31, 2, 1])), Err(DataError::TooLarge { .. })));
        let error = read::<3>(&header([1 << 31, 1, 1])).unwrap_err();
        assert!(matches!(error, DataError::Truncated { found: 16, .. }), "{error}");
        // Memory follows the data, not the limit.
        let bytes = read_at_most(&mut io::repeat(7).take(1000), MAX_VALUES).unwrap();
        assert!(bytes.len() == 1000 && bytes.capacity() < 1 << 16);
    }

    #[test]
    fn a_foreign_file_is_named_as_such() {
        let error = read::<1>(b"<html>not found</html>").unwrap_err();
        assert!(error.to_string().contains("starts with the bytes [3c, 68, 74, 6d]"), "{error}");
        let error = read::<1>(&plain()).unwrap_err();
        assert!(error.to_string().contains("rank 1"), "{error}");
        assert!(matches!(read_idx::<1>(Path::new("/nowhere/at/all")), Err(DataError::Io { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_read_or_fail_without_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..64), format in 0..3,
        ) {
            let start: &[u8] = [&[], &[0, 0, 8, 3][..], &GZIP_MAGIC][format as usize];
            bytes.splice(..start.len().min(bytes.len()), start.iter().copied());
            let _ = read::<3>(&bytes);
        }
    }
}
