//! Tests against Pillow's pixels.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// The images of 14 x 21 pixels made by `tests/fixtures/generate/pictures.py`.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures").join(name)
}

/// Files that Pillow reads, and by how much values may differ: JPEG's transform and colors are rounded
/// elsewhere, and color stored at half the size is scaled up by another filter.
const GOLDEN: [(&str, u8, &str, Colors, bool, u8); 22] = [
    ("420.jpg", 2, "JPEG", Colors::Rgb, false, 8),
    ("444.jpg", 2, "JPEG", Colors::Rgb, false, 8),
    ("progressive.jpg", 2, "JPEG", Colors::Rgb, false, 8),
    ("restarts.jpg", 2, "JPEG", Colors::Rgb, false, 8),
    ("gray.jpg", 1, "JPEG", Colors::Gray, false, 8),
    ("rotated.jpg", 2, "JPEG", Colors::Rgb, false, 8),
    ("cmyk.jpg", 1, "JPEG", Colors::Cmyk, false, 8),
    ("ycck.jpg", 1, "JPEG", Colors::Cmyk, false, 8),
    ("alpha.png", 0, "PNG", Colors::Rgb, true, 8),
    ("gray.png", 0, "PNG", Colors::Gray, false, 8),
    ("gray-alpha.png", 0, "PNG", Colors::Gray, true, 8),
    ("palette.png", 0, "PNG", Colors::Rgb, false, 8),
    ("palette-transparent.png", 0, "PNG", Colors::Rgb, true, 8),
    ("bits.png", 0, "PNG", Colors::Gray, false, 8),
    ("interlaced.png", 0, "PNG", Colors::Rgb, false, 8),
    ("deep.png", 0, "PNG", Colors::Rgb, false, 16),
    ("deep-gray.png", 0, "PNG", Colors::Gray, false, 16),
    ("colors.webp", 0, "WebP", Colors::Rgb, false, 8),
    ("colors.bmp", 0, "BMP", Colors::Rgb, false, 8),
    ("colors.gif", 0, "GIF", Colors::Rgb, true, 8),
    ("colors.tif", 0, "TIFF", Colors::Rgb, false, 8),
    ("colors.ppm", 0, "PNM", Colors::Rgb, false, 8),
];

#[test]
fn pictures_of_every_kind_are_read_as_pillow_reads_them() {
    for (name, tolerance, ..) in
        GOLDEN.into_iter().chain([("png-in-truth.jpg", 0, "", Colors::Rgb, false, 8)])
    {
        let (size, pixels) = read_rgb(&fixture(name)).unwrap();
        let expected = fs::read(fixture(&format!("{name}.rgb"))).unwrap();
        assert_eq!((size, pixels.len()), ([14, 21], expected.len()), "{name}");
        let worst = pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(tolerance), "{name}: {worst:?}");
    }
}

#[test]
fn the_kind_of_a_picture_is_told_from_its_header() {
    for (name, _, format, colors, alpha, bits) in GOLDEN {
        let orientation = if name == "rotated.jpg" { 6 } else { 1 };
        let kind =
            ImageKind { format, colors, alpha, bits, named_otherwise: false, orientation, repaired: None };
        assert_eq!(ImageKind::of(&fixture(name)).unwrap(), kind, "{name}");
    }
    let kind = ImageKind::of(&fixture("png-in-truth.jpg")).unwrap();
    assert!(kind.format == "PNG" && kind.named_otherwise);
}

