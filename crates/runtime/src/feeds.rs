//! What a run is fed with, and its check against the signature.

use lehr_graph::dim::{Assignment, unify_shapes};
use lehr_graph::{Datum, ValueType};

use crate::compile::Port;
use crate::error::FeedError;

/// Values for the inputs of a model, by name or by position.
#[derive(Clone, Debug, Default)]
pub struct Feeds {
    values: Vec<(Option<String>, Datum)>,
}

impl Feeds {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a value for the input of that name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Datum>) -> Self {
        self.values.push((Some(name.into()), value.into()));
        self
    }

    /// The same with a value for the first input that has none by name or position.
    #[must_use]
    pub fn next(mut self, value: impl Into<Datum>) -> Self {
        self.values.push((None, value.into()));
        self
    }

    /// Values in the order of `inputs`, checked.
    pub(crate) fn arrange(self, inputs: &[Port]) -> Result<Vec<Option<Datum>>, FeedError> {
        let mut arranged = vec![None; inputs.len()];
        let count = self.values.len();
        let (named, positional): (Vec<_>, Vec<_>) =
            self.values.into_iter().partition(|(name, _)| name.is_some());
        for (name, value) in named {
            let name = name.unwrap_or_default();
            let found = inputs.iter().zip(&mut arranged).find(|(input, _)| input.name == name);
            let Some((_, place)) = found else {
                let known = inputs.iter().map(|input| input.name.clone()).collect();
                return Err(FeedError::Unknown { name, known });
            };
            if place.replace(value).is_some() {
                return Err(FeedError::Repeated { name });
            }
        }
        let mut free = arranged.iter_mut().filter(|place| place.is_none());
        for (_, value) in positional {
            let place = free.next().ok_or(FeedError::TooMany { expected: inputs.len(), got: count })?;
            *place = Some(value);
        }
        check(inputs, &mut arranged)?;
        Ok(arranged)
    }
}

impl<N: Into<String>, V: Into<Datum>, const LEN: usize> From<[(N, V); LEN]> for Feeds {
    fn from(values: [(N, V); LEN]) -> Self {
        values.into_iter().collect()
    }
}

impl<N: Into<String>, V: Into<Datum>> FromIterator<(N, V)> for Feeds {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(values: I) -> Self {
        let values = values.into_iter().map(|(name, value)| (Some(name.into()), value.into()));
        Self { values: values.collect() }
    }
}

impl From<Vec<Datum>> for Feeds {
    fn from(values: Vec<Datum>) -> Self {
        Self { values: values.into_iter().map(|value| (None, value)).collect() }
    }
}

fn check(inputs: &[Port], values: &mut [Option<Datum>]) -> Result<(), FeedError> {
    for (input, value) in inputs.iter().zip(values.iter_mut()) {
        let Some(datum) = value.take() else {
            return Err(FeedError::Missing {
                name: input.name.clone(),
                expected: Box::new(input.ty.clone()),
            });
        };
        *value = Some(check_kind(input, datum)?);
    }
    check_shapes(inputs, values)
}

/// The value if its kind and element type are the declared ones; a plain value is taken for an optional one.
fn check_kind(input: &Port, value: Datum) -> Result<Datum, FeedError> {
    let kind = |got: &Datum| FeedError::Kind {
        name: input.name.clone(),
        expected: Box::new(input.ty.clone()),
        got: got.describe(),
    };
    match (&input.ty, value) {
        (ValueType::Unknown, value) => Ok(value),
        (ValueType::Tensor(declared), Datum::Tensor(tensor)) => match declared.dtype {
            Some(expected) if expected != tensor.dtype() => {
                Err(FeedError::ElementType { name: input.name.clone(), expected, got: tensor.dtype() })
            }
            _ => Ok(tensor.into()),
        },
        (ValueType::Optional(_), value @ Datum::Optional(_))
        | (ValueType::Sequence(_), value @ Datum::Sequence(_))
        | (ValueType::Map { .. }, value @ Datum::Map(_)) => match input.ty.refine(&value.value_type()) {
            Ok(_) => Ok(value),
            Err(_) => Err(kind(&value)),
        },
        (ValueType::Optional(item), value) => match item.refine(&value.value_type()) {
            Ok(_) => Ok(Datum::Optional(Some(Box::new(value)))),
            Err(_) => Err(kind(&value)),
        },
        (_, value) => Err(kind(&value)),
    }
}

/// Ranks and sizes, with every symbol having one value across all inputs.
fn check_shapes(inputs: &[Port], values: &[Option<Datum>]) -> Result<(), FeedError> {
    let mut names = Vec::new();
    let mut pairs = Vec::new();
    for (input, value) in inputs.iter().zip(values) {
        if let (Some(shape), Some(Datum::Tensor(tensor))) = (input.ty.shape(), value) {
            names.push(input.name.as_str());
            pairs.push((shape, tensor.shape()));
        }
    }
    unify_shapes(&pairs, &mut Assignment::new()).map_err(|(index, mismatch)| {
        let (expected, got) = pairs
            .get(index)
            .map_or_else(Default::default, |(shape, sizes)| (Box::new((*shape).clone()), sizes.to_vec()));
        let name = names.get(index).copied().unwrap_or_default().to_owned();
        FeedError::Shape { name, expected, got, mismatch: Box::new(mismatch) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lehr_graph::{Dim, Shape};
    use lehr_tensor::{DataType, Tensor};

    fn ports() -> Vec<Port> {
        let n = Dim::symbol("N");
        let tensor = |shape| ValueType::tensor(DataType::F32, shape);
        vec![
            Port { name: "a".into(), ty: tensor(Shape::from([n.clone(), Dim::Fixed(2)])) },
            Port { name: "b".into(), ty: tensor(Shape::from([n])) },
        ]
    }

    fn f32s(shape: &[usize]) -> Tensor {
        Tensor::zeros(DataType::F32, shape).unwrap()
    }

    #[test]
    fn names_and_positions_mix() {
        let arranged = Feeds::new().next(f32s(&[3, 2])).with("b", f32s(&[3])).arrange(&ports()).unwrap();
        assert!(arranged.iter().all(Option::is_some));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let ok = || Feeds::new().with("a", f32s(&[3, 2]));
        for (feeds, message) in [
            (ok().with("c", f32s(&[3])), "there is no input named 'c', expected one of 'a', 'b'"),
            (ok(), "input 'b' is missing, expected f32[N]"),
            (ok().with("a", f32s(&[3, 2])), "input 'a' is fed twice"),
            (ok().next(f32s(&[3])).next(f32s(&[3])), "3 values are fed, expected 2"),
            (ok().with("b", Datum::Sequence(vec![])), "input 'b': expected f32[N], got sequence of 0"),
            (ok().with("b", Tensor::vector(vec![1i64])), "input 'b': expected elements of type f32, got i64"),
            (
                ok().with("b", f32s(&[3, 1])),
                "input 'b': expected shape [N], got [3, 1]: rank is 2, expected 1",
            ),
            (ok().with("b", f32s(&[4])), "input 'b': expected shape [N], got [4]: "),
        ] {
            let error = feeds.arrange(&ports()).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
