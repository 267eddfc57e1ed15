//! Effective receptive fields: how far the center of a network's last map can see.
//!
//! As RepLKNet defines them (arXiv 2203.06717, section 4.1 and appendix C): the positive part of the gradient
//! with respect to the pixels, summed over the colors and averaged over images, gives a score for each pixel;
//! the field is `log10(score + 1)` divided by its largest value.
//!
//! ```
//! use pelk_autodiff::{CpuBackend, Parameters, Shape};
//! use pelk_models::receptive_field::{ScoreMap, input_gradient};
//! use pelk_models::{Network, initialize, zoo};
//!
//! # fn main() -> Result<(), pelk_models::ModelError> {
//! let network = Network::new(zoo::model("pelk_atto")?.configure(1, 10)?)?;
//! let backend = CpuBackend::new()?;
//! let parameters = Parameters::upload(&backend, &initialize(&network, 0)?)?;
//!
//! let mut scores = ScoreMap::new([28, 28]);
//! for image in [vec![1.0; 28 * 28], vec![0.5; 28 * 28]] {
//!     let shape = Shape::from([1, 28, 28, 1]);
//!     scores.add(&input_gradient(&backend, &network, &parameters, &shape, &image)?)?;
//! }
//! let half = scores.field()?.square(0.5);
//! assert!(half.is_some_and(|square| square.side <= 28));
//! # Ok(())
//! # }
//! ```

mod gradient;
mod scores;

pub use gradient::input_gradient;
pub use scores::{Field, ScoreMap, Square, THRESHOLDS};
