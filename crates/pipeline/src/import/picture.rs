//! The steps that nearly all models of pictures have in front of them.

use toml::{Table, Value};

use crate::InputSpec;
use crate::manifest::Kind;

/// Means and deviations of red, green and blue.
pub type Norm = ([f64; 3], [f64; 3]);

/// ImageNet's pictures.
pub const IMAGENET: Norm = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
/// From -1 to 1.
pub const HALF: Norm = ([0.5; 3], [0.5; 3]);
/// The pictures that CLIP was trained with.
pub const CLIP: Norm = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]);

/// 1/255.
pub const PART: f64 = 1.0 / 255.0;

/// Steps in their order.
#[derive(Debug, Default)]
pub struct Steps(Vec<Table>);

impl Steps {
    /// A picture in red, green and blue.
    pub fn decoded() -> Self {
        Self::default().then("decode_image", [])
    }

    /// One more step.
    pub fn then<const N: usize>(mut self, op: &str, parameters: [(&str, Value); N]) -> Self {
        let op = ("op".to_owned(), Value::from(op));
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value));
        self.0.push([op].into_iter().chain(parameters).collect());
        self
    }

    /// `(x - mean) / std`.
    pub fn normalized(self, (mean, std): Norm) -> Self {
        self.then("normalize", [("mean", numbers(&mean)), ("std", numbers(&std))])
    }

    /// A tensor with its axes in this order, and the input that gets it.
    pub fn into_input(self, name: &str, order: &str) -> InputSpec {
        let steps = self.then("layout", [("order", order.into())]).then("batch", []);
        InputSpec {
            name: name.to_owned(),
            kind: Kind::Image,
            preset: None,
            tensors: std::collections::BTreeMap::new(),
            dtype: None,
            steps: steps.0,
        }
    }
}

/// A list of numbers.
pub fn numbers(values: &[f64]) -> Value {
    Value::from(values.to_vec())
}

/// A number of pixels, which no file makes larger than a file can say.
pub fn pixels(count: u32) -> Value {
    Value::from(i64::from(count))
}

/// `[height, width]`.
pub fn size(height: u32, width: u32) -> Value {
    Value::from(vec![i64::from(height), i64::from(width)])
}
