//! `CausalConvWithState`: <https://onnx.ai/onnx/operators/onnx__CausalConvWithState.html>

use lehr_graph::{
    AxisMap, AxisRole, Cost, Dim, EvalCx, InferCx, Op, OpError, Shape, Signature, attribute_enum, declare_op,
};

use crate::operand::{bounded_len, check_shape, floats, optional_floats, present_dtype, rounded};

attribute_enum! {
    /// What is applied to the sums.
    pub enum CausalActivation {
        /// Nothing.
        None = "none",
        /// `x · sigmoid(x)`.
        Silu = "silu",
        /// The same.
        Swish = "swish",
    }
}

declare_op! {
    /// Depthwise convolution over the present and the `k - 1` past elements of each channel, which the state carries from
    /// one call to the next.
    pub struct CausalConvWithState("", "CausalConvWithState", 27) inputs(2, 4) outputs(2, 2) flags() {
        /// Applied last.
        activation: CausalActivation = CausalActivation::None,
    }
}

impl Op for CausalConvWithState {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = present_dtype(cx)?;
        for index in [0, 1] {
            if let Some(shape) = cx.shape(index).filter(|shape| shape.rank() != 3) {
                return Err(OpError::shape(format!("input {index}: expected rank 3, got {shape}")));
            }
        }
        let kernel = cx.shape(1).map_or(Dim::Unknown, |w| w.dims()[2].clone());
        let state = cx.shape(0).map_or_else(
            || Shape::unknown(3),
            |x| Shape::from([x.dims()[0].clone(), x.dims()[1].clone(), kernel.sub(&Dim::Fixed(1))]),
        );
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        cx.set_tensor(1, dtype, Some(state));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (x, w) = (cx.tensor(0)?, cx.tensor(1)?);
        let (&[batch, channels, len], &[w_channels, 1, kernel]) = (x.shape(), w.shape()) else {
            return Err(OpError::shape(format!(
                "expected shapes [batch, channels, length] and [channels, 1, k], got {:?} and {:?}",
                x.shape(),
                w.shape()
            )));
        };
        let past = kernel.checked_sub(1).filter(|_| channels == w_channels).ok_or_else(|| {
            OpError::shape(format!("weights {:?} do not fit an input of shape {:?}", w.shape(), x.shape()))
        })?;
        let state_shape = [batch, channels, past];
        bounded_len(cx, x.dtype(), &state_shape)?;
        let (values, weights) = (floats(cx, 0)?, floats(cx, 1)?);
        let bias = optional_floats(cx, 2)?;
        if bias.is_some() {
            check_shape(2, cx.tensor(2)?, &[channels])?;
        }
        let state = optional_floats(cx, 3)?;
        if state.is_some() {
            check_shape(3, cx.tensor(3)?, &state_shape)?;
        }
        let (mut y, mut present) = (Vec::with_capacity(values.len()), Vec::new());
        for row in 0..batch * channels {
            let c = row % channels;
            let before = state.as_ref().map_or_else(|| vec![0.0; past], |s| s[row * past..][..past].to_vec());
            let padded: Vec<f64> =
                before.into_iter().chain(values[row * len..][..len].iter().copied()).collect();
            for window in padded.windows(kernel) {
                let sum: f64 = window.iter().zip(&weights[c * kernel..]).map(|(x, w)| x * w).sum();
                let sum = sum + bias.as_ref().map_or(0.0, |bias| bias[c]);
                y.push(match self.activation {
                    CausalActivation::None => sum,
                    CausalActivation::Silu | CausalActivation::Swish => sum / (1.0 + (-sum).exp()),
                });
            }
            present.extend_from_slice(&padded[len..]);
        }
        let y = rounded(x.dtype(), x.shape(), y)?;
        let present = rounded(x.dtype(), &state_shape, present)?;
        cx.set(0, y);
        cx.set(1, present);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        let elements = io.input_shape(0).map_or(Dim::Unknown, Shape::numel);
        let kernel = io.input_shape(1).and_then(|w| w.get(2).cloned()).unwrap_or(Dim::Unknown);
        Cost::of_macs(io, elements.mul(&kernel))
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = AxisMap::opaque(io);
        let state = |axis| io.inputs.get(3).copied().flatten().map(|_| (3, axis));
        for roles in &mut map.outputs {
            for (axis, role) in roles.iter_mut().enumerate() {
                *role = match axis {
                    0 => AxisRole::Independent([(0, 0)].into_iter().chain(state(0)).collect()),
                    1 => AxisRole::Independent([(0, 1), (1, 0)].into_iter().chain(state(1)).collect()),
                    _ if state(axis).is_some() => AxisRole::Mixed,
                    _ => AxisRole::Window { input: 0, axis },
                };
            }
        }
        map.with_values_along(io, 1, &[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn carries_the_past() {
        let op = CausalConvWithState { activation: CausalActivation::None };
        let w = f32s(&[1, 1, 3], &[1., 10., 100.]);
        let (x, past) = (f32s(&[1, 1, 1], &[3.]), f32s(&[1, 1, 2], &[1., 2.]));
        Case::new(op.clone())
            .input(x.clone())
            .constant(w.clone())
            .input(f32s(&[1], &[0.5]))
            .input(past)
            .expect_all(vec![f32s(&[1, 1, 1], &[321.5]).into(), f32s(&[1, 1, 2], &[2., 3.]).into()]);
        Case::new(op)
            .input(x)
            .constant(w)
            .expect_all(vec![f32s(&[1, 1, 1], &[300.]).into(), f32s(&[1, 1, 2], &[0., 3.]).into()]);
    }
}
