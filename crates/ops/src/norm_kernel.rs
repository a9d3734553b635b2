//! The fast way of the normalisations over rows and of batch normalisation in inference.

use std::borrow::Cow;
use std::sync::Arc;

use lehr_graph::{Op, OpError, Signature};
use lehr_kernels::norm::{Normalization, RowStatistics, normalize_rows};
use lehr_kernels::team::Team;
use lehr_kernels::{AlignedVec, Isa};
use lehr_tensor::{DataType, Tensor, broadcast_shapes, checked_len};

use crate::axis::resolve_axis;
use crate::batch_normalization::BatchNormalization;
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, run_reference};
use crate::elementwise::BroadcastIndex;
use crate::layer_normalization::LayerNormalization;
use crate::normalization::Planes;
use crate::operand::check_shape;
use crate::rms_normalization::RmsNormalization;
use crate::simplified_layer_normalization::SimplifiedLayerNormalization;

/// A normalisation of rows: everything from an axis on.
trait RowNorm: Op + Clone {
    fn axis(&self) -> i64;
    fn epsilon(&self) -> f32;
    fn centered(&self) -> bool;
    /// Type of the statistics.
    fn stash_type(&self) -> DataType;
}

macro_rules! row_norm {
    ($($op:ty, $centered:literal);*) => {$(
        impl RowNorm for $op {
            fn axis(&self) -> i64 {
                self.axis
            }

            fn epsilon(&self) -> f32 {
                self.epsilon
            }

            fn centered(&self) -> bool {
                $centered
            }

            fn stash_type(&self) -> DataType {
                self.stash_type
            }
        }

        impl CpuOp for $op {
            fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
                let fits = are_f32(io, &[0, 1, 2]) && self.stash_type == DataType::F32;
                fits.then(|| Recipe::new("rows"))
            }

            fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
                Ok(Packed::default())
            }

            fn bind(&self, _recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
                Ok(Box::new(RowKernel(self.clone())))
            }
        }
    )*};
}
row_norm!(LayerNormalization, true; RmsNormalization, false; SimplifiedLayerNormalization, false);

struct RowKernel<T>(T);

impl<T: RowNorm> Kernel for RowKernel<T> {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let axis = resolve_axis(self.0.axis(), x.rank())?;
        let row_shape = &x.shape()[axis..];
        let len = checked_len(row_shape)?;
        let parameters = (parameter(cx, 1, row_shape)?, parameter(cx, 2, row_shape)?);
        let (Some(scale), Some(bias)) = parameters else { return run_reference(&self.0, cx) };
        if x.is_empty() || self.0.stash_type() != DataType::F32 {
            return run_reference(&self.0, cx);
        }
        let shape = x.shape().to_vec();
        let mut statistics: Vec<usize> = shape.clone();
        statistics[axis..].fill(1);
        let rows = x.len() / len;
        let mut y = cx.buffers.take(x.len());
        let (mut mean, mut inverse) = (vec![0.0; rows], vec![0.0; rows]);
        let normalization = Normalization {
            centered: self.0.centered(),
            epsilon: self.0.epsilon(),
            scale: scale.as_deref(),
            bias: bias.as_deref(),
        };
        let wanted = RowStatistics { mean: Some(&mut mean), inverse_deviation: Some(&mut inverse) };
        normalize_rows(cx.team, cx.isa, &normalization, len, &x.as_slice::<f32>()?, &mut y, wanted);
        let y = Tensor::from_vec(&shape, y)?;
        cx.set(0, y);
        let mut next = 1;
        if self.0.centered() {
            cx.set(next, Tensor::from_vec(&statistics, mean)?);
            next += 1;
        }
        cx.set(next, Tensor::from_vec(&statistics, inverse)?);
        Ok(())
    }
}

/// A parameter (inner `None`: absent) with one value per element of a row; the outer `None` when it differs between rows.
type Parameter<'a> = Option<Option<Cow<'a, [f32]>>>;

fn parameter<'a>(cx: &'a RunCx<'_>, index: usize, row: &[usize]) -> Result<Parameter<'a>, OpError> {
    let Some(tensor) = cx.optional_tensor(index)? else { return Ok(Some(None)) };
    // Leading axes of size 1 say nothing.
    let extra = tensor.rank().saturating_sub(row.len());
    let (leading, own) = tensor.shape().split_at(extra);
    if leading.iter().any(|&size| size != 1) || broadcast_shapes(&[own, row]).ok().as_deref() != Some(row) {
        return Ok(None);
    }
    let values = tensor.as_slice::<f32>()?;
    if own == row {
        return Ok(Some(Some(values)));
    }
    Ok(Some(Some(BroadcastIndex::new(own, row).map(|at| values[at]).collect())))
}

