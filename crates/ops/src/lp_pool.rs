//! `LpPool`: <https://onnx.ai/onnx/operators/onnx__LpPool.html>

use lehr_graph::{
    AxisMap, Cost, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Signature, WriteCx, declare_op,
};

use crate::downgrade::drop_attribute;
use crate::operand::{floats, rounded};
use crate::pooling::{Pooling, pool_axes, pool_cost, pooled_shape};
use crate::window::{AutoPad, WindowAttributes, window_of};

declare_op! {
    /// p-norm of each window.
    pub struct LpPool("", "LpPool", 22) inputs(1, 1) outputs(1, 1) flags() read(Self::read) {
        /// Padding rule.
        auto_pad: AutoPad = AutoPad::NotSet,
        /// The number of windows is rounded up.
        ceil_mode: bool = false,
        /// Steps between window elements along each axis.
        dilations: Option<Vec<i64>> = None,
        /// Sizes of the window.
        kernel_shape: Vec<i64>,
        /// Which norm.
        p: i64 = 2,
        /// Padding: all beginnings, then all ends.
        pads: Option<Vec<i64>> = None,
        /// Steps between windows along each axis.
        strides: Option<Vec<i64>> = None,
    }
}

impl LpPool {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let attributes = norm_as_integer(cx)?;
        cx.emit_same(Self::from_attributes(&attributes)?)
    }

    fn window(&self) -> WindowAttributes<'_> {
        window_of!(self, self.dilations.as_deref(), self.ceil_mode)
    }
}

/// The node's attributes with `p`, a real number in opset 1, as the integer it is today.
pub(crate) fn norm_as_integer(cx: &ReadCx<'_>) -> Result<lehr_graph::Attributes, OpError> {
    let mut attributes = cx.attributes().clone();
    if let Some(lehr_graph::Attribute::Float(p)) = attributes.get("p").cloned() {
        if p.fract() != 0.0 || !(1.0..=1024.0).contains(&p) {
            return Err(OpError::attribute("p", format!("expected a whole number from 1 to 1024, got {p}")));
        }
        attributes.set("p", lehr_graph::Attribute::Int(p as i64));
    }
    Ok(attributes)
}

/// `(Σ |x|^p)^(1/p)`.
pub(crate) fn norm(values: impl Iterator<Item = f64>, p: i64) -> f64 {
    match p {
        1 => values.map(f64::abs).sum(),
        2 => values.map(|x| x * x).sum::<f64>().sqrt(),
        _ => values.map(|x| x.abs().powf(p as f64)).sum::<f64>().powf(1.0 / p as f64),
    }
}

impl Op for LpPool {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = pooled_shape(&self.window(), &self.kernel_shape, cx)?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let pooling = Pooling::new(&self.window(), &self.kernel_shape, x.shape())?;
        pooling.check_size(cx, x.dtype())?;
        let values = floats(cx, 0)?;
        let y = pooling.map(|positions, _| norm(positions.map(|at| values[at]), self.p));
        let y = rounded(x.dtype(), &pooling.output, y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        pool_cost(io, &self.kernel_shape)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        pool_axes(io)
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        let ones = self.dilations.iter().flatten().all(|&d| d == 1);
        drop_attribute(cx, "dilations", 18, ones)?;
        drop_attribute(cx, "ceil_mode", 18, !self.ceil_mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn norms() {
        let op = |p| LpPool {
            auto_pad: AutoPad::NotSet,
            ceil_mode: false,
            dilations: None,
            kernel_shape: vec![2],
            p,
            pads: None,
            strides: None,
        };
        let x = f32s(&[1, 1, 3], &[3., -4., 0.]);
        Case::new(op(1)).input(x.clone()).expect(f32s(&[1, 1, 2], &[7., 4.]));
        Case::new(op(2)).input(x.clone()).expect(f32s(&[1, 1, 2], &[5., 4.]));
        Case::new(op(3)).input(x).expect(f32s(&[1, 1, 2], &[4.497_941_4, 4.]));
    }
}
