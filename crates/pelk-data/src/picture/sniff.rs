//! What a file is, judged by its first bytes.

use image::ImageFormat;

/// What a file is, see [`sniff`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A picture of a format that is read.
    Picture(ImageFormat),
    /// A picture of another format, and the command that converts it.
    Unsupported(&'static str, &'static str),
    /// Something else, and what to do about it.
    Other(&'static str, &'static str),
    /// Nothing known.
    Unknown,
}

/// The number of bytes that [`sniff`] uses at most.
pub(crate) const SNIFFED: usize = 512;

const MAGICK: &str = "convert it, for example with `magick FILE FILE.png`";
const FETCH: &str = "download the image itself, the address may have moved or may need a login";
const UNPACK: &str = "unpack it first";
const REMOVE: &str = "remove it, or exclude it";

/// The file's content, from its first [`SNIFFED`] bytes; fewer if the file is shorter.
pub(crate) fn sniff(bytes: &[u8]) -> Content {
    use Content::{Other, Picture, Unknown, Unsupported};
    if let Some(known) = read(bytes) {
        return Picture(known);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return match bytes.get(8..12).unwrap_or_default() {
            b"avif" | b"avis" => {
                Unsupported("an AVIF image", "convert it, for example with `avifdec FILE FILE.png`")
            }
            b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"mif1" | b"msf1" => {
                Unsupported("a HEIC image", "convert it, for example with `heif-convert FILE FILE.png`")
            }
            _ => Other("a video", REMOVE),
        };
    }
    for &(start, what, remedy) in UNSUPPORTED {
        if bytes.starts_with(start) {
            return Unsupported(what, remedy);
        }
    }
    for &(start, what, remedy) in OTHERS {
        if bytes.starts_with(start) {
            return Other(what, remedy);
        }
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"AVI ") {
        return Other("a video", REMOVE);
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Other("a tar archive", UNPACK);
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let starts = |start: &[u8]| text.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start));
    if starts(b"<!doctype html") || starts(b"<html") || starts(b"<head") || starts(b"<body") {
        Other("an HTML page", FETCH)
    } else if starts(b"<svg") || starts(b"<!doctype svg") || starts(b"<?xml") && has(text, b"<svg") {
        Unsupported("an SVG drawing", "render it, for example with `rsvg-convert -o FILE.png FILE`")
    } else if starts(b"<?xml") && (has(text, b"<html") || has(text, b"<!DOCTYPE html")) {
        Other("an HTML page", FETCH)
    } else if starts(b"<?xml") {
        Other("an XML file", FETCH)
    } else if (starts(b"{") || starts(b"[")) && is_text(bytes) {
        Other("a JSON file", FETCH)
    } else if bytes.iter().any(|byte| !byte.is_ascii_whitespace()) && is_text(bytes) {
        Other("a text file", FETCH)
    } else {
        Unknown
    }
}

/// The format, if it is among those that are read. `image` does not know BigTIFF, which its decoder reads.
fn read(bytes: &[u8]) -> Option<ImageFormat> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Tiff, WebP};
    if bytes.starts_with(b"MM\0\x2b") || bytes.starts_with(b"II\x2b\0") {
        return Some(Tiff);
    }
    let format = image::guess_format(bytes).ok()?;
    // Two letters are not much: text may start with them.
    let whole = match format {
        Bmp => bytes.get(6..10) == Some(&[0; 4]) || !is_text(bytes),
        Pnm => bytes.get(2).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'#'),
        _ => matches!(format, Gif | Jpeg | Png | Tiff | WebP),
    };
    whole.then_some(format)
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Whether the bytes are text in UTF-8, possibly cut within a character, without control characters.
fn is_text(bytes: &[u8]) -> bool {
    let whole = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !whole.is_empty() && !whole.chars().any(|char| char.is_control() && !char.is_ascii_whitespace())
}

