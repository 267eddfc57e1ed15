//! Counts of parameters and multiply-adds, as the papers count them and as executed, and what training needs.

mod counter;
mod part;
mod total;
mod training;

pub use counter::PaperRules;
pub use part::Part;
pub use total::{NetworkCost, PartCost};
pub use training::{TrainingPass, training_pass};

use crate::error::{ModelError, Result};
use crate::network::Network;
use counter::{Counted, Counter};
use pelk_autodiff::{ParameterSpec, Role, Shape};

/// Counts a network for one image of `[height, width]` pixels, as executed here and by the rules of a paper.
///
/// # Errors
/// When the image is too small for the network.
pub fn count(network: &Network, [height, width]: [usize; 2], rules: PaperRules) -> Result<NetworkCost> {
    let (size, smallest) = (height.min(width), network.config().smallest_input());
    if size < smallest {
        return Err(ModelError::config("size", format!("is {size}, the network needs at least {smallest}")));
    }
    let mut counter = Counter::new(rules);
    let images = Counted::input(Shape::from([1, height, width, network.config().in_channels]));
    network.everything(&mut counter, &images)?;
    Ok(counter.into_cost())
}

/// Every trained parameter of a network and its part, in the order of the definition.
///
/// # Errors
/// When the configuration is not valid.
pub fn parts(network: &Network) -> Result<Vec<(ParameterSpec, Part)>> {
    let trained = network.parameters()?.into_iter().filter(|spec| spec.role != Role::Buffer);
    let with_part = |spec: ParameterSpec| {
        let part = Part::of(spec.place);
        (spec, part)
    };
    Ok(trained.map(with_part).collect())
}
