//! The fast way of Resize: the nearest elements of any axes, and interpolation along one or two neighbouring ones.

use std::sync::Arc;

use lehr_graph::{EvalCx, OpError, Signature};
use lehr_kernels::Isa;
use lehr_kernels::resample::{Taps, resample, resample_scratch_len};
use lehr_tensor::{Tensor, checked_len};

use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, refused, run_reference};
use crate::movement::AxisPicks;
use crate::pick_kernel::{PickKernel, Picking};
use crate::resample::AxisPlan;
use crate::resize::{CoordinateMode, Resize, ResizeMode};

impl Picking for Resize {
    fn picks(&self, cx: &EvalCx<'_>) -> Result<Vec<Vec<AxisPicks>>, OpError> {
        Ok(vec![self.nearest(&self.plans(cx)?)])
    }
}

struct InterpolationKernel(Resize);

impl Kernel for InterpolationKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let eval = EvalCx::new(cx.inputs(), vec![true; cx.n_outputs()], cx.environment);
        let plans = self.0.plans(&eval)?;
        let x = cx.tensor(0)?;
        let shape: Vec<usize> = plans.iter().map(|plan| plan.output).collect();
        let Some((planes, axes, lanes)) = planar(&plans).filter(|_| !x.is_empty()) else {
            return run_reference(&self.0, cx);
        };
        let [rows, columns] = [Axis::new(&self.0, &axes[0])?, Axis::new(&self.0, &axes[1])?];
        let (rows, columns) = (rows.taps()?, columns.taps()?);
        let mut y = cx.buffers.take(checked_len(&shape)?);
        let mut scratch = cx.buffers.take(resample_scratch_len(cx.team, &columns, lanes));
        let input = x.as_slice::<f32>()?;
        resample(cx.team, cx.isa, [planes, lanes], &rows, &columns, &input, &mut y, &mut scratch);
        cx.buffers.give(scratch);
        let y = Tensor::from_vec(&shape, y)?;
        cx.set(0, y);
        Ok(())
    }
}

/// The elements before and behind the two axes that change; `None` when others do.
fn planar(plans: &[AxisPlan]) -> Option<(usize, [AxisPlan; 2], usize)> {
    let first = plans.iter().position(|plan| !plan.is_identity())?;
    let last = plans.iter().rposition(|plan| !plan.is_identity())?;
    let one = AxisPlan { input: 1, output: 1, scale: 1.0, roi: (0.0, 1.0) };
    let axes = match *plans.get(first..=last)? {
        [own] if last + 1 == plans.len() => [one, own],
        [own] => [own, one],
        [rows, columns] => [rows, columns],
        _ => return None,
    };
    let len = |plans: &[AxisPlan]| plans.iter().try_fold(1_usize, |len, plan| len.checked_mul(plan.input));
    Some((len(&plans[..first])?, axes, len(&plans[last + 1..])?))
}

/// The taps of an axis in single precision.
struct Axis {
    input: usize,
    width: usize,
    indices: Vec<usize>,
    weights: Vec<f32>,
}

impl Axis {
    fn new(op: &Resize, plan: &AxisPlan) -> Result<Self, OpError> {
        if plan.is_identity() {
            let (indices, weights) = ((0..plan.input).collect(), vec![1.0; plan.input]);
            return Ok(Self { input: plan.input, width: 1, indices, weights });
        }
        let taps = op.taps(plan)?;
        let (width, indices, weights) = taps.parts();
        let weights = weights.iter().map(|weight| *weight as f32).collect();
        Ok(Self { input: plan.input, width, indices: indices.to_vec(), weights })
    }

    fn taps(&self) -> Result<Taps<'_>, OpError> {
        Taps::new(self.input, self.width, &self.indices, &self.weights).map_err(refused)
    }
}

impl CpuOp for Resize {
    fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
        // What cropping puts outside of the input is left to the reference.
        let crops = self.coordinate_transformation_mode == CoordinateMode::TfCropAndResize;
        let way = if self.mode == ResizeMode::Nearest { "picks" } else { "interpolation" };
        (are_f32(io, &[0]) && !crops).then(|| Recipe::new(way))
    }

    fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        Ok(Packed::default())
    }

    fn bind(&self, recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        match recipe.algorithm.as_str() {
            "picks" => Ok(Box::new(PickKernel(self.clone()))),
            "interpolation" => Ok(Box::new(InterpolationKernel(self.clone()))),
            other => Err(OpError::value(format!("no way to resize is called '{other}'"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn every_mode_on_plain_and_blocked_maps() {
        let values = |shape: &[usize]| {
            let len = shape.iter().product();
            f32s(shape, &(0..len).map(|i: usize| (i * 7 % 23) as f32 / 4.0 - 2.0).collect::<Vec<_>>())
        };
        let modes = [
            CoordinateMode::HalfPixel,
            CoordinateMode::AlignCorners,
            CoordinateMode::Asymmetric,
            CoordinateMode::PytorchHalfPixel,
        ];
        let cases = [
            (values(&[2, 3, 5, 7]), vec![1.0, 1.0, 2.0, 2.0]),
            (values(&[1, 3, 5, 7, 8]), vec![1.0, 1.0, 2.0, 3.0, 1.0]),
            (values(&[1, 2, 9, 8]), vec![1.0, 1.0, 0.5, 1.0]),
            (values(&[3, 9]), vec![1.0, 1.7]),
            (values(&[2, 3, 4, 5]), vec![2.0, 1.0, 2.0, 1.0]),
        ];
        for mode in [ResizeMode::Nearest, ResizeMode::Linear, ResizeMode::Cubic] {
            for coordinate_transformation_mode in modes {
                for (x, scales) in &cases {
                    let op = Resize { mode, coordinate_transformation_mode, ..Resize::default() };
                    let case = Case::new(op).tolerance(1e-5, 2e-6).input(x.clone()).absent();
                    case.constant(f32s(&[scales.len()], scales)).agree();
                }
            }
        }
    }
}