impl CpuOp for BatchNormalization {
    fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
        if self.training_mode || io.outputs.len() != 1 || !are_f32(io, &[0, 1, 2, 3, 4]) {
            return None;
        }
        let recipe = Recipe::new("planes");
        let constant = (1..5).all(|index| io.constants.get(index).copied().flatten().is_some());
        Some(if constant { recipe.with("constant", 1) } else { recipe })
    }

    /// Constant statistics become a factor and an offset per channel.
    fn pack(&self, recipe: &Recipe, constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        if recipe.get("constant") == 0 {
            return Ok(Packed::default());
        }
        let constant =
            |index: usize| constants.get(index).copied().flatten().ok_or(OpError::MissingInput { index });
        let (scale, bias, mean, var) = (constant(1)?, constant(2)?, constant(3)?, constant(4)?);
        let (factor, offset) = self.line([scale, bias, mean, var])?;
        Ok(Packed { blocks: vec![AlignedVec::from_slice(&factor), AlignedVec::from_slice(&offset)] })
    }

    fn packed_inputs(&self, recipe: &Recipe) -> Vec<usize> {
        if recipe.get("constant") > 0 { vec![1, 2, 3, 4] } else { Vec::new() }
    }

    fn bind(&self, _recipe: &Recipe, packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        Ok(Box::new(BatchKernel { op: self.clone(), packed }))
    }
}

impl BatchNormalization {
    /// Factor and offset of each channel from scale, bias, mean and variance.
    fn line(&self, parameters: [&Tensor; 4]) -> Result<(Vec<f32>, Vec<f32>), OpError> {
        let channels = parameters[0].len();
        for (index, tensor) in parameters.iter().enumerate() {
            check_shape(index + 1, tensor, &[channels])?;
        }
        let [scale, bias, mean, var] = parameters.map(Tensor::as_slice::<f32>);
        let (scale, bias, mean, var) = (scale?, bias?, mean?, var?);
        let (mut factors, mut offsets) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
        for c in 0..channels {
            let factor = f64::from(scale[c]) / (f64::from(var[c]) + f64::from(self.epsilon)).sqrt();
            factors.push(factor as f32);
            offsets.push((f64::from(bias[c]) - f64::from(mean[c]) * factor) as f32);
        }
        Ok((factors, offsets))
    }
}

struct BatchKernel {
    op: BatchNormalization,
    packed: Arc<Packed>,
}

impl Kernel for BatchKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let line;
        let (factor, offset) = match &self.packed.blocks[..] {
            [factor, offset] => (factor.as_slice(), offset.as_slice()),
            _ => {
                line = self.op.line([cx.tensor(1)?, cx.tensor(2)?, cx.tensor(3)?, cx.tensor(4)?])?;
                (&line.0[..], &line.1[..])
            }
        };
        let shape = cx.tensor(0)?.shape().to_vec();
        let planes = Planes::of(&shape)?;
        if factor.len() != planes.channels || offset.len() != planes.channels {
            return Err(OpError::shape(format!(
                "input 0: expected {} channels, got {}",
                factor.len(),
                planes.channels
            )));
        }
        let mut y = cx.take_f32(0)?;
        if !y.is_empty() {
            apply_line(cx.team, &mut y, planes, factor, offset);
        }
        cx.set(0, Tensor::from_vec(&shape, y)?);
        Ok(())
    }
}

/// Smaller planes are shared out by whole samples.
const SMALLEST_SHARE: usize = 1024;

/// `y · factor + offset` with those of each channel; nothing is empty.
fn apply_line(team: &Team, y: &mut [f32], planes: Planes, factor: &[f32], offset: &[f32]) {
    let Planes { channels, plane } = planes;
    if plane >= SMALLEST_SHARE {
        team.parallel_chunks(y, plane, |start, part| {
            let channel = start / plane % channels;
            let (factor, offset) = (factor[channel], offset[channel]);
            part.iter_mut().for_each(|y| *y = *y * factor + offset);
        });
        return;
    }
    let sample = plane * channels;
    team.parallel_chunks(y, sample * SMALLEST_SHARE.div_ceil(sample), |_, samples| {
        for sample in samples.chunks_mut(sample) {
            let lines = factor.iter().zip(offset);
            if plane == 1 {
                sample.iter_mut().zip(lines).for_each(|(y, (factor, offset))| *y = *y * factor + offset);
                continue;
            }
            for (plane, (factor, offset)) in sample.chunks_mut(plane).zip(lines) {
                plane.iter_mut().for_each(|y| *y = *y * factor + offset);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn batch_norm_of_planes_of_every_size_agrees_with_the_reference() {
        let op = BatchNormalization { epsilon: 1e-3, momentum: 0.9, training_mode: false };
        for plane in [&[][..], &[7], &[300], &[2, SMALLEST_SHARE]] {
            let shape = [&[3, 5][..], plane].concat();
            let len: usize = shape.iter().product();
            let values: Vec<f32> = (0..len).map(|i| ((i * 37 % 101) as f32) * 0.25 - 11.0).collect();
            let case = Case::new(op.clone())
                .input(f32s(&shape, &values))
                .constant(f32s(&[5], &[1.0, 2.0, -1.0, 0.5, 0.0]))
                .constant(f32s(&[5], &[0.0, 1.0, 2.0, -3.0, 4.0]))
                .constant(f32s(&[5], &[3.0, 1.0, 0.0, -2.0, 5.0]))
                .constant(f32s(&[5], &[1.0, 0.25, 4.0, 9.0, 2.0]));
            let ways = case.run(1).expect("the case is valid");
            assert!(ways.len() > 2, "the kernel ran");
            let reference = ways.first().and_then(|(_, y)| y.first().cloned().flatten()).expect("an output");
            case.tolerance(1e-5, 1e-5).expect(reference);
        }
    }
}
