//! `BatchNormalization`: <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html>

use lehr_graph::{
    AxisMap, AxisRole, Cost, Dim, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Shape, Signature,
    ValueId, WriteCx, declare_op,
};

use crate::downgrade::drop_attribute;
use crate::normalization::{Planes, moments, norm_cost};
use crate::operand::{check_shape, floats, rounded};
use crate::reshape::Reshape;

declare_op! {
    /// `(x - mean) / √(var + epsilon) · scale + bias` per channel; in training with the statistics of the batch, which
    /// then also update the running mean and variance (outputs 1 and 2).
    pub struct BatchNormalization("", "BatchNormalization", 15) inputs(5, 5) outputs(1, 3) flags()
    read(Self::read) {
        /// Added to the variance.
        epsilon: f32 = 1e-5,
        /// Share of the old running statistics in the new ones.
        momentum: f32 = 0.9,
        /// Uses and updates statistics.
        training_mode: bool = false,
    }
}

impl BatchNormalization {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let mut op = Self::from_attributes(cx.attributes())?;
        if cx.opset() >= 14 {
            return cx.emit_same(op);
        }
        // Before opset 14, asking for more than one output meant training; before 7, `is_test` could overrule that.
        let is_test = cx.opset() < 7 && cx.attribute("is_test")?.unwrap_or(false);
        op.training_mode = cx.n_outputs() > 1 && !is_test;
        let spatial = cx.opset() >= 9 || cx.attribute("spatial")?.unwrap_or(true);
        if spatial { read_spatial(cx, op) } else { read_per_activation(cx, op) }
    }
}

fn read_spatial(cx: &mut ReadCx<'_>, op: BatchNormalization) -> Result<ReadValues, OpError> {
    let n = cx.n_outputs();
    let mut values = emit(cx, op.clone(), cx.inputs().to_vec(), n.min(3))?;
    if n > 3 {
        // The saved statistics are those of the batch alone: running statistics that forget everything.
        let batch = BatchNormalization { momentum: 0.0, ..op };
        let saved = emit(cx, batch, cx.inputs().to_vec(), 3)?;
        values.extend(saved.into_iter().skip(1).take(n - 3));
    }
    Ok(values)
}

fn emit(
    cx: &mut ReadCx<'_>,
    op: BatchNormalization,
    inputs: Vec<Option<ValueId>>,
    n: usize,
) -> Result<ReadValues, OpError> {
    cx.emit(op, inputs, n)
}

/// With `spatial = 0`, each element of a sample has its own statistics: the same over flattened samples.
fn read_per_activation(cx: &mut ReadCx<'_>, op: BatchNormalization) -> Result<ReadValues, OpError> {
    if cx.n_outputs() > 1 {
        return Err(OpError::Unsupported(
            "training with spatial = 0 (BatchNormalization before opset 9)".into(),
        ));
    }
    let x = cx.require(0)?;
    let unknown = || OpError::Unsupported("spatial = 0 with an input of unknown shape".into());
    let sample: Option<Vec<i64>> = cx
        .ty(x)
        .shape()
        .and_then(|shape| shape.dims().iter().skip(1).map(|d| i64::try_from(d.as_fixed()?).ok()).collect());
    let mut restored = vec![0];
    restored.extend(sample.ok_or_else(unknown)?);
    let (rows, flat, restored) = (cx.ints(&[0, -1]), cx.ints(&[-1]), cx.ints(&restored));
    let reshape = Reshape { allowzero: false };
    let mut inputs = vec![Some(cx.emit_one(reshape.clone(), &[x, rows])?)];
    for index in 1..5 {
        let parameter = cx.require(index)?;
        inputs.push(Some(cx.emit_one(reshape.clone(), &[parameter, flat])?));
    }
    let y = emit(cx, op, inputs, 1)?;
    Ok(vec![cx.emit_one(reshape, &[y[0], restored])?])
}

