//! What a normalization computes besides its output.

/// A normalized tensor and the statistics that its gradient needs.
#[derive(Debug, Clone)]
pub struct Normalized<T> {
    /// The output.
    pub y: T,
    /// The mean of each row (LayerNorm) or channel (BatchNorm).
    pub mean: T,
    /// `1 / sqrt(variance + eps)` of each row or channel.
    pub inv_std: T,
}

/// The results of BatchNorm in training.
#[derive(Debug, Clone)]
pub struct BatchNormalized<T> {
    /// The output and the statistics of the batch.
    pub normalized: Normalized<T>,
    /// The updated running mean and variance, each `[C]`.
    pub running: [T; 2],
}
