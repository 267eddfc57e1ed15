//! Names files that people take for safetensors files.

use std::path::Path;

/// What a file that is not a safetensors file is, and what to do about it; `None` if it is not recognized.
pub(super) fn what_it_is(bytes: &[u8], path: &Path) -> Option<String> {
    let start = bytes.trim_ascii_start();
    let start = start.get(..start.len().min(64)).unwrap_or_default().to_ascii_lowercase();
    let begins = |with: &[&str]| with.iter().any(|with| start.starts_with(with.as_bytes()));
    if begins(&["<!doctype", "<html", "<?xml"]) {
        let text = "it is a web page, perhaps of a login or an error: open its address in a browser, and \
                    download the file itself";
        return Some(text.to_owned());
    }
    if begins(&["version https://git-lfs"]) {
        let text = "it is a Git LFS pointer, a small text that stands for the file: run `git lfs pull` in the \
                    repository that it was cloned with, or download the file itself";
        return Some(text.to_owned());
    }
    if is_pickle(bytes) {
        return Some(format!("it is a checkpoint of PyTorch: {}", conversion(path)));
    }
    let others: [(&[u8], &str); 5] = [
        (b"PK\x03\x04", "a zip archive"),
        (b"\x89HDF\r\n", "an HDF5 file, as of Keras"),
        (b"GGUF", "a GGUF file"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"\x1f\x8b", "a file compressed with gzip"),
    ];
    let (_, name) = others.into_iter().find(|(magic, _)| bytes.starts_with(magic))?;
    Some(format!("it is {name}; use a .safetensors file"))
}

/// Whether these are the first bytes of what `torch.save` writes: a zip archive with a pickle, or before
/// PyTorch 1.6 just pickles.
fn is_pickle(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"PK\x03\x04") {
        let name = bytes.get(30..200).unwrap_or(bytes.get(30..).unwrap_or_default());
        return name.windows(4).any(|part| part == b".pkl");
    }
    // A header of 640 bytes starts a safetensors file with the same two bytes, and seven zeros follow.
    matches!(bytes, [0x80, 2..=5, rest @ ..] if !rest.starts_with(&[0; 6]))
}

/// How to convert a checkpoint of PyTorch, in one line of Python.
fn conversion(path: &Path) -> String {
    let file = path.display().to_string();
    let new = path.with_extension("safetensors").display().to_string();
    format!(
        "convert it with `python -c \'import torch; from safetensors.torch import save_file; \
         d = torch.load({file:?}, map_location=\"cpu\"); d = d.get(\"state_dict\", d.get(\"model\", d)); \
         save_file({{k: v.contiguous().clone() for k, v in d.items() if torch.is_tensor(v)}}, {new:?})\'`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_their_first_bytes() {
        let named = |bytes: &[u8]| what_it_is(bytes, Path::new("a/net.pth")).unwrap_or_default();
        let archive = |name: &str| [&b"PK\x03\x04"[..], &[0; 26], name.as_bytes(), &[0; 300]].concat();
        for (bytes, words) in [
            (&b"\n <!DOCTYPE html><html>"[..], &["web page", "download"][..]),
            (b"<HTML>", &["web page"]),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", &["Git LFS", "git lfs pull"]),
            (&archive("archive/data.pkl"), &["PyTorch", "save_file", "a/net.safetensors"]),
            (&archive("net/data.pkl")[..60], &["PyTorch"]),
            (&[0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc], &["PyTorch"]),
            (&[0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0x7d], &["PyTorch"]),
            (&archive("weights.npy"), &["zip archive"]),
            (b"GGUF\x03", &["GGUF"]),
        ] {
            let text = named(bytes);
            assert!(words.iter().all(|word| text.contains(word)), "{bytes:?}: {text}");
        }
        // A cut safetensors file with a header of 640 bytes, and noise.
        for bytes in [&[0x80, 2, 0, 0, 0, 0, 0, 0, b'{'][..], b"", b"hello", &[0; 40]] {
            assert_eq!(named(bytes), "", "{bytes:?}");
        }
    }
}
