//! Images made by PIL and timm with `tests/fixtures/generate/augmentation.py`.

use safetensors::SafeTensors;

const FILE: &[u8] = include_bytes!("../tests/fixtures/augmentation.safetensors");

/// An image: its name, height, width and channels, and its bytes.
pub(crate) struct Golden {
    pub name: String,
    pub shape: [usize; 3],
    pub bytes: Vec<u8>,
}

impl Golden {
    /// The parts of its name.
    pub fn parts(&self) -> Vec<&str> {
        self.name.split('/').collect()
    }

    /// The largest difference between its bytes and these, and the share of bytes that differ.
    pub fn difference(&self, bytes: &[u8]) -> (u8, f64) {
        assert_eq!(self.bytes.len(), bytes.len(), "{}", self.name);
        let differences = self.bytes.iter().zip(bytes).map(|(a, b)| a.abs_diff(*b));
        let count = differences.clone().filter(|difference| *difference > 0).count();
        (differences.max().unwrap_or(0), count as f64 / bytes.len() as f64)
    }
}

/// The images whose names start with `prefix`, at least one.
pub(crate) fn golden(prefix: &str) -> Vec<Golden> {
    let file = SafeTensors::deserialize(FILE).expect("the file in the repository");
    let all: Vec<Golden> = file
        .iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, view)| Golden {
            name: name.to_owned(),
            shape: view.shape().try_into().expect("height, width, channels"),
            bytes: view.data().to_vec(),
        })
        .collect();
    assert!(!all.is_empty(), "no golden image {prefix}");
    all
}

/// The image with this name.
pub(crate) fn input(name: &str) -> Golden {
    golden(name).into_iter().find(|image| image.name == name).expect("an input")
}
