//! `Reshape`: <https://onnx.ai/onnx/operators/onnx__Reshape.html>

use lehr_graph::dim::SymInt;
use lehr_graph::{
    Dim, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Shape, Signature, WriteCx,
    declare_op,
};
use lehr_tensor::Tensor;

use crate::symbolic::forward_known;

declare_op! {
    /// The same elements in another shape: input 1, in which 0 copies a size and one -1 takes the rest.
    pub struct Reshape("", "Reshape", 25) inputs(2, 2) outputs(1, 1) flags(DATA_MOVEMENT, SAME_ORDER)
    read(Self::read) {
        /// A zero in the shape means zero, instead of the size at the same place of the input.
        allowzero: bool = false,
    }
}

impl Reshape {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let inputs = cx.inputs_with_ints(1, "shape")?;
        let allowzero = cx.attribute("allowzero")?.unwrap_or(false);
        cx.emit(Self { allowzero }, inputs, 1)
    }
}

impl Op for Reshape {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = match cx.known(1) {
            Some(target) if target.shape().len() == 1 => {
                Some(reshaped(cx.shape(0), target.values(), self.allowzero)?)
            }
            _ => {
                let rank = cx.shape(1).filter(|s| s.rank() == 1).and_then(|s| s.dims()[0].as_fixed());
                rank.filter(|&r| r <= 64).map(Shape::unknown)
            }
        };
        let fixed = shape.as_ref().and_then(Shape::as_fixed);
        cx.set_tensor(0, dtype, shape);
        if let Some(fixed) = fixed {
            forward_known(cx, &fixed);
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let shape = target_shape(x.shape(), &cx.ints(1)?, self.allowzero)?;
        let y = x.reshape(&shape)?;
        cx.set(0, y);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if !self.allowzero {
            cx.attributes_mut().remove("allowzero");
        }
        Ok(())
    }

    /// Where only axes of size 1 come and go, the others may have any order.
    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        let (before, after) = (io.input_shape(0)?, io.output_shape(0)?);
        let (from, to) = (long_axes(before), long_axes(after));
        let is_same = |(&i, &o): (&usize, &usize)| before.get(i)?.equal(after.get(o)?);
        if from.len() != to.len() || !from.iter().zip(&to).all(|pair| is_same(pair) == Some(true)) {
            return None;
        }
        let (input, output) = if after.rank() > before.rank() {
            (carried(order, &to, &from, before.rank())?, order.clone())
        } else {
            (order.clone(), carried(order, &from, &to, after.rank())?)
        };
        let size = |dim: &Dim| match dim.as_fixed() {
            Some(size) => i64::try_from(size).ok().filter(|&size| size > 0),
            None => Some(-1),
        };
        let target: Vec<i64> = output.apply(after.dims())?.iter().map(size).collect::<Option<_>>()?;
        if target.iter().filter(|&&size| size == -1).count() > 1 {
            return None;
        }
        let mut permuted = Permuted::unary(io, None, &input).with_constant(1, Tensor::vector(target));
        permuted.outputs = vec![output];
        Some(permuted)
    }
}

/// The axes of a shape that may be longer than 1.
fn long_axes(shape: &Shape) -> Vec<usize> {
    (0..shape.rank()).filter(|&axis| shape.get(axis) != Some(&Dim::Fixed(1))).collect()
}

/// The order of the other side of a Reshape, of rank `rank`: its long axes `to`, which are the axes `from` of the side with
/// the order, come in the same order, and its axes of size 1 stay where they are.
fn carried(order: &Permutation, from: &[usize], to: &[usize], rank: usize) -> Option<Permutation> {
    let same = |axis: &usize| to.get(from.iter().position(|long| long == axis)?).copied();
    let mut long = order.axes().iter().filter_map(same);
    let axes = (0..rank).map(|axis| if to.contains(&axis) { long.next() } else { Some(axis) });
    Permutation::new(axes.collect::<Option<_>>()?)
}