/// Files of 35 x 41 pixels made by `tests/fixtures/generate/unusual.py`.
const UNUSUAL: [(&str, u8); 31] = [
    ("scans-2x2.jpg", 4),
    ("scans-2x1.jpg", 4),
    ("scans-1x2.jpg", 4),
    ("scans-1x1.jpg", 4),
    ("scans-luma-last.jpg", 4),
    ("scans-two.jpg", 4),
    ("scans-restarts.jpg", 4),
    ("finer-chroma.jpg", 4),
    ("wider-chroma.jpg", 4),
    ("finer-red.jpg", 4),
    ("finer-chroma-scans.jpg", 4),
    ("finer-chroma-progressive.jpg", 4),
    ("plain.jpg", 4),
    ("cmyk-420.jpg", 4),
    ("ycck-420.jpg", 4),
    ("planes.tif", 0),
    ("planes-packed.tif", 0),
    ("planes-16.tif", 0),
    ("planes-big.tif", 0),
    ("planes-one-tile.tif", 0),
    ("planes-alpha.tif", 0),
    ("big-motorola.tif", 0),
    ("big-intel.tif", 0),
    ("fill-order.tif", 0),
    ("fill-order-strips.tif", 0),
    ("fill-order-lzw.tif", 0),
    ("frame.gif", 0),
    ("frame-transparent.gif", 0),
    ("frame-local.gif", 0),
    ("frame-rows.gif", 0),
    ("frame-whole.gif", 0),
];

