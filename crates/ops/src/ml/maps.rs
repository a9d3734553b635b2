//! Access to map values, whose entries are scalars.

use lehr_graph::datum::MapDatum;
use lehr_graph::{Datum, EvalCx, OpError};
use lehr_tensor::{DataType, Tensor, Wide};

/// Input `index`, which must be a map.
pub(crate) fn map_input<'a>(cx: &EvalCx<'a>, index: usize) -> Result<&'a MapDatum, OpError> {
    match cx.require(index)? {
        Datum::Map(map) => Ok(map),
        other => Err(OpError::InputKind { index, expected: "a map", got: other.describe() }),
    }
}

/// The values of a map as one tensor.
pub(crate) struct Entries {
    dtype: DataType,
    values: Wide,
}

impl Entries {
    /// Fails when they are not scalars of one type.
    pub(crate) fn new(map: &MapDatum) -> Result<Self, OpError> {
        let mut tensors = Vec::with_capacity(map.values.len());
        for value in &map.values {
            match value.as_tensor().filter(|t| t.len() == 1) {
                Some(tensor) => tensors.push(tensor),
                None => return Err(OpError::value(format!("a map of scalars has {}", value.describe()))),
            }
        }
        let dtype = tensors.first().map_or(DataType::F32, |t| t.dtype());
        if let Some(other) = tensors.iter().find(|t| t.dtype() != dtype) {
            return Err(OpError::value(format!("a map of {dtype} has {}", other.dtype())));
        }
        let flat = tensors.iter().map(|t| t.reshape(&[1])).collect::<Result<Vec<_>, _>>()?;
        let all: Vec<_> = flat.iter().collect();
        let values =
            if all.is_empty() { Wide::F(Vec::new()) } else { crate::concat::concat(&all, 0)?.widen() };
        Ok(Self { dtype, values })
    }

    /// The values in the given order; zero or an empty text where there is none.
    pub(crate) fn placed(self, places: &[Option<usize>]) -> Result<Tensor, OpError> {
        fn at<T: Clone + Default>(values: &[T], places: &[Option<usize>]) -> Vec<T> {
            places.iter().map(|p| p.and_then(|p| values.get(p).cloned()).unwrap_or_default()).collect()
        }
        let wide = match self.values {
            Wide::F(v) => Wide::F(at(&v, places)),
            Wide::I(v) => Wide::I(at(&v, places)),
            Wide::U(v) => Wide::U(at(&v, places)),
            Wide::B(v) => Wide::B(at(&v, places)),
            Wide::S(v) => Wide::S(at(&v, places)),
            Wide::C(v) => Wide::C(at(&v, places)),
        };
        Ok(Tensor::narrow(self.dtype, &[places.len()], wide)?)
    }
}

/// A map from a vector of keys to the elements of a vector.
#[cfg(test)]
pub(crate) fn map(keys: Tensor, values: Tensor) -> Datum {
    let one = |at| Datum::Tensor(super::lookup::pick(&values, &[at], &[]).expect("the place is inside"));
    let values = (0..values.len()).map(one).collect();
    Datum::Map(MapDatum { keys, values })
}
