//! `DFT`: <https://onnx.ai/onnx/operators/onnx__DFT.html>

use lehr_graph::{
    Attribute, Dim, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Shape, WriteCx, WriteInput, declare_op,
};
use lehr_tensor::{Tensor, Wide, row_major_strides};

use crate::axis::resolve_axis;
use crate::fourier::{inverse_onesided, transform};
use crate::heads::floats;
use crate::window_function::{check_bytes, scalar_size};

declare_op! {
    /// Discrete Fourier transform along one axis. The last axis of input 0 holds a real number, or its real and
    /// imaginary part. Input 1: length, to which the signal is cut or padded with zeros; input 2: the axis, -2 by
    /// default.
    pub struct Dft("", "DFT", 20) inputs(1, 3) outputs(1, 1) flags()
    read(Self::read) {
        /// With `e^{+2πi…}` and divided by the length.
        inverse: bool = false,
        /// Forward: give only the first half and one. Inverse: take that much and give a real signal.
        onesided: bool = false,
    }
}

impl Dft {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let op = Self::from_attributes(cx.attributes())?;
        if cx.opset() >= 20 {
            return cx.emit_same(op);
        }
        // Before opset 20 the axis was an attribute with another default.
        let axis = cx.attribute("axis")?.unwrap_or(1i64);
        let axis = cx.constant(Tensor::scalar(axis));
        let inputs = vec![cx.input(0), cx.input(1), Some(axis)];
        cx.emit(op, inputs, 1)
    }

    fn real_output(&self) -> bool {
        self.inverse && self.onesided
    }

    /// Size of the output along the axis for a transform of length `n`.
    fn kept(&self, n: usize) -> usize {
        if self.onesided && !self.inverse { n / 2 + 1 } else { n }
    }

    fn infer_axis(&self, cx: &InferCx<'_>, size: &Dim) -> Dim {
        let (one, two) = (Dim::Fixed(1), Dim::Fixed(2));
        let n = if cx.has_input(1) {
            cx.known(1).and_then(|v| v.sole().map(|n| n.to_dim())).unwrap_or(Dim::Unknown)
        } else if self.real_output() {
            size.sub(&one).mul(&two)
        } else {
            size.clone()
        };
        if self.onesided && !self.inverse { n.floor_div(&two).add(&one) } else { n }
    }
}

/// The axis of the transform: any but the last one.
fn signal_axis(axis: i64, rank: usize) -> Result<usize, OpError> {
    let resolved = resolve_axis(axis, rank)?;
    if resolved + 1 == rank {
        return Err(OpError::value(format!("axis {axis} holds the parts of complex numbers")));
    }
    Ok(resolved)
}

