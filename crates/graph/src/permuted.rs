//! How a node looks when its values come with their axes in another order: what the search for layouts is built on.

use lehr_tensor::Tensor;

use crate::dim::Shape;
use crate::op::OpRef;
use crate::permutation::Permutation;
use crate::signature::Signature;
use crate::types::{TensorType, ValueType};

/// A node that computes the same on permuted values, bit for bit.
#[derive(Clone, Debug)]
pub struct Permuted {
    /// The operator with its axes renamed; the same operator when absent.
    pub op: Option<OpRef>,
    /// What each input must be; there may be more of them than the node had.
    pub inputs: Vec<PermutedInput>,
    /// The order in which each output comes.
    pub outputs: Vec<Permutation>,
}

/// What an input of a permuted node must be.
#[derive(Clone, Debug, PartialEq)]
pub enum PermutedInput {
    /// Absent.
    Absent,
    /// What it was.
    Same,
    /// What it was with its axes in this order, and then axes of size 1 inserted at these positions of the result.
    Ordered {
        /// The order of its own axes.
        order: Permutation,
        /// Positions of the inserted axes, ascending.
        ones: Vec<usize>,
    },
    /// This constant.
    Constant(Tensor),
}

impl PermutedInput {
    /// The whole value in this order.
    pub fn ordered(order: &Permutation) -> Self {
        Self::Ordered { order: order.clone(), ones: Vec::new() }
    }

    /// `Same` for an input that is there.
    pub fn same(io: &Signature<'_>, index: usize) -> Self {
        if io.inputs.get(index).copied().flatten().is_some() { Self::Same } else { Self::Absent }
    }
}

impl Permuted {
    /// Output 0 and input 0 in the same order, all other inputs as they were.
    pub fn unary(io: &Signature<'_>, op: Option<OpRef>, order: &Permutation) -> Self {
        let mut inputs: Vec<_> = (0..io.inputs.len()).map(|index| PermutedInput::same(io, index)).collect();
        if let Some(first) = inputs.first_mut() {
            *first = PermutedInput::ordered(order);
        }
        Self { op, inputs, outputs: vec![order.clone(); io.outputs.len()] }
    }

    /// The same with a constant in place of input `index`.
    pub fn with_constant(mut self, index: usize, tensor: Tensor) -> Self {
        if self.inputs.len() <= index {
            self.inputs.resize(index + 1, PermutedInput::Absent);
        }
        self.inputs[index] = PermutedInput::Constant(tensor);
        self
    }

    /// A node that broadcasts its inputs to its outputs, which all have the rank of `order`.
    pub fn elementwise(io: &Signature<'_>, order: &Permutation) -> Option<Self> {
        let rank = order.rank();
        let has_rank = |o: usize| io.output_shape(o).is_some_and(|shape| shape.rank() == rank);
        if !(0..io.outputs.len()).all(has_rank) {
            return None;
        }
        let inputs =
            (0..io.inputs.len()).map(|index| broadcast_input(io, index, order)).collect::<Option<_>>()?;
        Some(Self { op: None, inputs, outputs: vec![order.clone(); io.outputs.len()] })
    }
}

/// The axes of an input that broadcasts to the axes in `order`; in front it may have fewer of them.
fn broadcast_input(io: &Signature<'_>, index: usize, order: &Permutation) -> Option<PermutedInput> {
    if io.inputs.get(index)?.is_none() {
        return Some(PermutedInput::Absent);
    }
    let missing: Vec<usize> = (0..order.rank().checked_sub(io.input_shape(index)?.rank())?).collect();
    let is_missing = |axis: &&usize| missing.contains(axis);
    let leading = order.axes().iter().take_while(is_missing).count();
    let places = order.axes().iter().skip(leading).enumerate();
    let ones = places.filter(|(_, axis)| is_missing(axis)).map(|(place, _)| place).collect();
    Some(PermutedInput::Ordered { order: order.without(&missing), ones })
}

/// The type of a value whose axes come in another order; nothing when its rank is another or not known.
pub fn permuted_type(ty: &ValueType, order: &Permutation) -> Option<ValueType> {
    if order.is_identity() && ty.shape().is_some_and(|shape| shape.rank() == order.rank()) {
        return Some(ty.clone());
    }
    let ValueType::Tensor(TensorType { dtype, shape: Some(shape), .. }) = ty else { return None };
    let shape: Shape = order.apply(shape.dims())?.into_iter().collect();
    Some(ValueType::Tensor(TensorType { dtype: *dtype, shape: Some(shape), known: None }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dim::Dim;
    use lehr_tensor::DataType;

    fn ty(sizes: &[u64]) -> ValueType {
        ValueType::tensor(DataType::F32, sizes.iter().map(|&size| Dim::Fixed(size)).collect())
    }

    #[test]
    fn inputs_of_lower_rank_keep_their_place() {
        let types = [ty(&[2, 3, 4, 5]), ty(&[5]), ty(&[4, 5]), ty(&[])];
        let y = ty(&[2, 3, 4, 5]);
        let io = Signature {
            inputs: types.iter().map(Some).chain([None]).collect(),
            constants: vec![None; 5],
            outputs: vec![&y],
        };
        let order = |axes: &[usize]| Permutation::new(axes.to_vec()).unwrap();
        let to_nchw = order(&[0, 3, 1, 2]);
        let ordered = |axes: &[usize], ones: &[usize]| PermutedInput::Ordered {
            order: order(axes),
            ones: ones.to_vec(),
        };
        let permuted = Permuted::elementwise(&io, &to_nchw).unwrap();
        // [5] becomes [5, 1, 1]; [4, 5] becomes [5, 1, 4].
        assert_eq!(
            permuted.inputs,
            [
                ordered(&[0, 3, 1, 2], &[]),
                ordered(&[0], &[1, 2]),
                ordered(&[1, 0], &[1]),
                ordered(&[], &[]),
                PermutedInput::Absent
            ]
        );
        assert!(Permuted::elementwise(&io, &Permutation::identity(3)).is_none());
    }

    #[test]
    fn types_are_permuted() {
        let order = Permutation::new(vec![1, 0]).unwrap();
        assert_eq!(permuted_type(&ty(&[2, 3]), &order), Some(ty(&[3, 2])));
        assert_eq!(permuted_type(&ty(&[2]), &order), None);
        assert_eq!(permuted_type(&ValueType::Unknown, &order), None);
    }
}