const UNSUPPORTED: &[(&[u8], &str, &str)] = &[
    (b"\xff\x0a", "a JPEG XL image", "convert it, for example with `djxl FILE FILE.png`"),
    (b"\0\0\0\x0cJXL \r\n", "a JPEG XL image", "convert it, for example with `djxl FILE FILE.png`"),
    (b"\0\0\0\x0cjP  \r\n", "a JPEG 2000 image", MAGICK),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image", MAGICK),
    (b"II\xbc\x01", "a JPEG XR image", "convert it, for example with `JxrDecApp -i FILE -o FILE.tif`"),
    (b"8BPS", "a Photoshop document", "export it as PNG, or convert it with `magick 'FILE[0]' FILE.png`"),
    (b"DDS ", "a DDS texture", MAGICK),
    (b"\0\0\x01\0", "an icon", MAGICK),
    (b"#?RADIANCE", "a Radiance HDR image", MAGICK),
    (b"\x76\x2f\x31\x01", "an OpenEXR image", MAGICK),
    (b"qoif", "a QOI image", MAGICK),
    (b"farbfeld", "a farbfeld image", MAGICK),
    (b"SIMPLE  =", "a FITS image", MAGICK),
];

const OTHERS: &[(&[u8], &str, &str)] = &[
    (
        b"version https://git-lfs",
        "a pointer of Git LFS",
        "run `git lfs pull` in the repository to download the images",
    ),
    (b"\0\x05\x16\x07", "a file of macOS's metadata", REMOVE),
    (b"PK\x03\x04", "a ZIP archive", UNPACK),
    (b"\x1f\x8b", "a gzip file", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"%PDF", "a PDF document", "extract its images, for example with `pdfimages -png FILE NAME`"),
    (b"\x93NUMPY", "a NumPy array", "save it as PNG, for example with Pillow's `Image.fromarray`"),
    (b"\x89HDF", "an HDF5 file", "save its images as PNG"),
    (b"\x1aE\xdf\xa3", "a video", REMOVE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_told_by_the_first_bytes() {
        let picture = |bytes: &[u8]| matches!(sniff(bytes), Content::Picture(_));
        for bytes in [
            &b"\xff\xd8\xff\xe0"[..],
            b"\x89PNG\r\n\x1a\n",
            b"GIF87a..",
            b"RIFF\x01\0\0\0WEBPVP8 ",
            b"II*\0\x08\0\0\0",
            b"MM\0*\0\0\0\x08",
            b"MM\0\x2b\0\x08\0\0",
            b"II\x2b\0\x08\0\0\0",
            b"P6 3 2 255\n",
            b"P2\n# by hand\n",
            b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0",
        ] {
            assert!(picture(bytes), "{bytes:?}");
        }
        for (bytes, expected) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1"[..], "a HEIC image"),
            (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF image"),
            (b"\0\0\0\x1cftypavis\0\0\0\0", "an AVIF image"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
            (b"\xff\x0a\xfa", "a JPEG XL image"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
            (b"  <!DOCTYPE HTML><title>", "an HTML page"),
            (b"\xef\xbb\xbf<html>", "an HTML page"),
            (b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC", "an HTML page"),
            (b"<?xml version='1.0'?><svg>", "an SVG drawing"),
            (b"<?xml version='1.0'?><Error><Code>AccessDenied", "an XML file"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
            (b"{\"error\": 404}", "a JSON file"),
            (b"PK\x03\x04\x14\0", "a ZIP archive"),
            (b"Not found\n", "a text file"),
            (b"BMW 320i\n", "a text file"),
            (b"P1ease log in", "a text file"),
            (b"caf\xc3", "a text file"),
        ] {
            match sniff(bytes) {
                Content::Unsupported(what, remedy) | Content::Other(what, remedy) => {
                    assert_eq!(what, expected);
                    assert!(!remedy.is_empty());
                }
                other => panic!("{expected}: {other:?}"),
            }
        }
        for bytes in [&b"\x01\x02\x03\x04"[..], &[0; 512], b"", b"\n\n"] {
            assert_eq!(sniff(bytes), Content::Unknown, "{bytes:?}");
        }
    }
}