impl Op for BatchNormalization {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let channels = match cx.shape(0) {
            Some(shape) if shape.rank() == 0 => {
                return Err(OpError::shape("input 0: expected at least one axis, got a scalar"));
            }
            Some(shape) => shape.get(1).cloned().unwrap_or(Dim::Fixed(1)),
            None => Dim::Unknown,
        };
        for index in 1..5 {
            let Some(shape) = cx.shape(index) else { continue };
            if shape.rank() != 1 || shape.dims()[0].equal(&channels) == Some(false) {
                return Err(OpError::shape(format!(
                    "input {index}: expected shape [{channels}], got {shape}"
                )));
            }
        }
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        for index in [1, 2] {
            let dtype = if cx.has_input(3) { cx.dtype(index + 2)? } else { None };
            cx.set_tensor(index, dtype, Some(Shape::from([channels.clone()])));
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let planes = Planes::of(x.shape())?;
        for index in 1..5 {
            check_shape(index, cx.tensor(index)?, &[planes.channels])?;
        }
        let mut y = floats(cx, 0)?;
        let (scale, bias) = (floats(cx, 1)?, floats(cx, 2)?);
        let (mut mean, mut var) = (floats(cx, 3)?, floats(cx, 4)?);
        if self.training_mode {
            let momentum = f64::from(self.momentum);
            let blend = |old: f64, new: f64| old * momentum + new * (1.0 - momentum);
            let (mut running_mean, mut running_var) = (mean.clone(), var.clone());
            for c in 0..planes.channels {
                let in_channel = |at: &usize| *at / planes.plane % planes.channels == c;
                (mean[c], var[c]) = moments((0..y.len()).filter(in_channel).map(|at| y[at]));
                running_mean[c] = blend(running_mean[c], mean[c]);
                running_var[c] = blend(running_var[c], var[c]);
            }
            let shape = [planes.channels];
            let (mean_type, var_type) = (cx.tensor(3)?.dtype(), cx.tensor(4)?.dtype());
            cx.set(1, rounded(mean_type, &shape, running_mean)?);
            cx.set(2, rounded(var_type, &shape, running_var)?);
        } else if cx.wanted(1) || cx.wanted(2) {
            return Err(OpError::Unsupported("running statistics without training_mode".into()));
        }
        let epsilon = f64::from(self.epsilon);
        planes.for_each_mut(&mut y, |c, plane| {
            let factor = scale[c] / (var[c] + epsilon).sqrt();
            plane.iter_mut().for_each(|y| *y = (*y - mean[c]) * factor + bias[c]);
        });
        let y = rounded(x.dtype(), x.shape(), y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        norm_cost(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = AxisMap::opaque(io);
        for (axis, role) in map.outputs.first_mut().into_iter().flatten().enumerate() {
            if axis == 1 {
                *role = AxisRole::Independent((0..5).map(|input| (input, usize::from(input == 0))).collect());
            } else if !self.training_mode {
                *role = AxisRole::Independent(vec![(0, axis)]);
            }
        }
        map
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        drop_attribute(cx, "training_mode", 14, !self.training_mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    fn x() -> Tensor {
        f32s(&[2, 2, 2], &[1., 2., 3., 4., 5., 6., 7., 8.])
    }

    #[test]
    fn inference() {
        let op = BatchNormalization { epsilon: 0.0, momentum: 0.9, training_mode: false };
        Case::new(op)
            .input(x())
            .constant(f32s(&[2], &[2., 1.]))
            .constant(f32s(&[2], &[0.5, -1.]))
            .constant(f32s(&[2], &[1., 3.]))
            .constant(f32s(&[2], &[4., 0.25]))
            .expect(f32s(&[2, 2, 2], &[0.5, 1.5, -1., 1., 4.5, 5.5, 7., 9.]));
    }

    #[test]
    fn training_gives_running_statistics() {
        let op = BatchNormalization { epsilon: 0.0, momentum: 0.5, training_mode: true };
        let s = 4.25f32.sqrt();
        let y = [-2.5, -1.5, -2.5, -1.5, 1.5, 2.5, 1.5, 2.5].map(|v| v / s);
        Case::new(op)
            .input(x())
            .input(f32s(&[2], &[1., 1.]))
            .input(f32s(&[2], &[0., 0.]))
            .input(f32s(&[2], &[0., 1.]))
            .input(f32s(&[2], &[1., 2.]))
            .expect_all(vec![
                f32s(&[2, 2, 2], &y).into(),
                f32s(&[2], &[1.75, 3.25]).into(),
                f32s(&[2], &[2.625, 3.125]).into(),
            ]);
    }
}
