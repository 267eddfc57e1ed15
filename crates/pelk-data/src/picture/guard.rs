//! The one place that runs decoders of other crates.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::{DataError, PictureError};

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is decoding an image file. A panic is then turned into an error with the file's name,
/// so a program's panic hook can leave out its message.
pub fn decoding() -> bool {
    DECODING.get()
}

/// Resets the mark, also if the decoder panics.
struct Mark(bool);

impl Drop for Mark {
    fn drop(&mut self) {
        DECODING.set(self.0);
    }
}

/// Runs a decoder on the file's content.
///
/// # Errors
/// Those of the decoder, and [`PictureError::DecoderPanic`] if it panics.
pub(crate) fn guarded<T>(path: &Path, decode: impl FnOnce() -> Result<T, DataError>) -> Result<T, DataError> {
    let _mark = Mark(DECODING.replace(true));
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
        let message = message.unwrap_or_else(|| "without a message".to_owned());
        Err(PictureError::DecoderPanic { path: path.into(), message }.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_decoder_is_an_error_that_names_the_file() {
        let numbers = [1, 2];
        for decode in
            [(|| panic!("a text of {} words", 5)) as fn() -> Result<u8, DataError>, || panic!("a text")]
        {
            let error = guarded(Path::new("odd.tif"), decode).unwrap_err();
            assert!(error.to_string().contains("odd.tif makes its decoder fail (a text"), "{error}");
            assert_eq!(error.kind(), "decoder failed");
            assert!(!decoding());
        }
        let index = numbers.len();
        let error = guarded(Path::new("odd.tif"), || Ok(numbers[index])).unwrap_err().to_string();
        assert!(error.contains("index out of bounds"), "{error}");
        let nested = guarded(Path::new("a"), || {
            let inner = guarded::<u8>(Path::new("b"), || panic!("inside"));
            Ok(inner.is_err() && decoding())
        });
        assert!(nested.unwrap() && !decoding());
    }
}
