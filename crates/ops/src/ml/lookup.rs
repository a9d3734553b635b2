//! What the encoders share: picking elements by place, and keys that can be looked up.

use std::collections::HashMap;

use lehr_graph::OpError;
use lehr_tensor::{Tensor, Wide};

/// The elements of `x` at `places`, which must be inside.
pub(crate) fn pick(x: &Tensor, places: &[usize], shape: &[usize]) -> Result<Tensor, OpError> {
    fn at<T: Clone>(values: &[T], places: &[usize]) -> Vec<T> {
        places.iter().filter_map(|&p| values.get(p).cloned()).collect()
    }
    let wide = match x.widen() {
        Wide::F(v) => Wide::F(at(&v, places)),
        Wide::I(v) => Wide::I(at(&v, places)),
        Wide::U(v) => Wide::U(at(&v, places)),
        Wide::B(v) => Wide::B(at(&v, places)),
        Wide::S(v) => Wide::S(at(&v, places)),
        Wide::C(v) => Wide::C(at(&v, places)),
    };
    Ok(Tensor::narrow(x.dtype(), shape, wide)?)
}

/// A value that can be looked up: all NaN are one, as are both zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A whole number.
    Int(i64),
    /// The bits of a float.
    Float(u64),
    /// A text.
    Text(String),
}

/// The elements as keys. Fails for types that have none.
pub(crate) fn keys(tensor: &Tensor) -> Result<Vec<Key>, OpError> {
    Ok(match tensor.widen() {
        Wide::F(v) => v.into_iter().map(float_key).collect(),
        Wide::S(v) => v.into_iter().map(Key::Text).collect(),
        Wide::C(_) => return Err(OpError::input_type(0, "a type that can be looked up", tensor.dtype())),
        _ => tensor.to_i64s()?.into_iter().map(Key::Int).collect(),
    })
}

fn float_key(x: f64) -> Key {
    // Adding zero turns -0 into 0.
    Key::Float(if x.is_nan() { f64::NAN.to_bits() } else { (x + 0.0).to_bits() })
}

/// Place of each key; the last of equal ones.
pub(crate) fn places(keys: Vec<Key>) -> HashMap<Key, usize> {
    keys.into_iter().enumerate().map(|(place, key)| (key, place)).collect()
}
