//! The models by name. To add one: an entry in a file of this folder.

mod blueprint;
mod catalog;
mod convnext;
mod form;
mod inceptionnext;
mod model;
mod options;
mod pelk;
mod replknet;
mod rivals;
mod scales;
mod spec;

pub use blueprint::Blueprint;
pub use catalog::{model, models};
pub use form::{DenseForm, DepthwiseForm, Form, InceptionForm, PeripheralForm, StripeForm};
pub use model::{Model, PaperNumbers, Task};
pub use spec::{ModelSpec, configure};
