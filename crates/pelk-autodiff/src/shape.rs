//! Sizes of a tensor's axes.

use std::fmt;
use std::ops::Deref;

/// The sizes of a tensor's axes, slowest first. Images are `[N, H, W, C]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// Number of values in a tensor of this shape; `usize::MAX` if the product overflows.
    pub fn elements(&self) -> usize {
        product(&self.0)
    }

    /// Size of the last axis, the channels of an image; 1 for a shape without axes.
    pub fn channels(&self) -> usize {
        self.0.last().copied().unwrap_or(1)
    }

    /// Product of all axes but the last.
    pub fn rows(&self) -> usize {
        self.0.split_last().map_or(1, |(_, rest)| product(rest))
    }

    /// The same shape with another last axis.
    pub fn with_channels(&self, channels: usize) -> Shape {
        let mut sizes = self.0.clone();
        if let Some(last) = sizes.last_mut() {
            *last = channels;
        }
        Shape(sizes)
    }
}

fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |product: usize, &size| product.saturating_mul(size))
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl<T: AsRef<[usize]>> From<T> for Shape {
    fn from(sizes: T) -> Shape {
        Shape(sizes.as_ref().to_vec())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