#[test]
fn pictures_that_decoders_often_get_wrong_are_read_as_pillow_reads_them() {
    let mut wrong = Vec::new();
    for (name, tolerance) in UNUSUAL {
        let expected = fs::read(fixture(&format!("{name}.rgb"))).unwrap();
        match read_rgb(&fixture(name)) {
            Ok((size, pixels)) => {
                assert_eq!((size, pixels.len()), ([35, 41], expected.len()), "{name}");
                let worst = pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
                if worst > Some(tolerance) {
                    wrong.push(format!("{name}: {worst:?}"));
                }
            }
            Err(error) => wrong.push(format!("{name}: {}", with_cause(&error))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An error with its cause.
fn with_cause(error: &DataError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    format!("{error} ({})", cause.unwrap_or_default())
}

#[test]
fn kinds_of_jpeg_that_are_not_read_are_named() {
    let error = read_rgb(&fixture("arithmetic.jpg")).unwrap_err().to_string();
    assert!(error.contains("arithmetic.jpg is a JPEG with arithmetic coding, which is not"), "{error}");
    assert!(error.contains("`jpegtran -copy all"), "{error}");
    let plain = fs::read(fixture("plain.jpg")).unwrap();
    let frame = plain.windows(2).position(|mark| mark == [0xff, 0xc0]).unwrap();
    for (place, byte, what) in
        [(1, 0xc3, "a lossless JPEG"), (1, 0xc6, "a hierarchical JPEG"), (4, 12, "a JPEG with 12 bits")]
    {
        let mut changed = plain.clone();
        changed[frame + place] = byte;
        let error = decode(Path::new("odd.jpg"), &changed).unwrap_err();
        assert!(error.kind() == "unsupported format" && error.to_string().contains(what), "{error}");
    }
}

#[test]
fn every_truncated_jpeg_is_an_error_unless_only_the_end_marker_lacks() {
    let path = Path::new("cut.jpg");
    let names = GOLDEN.into_iter().map(|(name, ..)| name).chain(UNUSUAL.map(|(name, _)| name));
    for name in names.filter(|name| name.ends_with("jpg")) {
        let bytes = fs::read(fixture(name)).unwrap();
        let whole = decode(path, &bytes).unwrap();
        for len in 0..bytes.len() - 2 {
            // Every byte of the header and of the last blocks, some in between.
            if len % 7 != 0 && (700..bytes.len() - 60).contains(&len) {
                continue;
            }
            let Err(error) = decode(path, &bytes[..len]) else {
                panic!("{name}: read with {len} of {} bytes", bytes.len())
            };
            let kind = ["empty file", "not an image", "not an image", "damaged"][len.min(3)];
            assert_eq!(error.kind(), kind, "{name} {len}: {error}");
        }
        for len in [bytes.len() - 2, bytes.len() - 1] {
            assert_eq!(decode(path, &bytes[..len]).unwrap(), whole, "{name}: all blocks are there");
            let kind = ImageKind::of_bytes(path, &bytes[..len]).unwrap();
            assert_eq!(kind.repaired, Some("without an end marker"), "{name}");
        }
        let more = [&bytes, &[0; 100][..]].concat();
        assert_eq!(decode(path, &more).unwrap(), whole, "bytes after the end are ignored");
    }
}

#[test]
fn scans_that_end_early_are_errors_though_others_follow() {
    let path = Path::new("cut.jpg");
    for name in ["scans-2x2.jpg", "scans-luma-last.jpg", "finer-chroma.jpg"] {
        let bytes = fs::read(fixture(name)).unwrap();
        let scans: Vec<usize> =
            (0..bytes.len() - 1).filter(|&it| bytes[it..it + 2] == [0xff, 0xda]).collect();
        for (number, _) in scans.iter().enumerate() {
            let end = scans.get(number + 1).map_or(bytes.len() - 2, |&next| {
                // Before the tables of the next scan, if it has some.
                (scans[number] + 10..next).find(|&it| bytes[it..it + 2] == [0xff, 0xc4]).unwrap_or(next)
            });
            for lost in [1, 2, 5, 20] {
                let cut = [&bytes[..end - lost], &bytes[end..]].concat();
                let Err(error) = decode(path, &cut) else {
                    panic!("{name}: read with {lost} bytes less in scan {number}")
                };
                assert_eq!(error.kind(), "damaged");
            }
        }
    }
    // The last scan is missing altogether.
    let bytes = fs::read(fixture("scans-2x2.jpg")).unwrap();
    let last = bytes.windows(2).rposition(|mark| mark == [0xff, 0xda]).unwrap();
    let error = decode(path, &[&bytes[..last], &[0xff, 0xd9]].concat()).unwrap_err();
    assert_eq!(error.kind(), "damaged");
}

#[test]
fn what_libjpeg_reads_whole_is_read_with_a_remark() {
    let path = Path::new("odd.jpg");
    let segments = |bytes: &[u8]| {
        let mut places = vec![2];
        while bytes[places[places.len() - 1] + 1] != 0xda {
            let last = places[places.len() - 1];
            places.push(last + 2 + usize::from(u16::from_be_bytes([bytes[last + 2], bytes[last + 3]])));
        }
        places
    };
    for name in ["plain.jpg", "progressive.jpg", "cmyk.jpg", "scans-2x2.jpg", "finer-chroma.jpg"] {
        let bytes = fs::read(fixture(name)).unwrap();
        let whole = decode(path, &bytes).unwrap();
        for place in segments(&bytes).into_iter().skip(1) {
            for junk in [&[0; 5][..], &[7], b"a text with \xff\x00 and \xff\xff", &[0; 300]] {
                let changed = [&bytes[..place], junk, &bytes[place..]].concat();
                assert_eq!(decode(path, &changed).unwrap(), whole, "{name}: junk at {place}");
                let repaired = ImageKind::of_bytes(path, &changed).unwrap().repaired;
                assert_eq!(repaired, Some("with bytes between its segments"));
            }
        }
    }
    // Motion JPEG: the standard tables, of which gray uses two.
    for name in ["plain.jpg", "420.jpg", "gray.jpg", "restarts.jpg"] {
        let bytes = fs::read(fixture(name)).unwrap();
        let mut changed = bytes[..2].to_vec();
        let places = segments(&bytes);
        for (&place, &next) in places.iter().zip(&places[1..]) {
            if bytes[place + 1] != 0xc4 {
                changed.extend(&bytes[place..next]);
            }
        }
        changed.extend(&bytes[places[places.len() - 1]..]);
        assert!(changed.len() < bytes.len(), "{name}");
        assert_eq!(decode(path, &changed).unwrap(), decode(path, &bytes).unwrap(), "{name}");
        let repaired = ImageKind::of_bytes(path, &changed).unwrap().repaired;
        assert_eq!(repaired, Some("without Huffman tables"));
    }
}

#[test]
fn sizes_that_lie_are_refused_before_memory_is_allocated() {
    let mut jpeg = fs::read(fixture("420.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|mark| mark == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    let mut png = fs::read(fixture("gray.png")).unwrap();
    png[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let mut crc = flate2::Crc::new();
    crc.update(&png[12..29]);
    png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    for (bytes, text) in [(jpeg, "announces 65535 x 65535 pixels"), (png, "large is damaged")] {
        let error = decode(Path::new("large"), &bytes).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}