/// The shape that `target` asks for, given the symbolic input shape.
fn reshaped(input: Option<&Shape>, target: &[SymInt], allowzero: bool) -> Result<Shape, OpError> {
    let mut dims = Vec::with_capacity(target.len());
    let mut wildcard = None;
    for (at, size) in target.iter().enumerate() {
        dims.push(match size.as_constant() {
            Some(-1) if wildcard.is_some() => return Err(OpError::value("the shape has more than one -1")),
            Some(-1) => {
                wildcard = Some(at);
                Dim::Fixed(1)
            }
            Some(0) if !allowzero => match input {
                Some(shape) => shape.get(at).cloned().ok_or_else(|| {
                    OpError::shape(format!(
                        "0 at position {at} copies a size, but the input has rank {}",
                        shape.rank()
                    ))
                })?,
                None => Dim::Unknown,
            },
            Some(n) if n < 0 => {
                return Err(OpError::value(format!("the shape has {n}, expected -1 or a size")));
            }
            _ => size.to_dim(),
        });
    }
    let Some(input) = input else {
        if let Some(at) = wildcard {
            dims[at] = Dim::Unknown;
        }
        return Ok(dims.into_iter().collect());
    };
    let total = input.numel();
    let given = dims.iter().fold(Dim::Fixed(1), |a, b| a.mul(b));
    if let Some(at) = wildcard {
        if total.is_multiple_of(&given) == Some(false) {
            return Err(OpError::shape(format!("{total} elements do not divide into {given}")));
        }
        dims[at] = total.div_exact(&given);
    } else if total.equal(&given) == Some(false) {
        return Err(OpError::shape(format!("expected a shape of {total} elements, got {given}")));
    }
    Ok(dims.into_iter().collect())
}

/// The shape that `target` asks for, for an input of the given sizes.
pub(crate) fn target_shape(input: &[usize], target: &[i64], allowzero: bool) -> Result<Vec<usize>, OpError> {
    let mut sizes = Vec::with_capacity(target.len());
    let mut wildcard = None;
    for (at, &size) in target.iter().enumerate() {
        sizes.push(match size {
            -1 if wildcard.is_some() => return Err(OpError::value("the shape has more than one -1")),
            -1 => {
                wildcard = Some(at);
                1
            }
            0 if !allowzero => *input.get(at).ok_or_else(|| {
                OpError::shape(format!(
                    "0 at position {at} copies a size, but the input has rank {}",
                    input.len()
                ))
            })?,
            n => usize::try_from(n)
                .map_err(|_| OpError::value(format!("the shape has {n}, expected -1 or a size")))?,
        });
    }
    if let Some(at) = wildcard {
        let total: usize = input.iter().product();
        let given = lehr_tensor::checked_len(&sizes)?;
        let rest = total.checked_div(given).unwrap_or(0);
        if rest.checked_mul(given) != Some(total) {
            return Err(OpError::shape(format!("{total} elements do not divide into {given}")));
        }
        sizes[at] = rest;
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;

    #[test]
    fn axes_of_size_1_come_and_go_in_any_order() {
        let x = Tensor::from_vec(&[2, 1, 3, 4], (0u8..24).map(f32::from).collect()).unwrap();
        for shape in [&[2i64, 3, 4][..], &[2, 3, 4, 1], &[1, 2, 3, 1, 4]] {
            let sizes: Vec<usize> = shape.iter().map(|&size| usize::try_from(size).unwrap()).collect();
            let target = Tensor::vector(shape.to_vec());
            Case::new(Reshape { allowzero: false })
                .input(x.clone())
                .constant(target)
                .expect(x.reshape(&sizes).unwrap());
        }
    }

    #[test]
    fn copies_and_fills() {
        let x = Tensor::from_slice(&[2, 3, 4], &[0.5f32; 24]).unwrap();
        for (target, expected) in
            [(vec![0i64, -1], vec![2, 12]), (vec![-1], vec![24]), (vec![4, 3, 2], vec![4, 3, 2])]
        {
            Case::new(Reshape { allowzero: false })
                .input(x.clone())
                .constant(Tensor::vector(target))
                .expect(x.reshape(&expected).unwrap());
        }
        Case::new(Reshape { allowzero: false })
            .input(x)
            .constant(Tensor::vector(vec![5i64, -1]))
            .expect_error("divide");
    }
}
