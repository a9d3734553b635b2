//! `Reshape`: <https://onnx.ai/onnx/operators/onnx__Reshape.html>

use lehr_graph::dim::SymInt;
use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Shape, WriteCx, declare_op};

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
    use lehr_tensor::Tensor;

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