impl Op for Dft {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let axis = match cx.has_input(2) {
            true => cx.constant_ints(2)?.and_then(|v| v.first().copied()),
            false => Some(-2),
        };
        let Some(shape) = cx.shape(0) else {
            cx.set_tensor(0, dtype, None);
            return Ok(());
        };
        let rank = shape.rank();
        let mut dims = match axis {
            Some(axis) => {
                let axis = signal_axis(axis, rank)?;
                let mut dims = shape.dims().to_vec();
                dims[axis] = self.infer_axis(cx, &dims[axis]);
                dims
            }
            None => Shape::unknown(rank).dims().to_vec(),
        };
        if let Some(last) = dims.last_mut() {
            *last = Dim::Fixed(if self.real_output() { 1 } else { 2 });
        }
        cx.set_tensor(0, dtype, Some(dims.into_iter().collect()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let asked = match cx.optional_ints(2)?.as_deref() {
            None => -2,
            Some([axis]) => *axis,
            Some(other) => {
                return Err(OpError::shape(format!("input 2: expected one axis, got {}", other.len())));
            }
        };
        let axis = signal_axis(asked, x.rank())?;
        let size = x.shape()[axis];
        let n = match cx.optional_tensor(1)? {
            Some(_) => scalar_size(cx, 1)?,
            None if self.real_output() => size.saturating_sub(1).saturating_mul(2),
            None => size,
        };
        let mut shape = x.shape().to_vec();
        let last = shape.len() - 1;
        let parts = shape[last];
        if parts != 1 && parts != 2 {
            return Err(OpError::shape(format!("the last axis needs size 1 or 2, got {parts}")));
        }
        shape[last] = if self.real_output() { 1 } else { 2 };
        shape[axis] = self.kept(n);
        check_bytes(cx, &shape, x.dtype())?;
        check_bytes(cx, &[n, 2], x.dtype())?;

        let data = floats(x, 0)?;
        let mut out = vec![0.0; lehr_tensor::checked_len(&shape)?];
        let (from, to) = (row_major_strides(x.shape()), row_major_strides(&shape));
        let outer: usize = shape[..axis].iter().product();
        let inner: usize = shape[axis + 1..last].iter().product();
        for o in 0..outer {
            for i in 0..inner {
                cx.environment().check()?;
                let start = o * size * from[axis] + i * parts;
                let line: Vec<[f64; 2]> = (0..size.min(n))
                    .map(|t| {
                        let at = start + t * from[axis];
                        [data[at], if parts == 2 { data[at + 1] } else { 0.0 }]
                    })
                    .collect();
                let start = o * shape[axis] * to[axis] + i * shape[last];
                if self.real_output() {
                    for (t, value) in inverse_onesided(&line, n).into_iter().enumerate() {
                        out[start + t * to[axis]] = value;
                    }
                } else {
                    for (k, [re, im]) in
                        transform(&line, n, self.inverse, shape[axis]).into_iter().enumerate()
                    {
                        out[start + k * to[axis]] = re;
                        out[start + k * to[axis] + 1] = im;
                    }
                }
            }
        }
        cx.set(0, Tensor::narrow(x.dtype(), &shape, Wide::F(out))?);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() >= 20 {
            return Ok(());
        }
        let axis = match cx.inputs_mut().get(2).cloned() {
            None | Some(WriteInput::Absent) => -2,
            Some(WriteInput::Constant(axis)) => axis.item::<i64>()?,
            Some(WriteInput::Node(at)) => match cx.io().constants.get(at).copied().flatten() {
                Some(axis) => axis.item::<i64>()?,
                None => {
                    let opset = cx.opset();
                    return Err(OpError::Unsupported(format!(
                        "opset {opset} takes 'axis' as an attribute, but input 2 is computed"
                    )));
                }
            },
        };
        cx.inputs_mut().truncate(2);
        cx.attributes_mut().set("axis", Attribute::Int(axis));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn forward_and_back() {
        let x = f32s(&[1, 4, 1], &[1.0, 2.0, 3.0, 4.0]);
        let half = f32s(&[1, 3, 2], &[10.0, 0.0, -2.0, 2.0, -2.0, 0.0]);
        let full = f32s(&[1, 4, 2], &[10.0, 0.0, -2.0, 2.0, -2.0, 0.0, -2.0, -2.0]);
        let case = |inverse, onesided| Case::new(Dft { inverse, onesided }).tolerance(1e-6, 1e-6);
        case(false, false).input(x.clone()).expect(full.clone());
        case(false, true).input(x.clone()).expect(half.clone());
        case(true, true).input(half).expect(x);
        let complex = f32s(&[1, 4, 2], &[1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0]);
        case(true, false).input(full).expect(complex);
    }

    #[test]
    fn pads_to_a_length_along_a_given_axis() {
        let x = f32s(&[1, 2, 1], &[1.0, 2.0]);
        Case::new(Dft { inverse: false, onesided: false })
            .tolerance(1e-6, 1e-6)
            .input(x.clone())
            .constant(Tensor::scalar(3i64))
            .constant(Tensor::scalar(0i64))
            .expect(f32s(&[3, 2, 2], &[1.0, 0.0, 2.0, 0.0, 1.0, 0.0, 2.0, 0.0, 1.0, 0.0, 2.0, 0.0]));
        Case::new(Dft { inverse: false, onesided: false })
            .input(x)
            .absent()
            .constant(Tensor::scalar(-1i64))
            .expect_error("axis -1");
    }
}
