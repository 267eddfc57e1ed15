//! Initial values of a network's parameters.

use crate::config::DenseInit;
use crate::error::Result;
use crate::layers::INIT_STD;
use crate::network::Network;
use ndarray::{ArrayD, IxDyn};
use pelk_autodiff::{HostParameters, Init, ParameterSpec};
use pelk_random::{Purpose, name_hash, normal, stream, truncated_normal, uniform};

/// New parameters and buffers of a network. Each is drawn from its own random stream, keyed by its name, so
/// that changes elsewhere in the network do not affect it.
///
/// # Errors
/// When the configuration is not valid.
pub fn initialize(network: &Network, seed: u64) -> Result<HostParameters> {
    let dense_deviation = |fan_in: usize| match network.config().dense_init {
        DenseInit::Fixed => INIT_STD,
        DenseInit::FanIn => 1.0 / (fan_in as f32).sqrt(),
    };
    let fresh = |ParameterSpec { name, shape, init, .. }: ParameterSpec| {
        let mut rng = stream(seed, Purpose::Init, 0, name_hash(&name));
        let draw = || match init {
            Init::Constant(value) => value,
            Init::TruncatedNormal(deviation) => truncated_normal(&mut rng, deviation),
            Init::Dense { fan_in } => truncated_normal(&mut rng, dense_deviation(fan_in)),
            Init::Normal(deviation) => normal(&mut rng, deviation),
            Init::Uniform(limit) => uniform(&mut rng, limit),
        };
        let values = ArrayD::from_shape_simple_fn(IxDyn(&shape), draw);
        (name, values)
    };
    Ok(network.parameters()?.into_iter().map(fresh).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::{self, Blueprint};

    #[test]
    fn the_head_s_start_is_scaled_and_nothing_else() {
        for (model, head) in [
            ("pelk_atto", "head.weight"),
            ("inceptionnext_atto", "head.fc2.weight"),
            ("replknet_atto", "head.weight"),
        ] {
            let start = |head_init_scale| {
                let blueprint = Blueprint { head_init_scale, ..zoo::model(model).unwrap().blueprint };
                let network = Network::new(blueprint.build(model, 1, 10).unwrap()).unwrap();
                initialize(&network, 0).unwrap()
            };
            let (plain, scaled) = (start(1.0), start(0.5));
            for (name, values) in &plain {
                let factor = if name == head { 0.5 } else { 1.0 };
                let same = values.iter().zip(&scaled[name]).all(|(a, b)| (a * factor - b).abs() <= 1e-7);
                assert!(same, "{model}: {name}");
            }
        }
        let bad = Blueprint { head_init_scale: -1.0, ..zoo::model("pelk_atto").unwrap().blueprint };
        assert!(bad.build("bad", 1, 10).unwrap_err().to_string().contains("head_init_scale"));
    }
}
