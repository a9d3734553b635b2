//! The fast way of instance and group normalisation: planes, or groups of planes, are normalised as rows; then each plane
//! gets the scale and bias of its channel.

use std::sync::Arc;

use lehr_graph::{OpError, Signature};
use lehr_kernels::Isa;
use lehr_kernels::norm::{Normalization, RowStatistics, normalize_rows};
use lehr_tensor::{DataType, Tensor};

use crate::convolution::group_count;
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, Shares, are_f32, run_reference};
use crate::group_normalization::GroupNormalization;
use crate::instance_normalization::InstanceNormalization;
use crate::normalization::Planes;
use crate::operand::check_shape;

impl CpuOp for InstanceNormalization {
    fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
        are_f32(io, &[0, 1, 2]).then(|| Recipe::new("planes"))
    }

    fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        Ok(Packed::default())
    }

    fn bind(&self, _recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        Ok(Box::new(InstanceKernel(self.clone())))
    }
}

impl CpuOp for GroupNormalization {
    fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
        let fits = are_f32(io, &[0, 1, 2]) && self.stash_type == DataType::F32;
        fits.then(|| Recipe::new("groups"))
    }

    fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        Ok(Packed::default())
    }

    fn bind(&self, _recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        Ok(Box::new(GroupKernel(self.clone())))
    }
}

struct InstanceKernel(InstanceNormalization);

impl Kernel for InstanceKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let planes = Planes::of(cx.tensor(0)?.shape())?;
        if cx.tensor(0)?.is_empty() {
            return run_reference(&self.0, cx);
        }
        normalize(cx, planes, planes.plane, self.0.epsilon)
    }
}

struct GroupKernel(GroupNormalization);

impl Kernel for GroupKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let planes = Planes::of(cx.tensor(0)?.shape())?;
        let groups = group_count("num_groups", self.0.num_groups)?;
        if cx.tensor(0)?.is_empty() || !planes.channels.is_multiple_of(groups) {
            return run_reference(&self.0, cx);
        }
        normalize(cx, planes, planes.channels / groups * planes.plane, self.0.epsilon)
    }
}

/// Normalises rows of `len` elements, which are whole planes.
fn normalize(cx: &mut RunCx<'_>, planes: Planes, len: usize, epsilon: f32) -> Result<(), OpError> {
    let x = cx.tensor(0)?;
    let shape = x.shape().to_vec();
    for index in [1, 2] {
        check_shape(index, cx.tensor(index)?, &[planes.channels])?;
    }
    let (scale, bias) = (cx.tensor(1)?.as_slice::<f32>()?, cx.tensor(2)?.as_slice::<f32>()?);
    let mut y = cx.buffers.take(x.len());
    let plain = Normalization { centered: true, epsilon, scale: None, bias: None };
    normalize_rows(cx.team, cx.isa, &plain, len, &x.as_slice::<f32>()?, &mut y, RowStatistics::default());
    let parts = Shares::new(&mut y, planes.plane);
    let scaled = scale.iter().zip(bias.iter()).any(|(&scale, &bias)| scale != 1.0 || bias != 0.0);
    if scaled {
        cx.team.parallel_for(parts.count(), |index| {
            let channel = index % planes.channels;
            let (scale, bias) = (scale[channel], bias[channel]);
            parts.with(index, |plane| plane.iter_mut().for_each(|y| *y = *y * scale + bias));
        });
    }
    drop((parts, scale, bias));
    cx.set(0, Tensor::from_vec(&shape, y)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn planes_and_groups_agree_with_the_reference() {
        let values: Vec<f32> = (0..2 * 6 * 35).map(|i| ((i * 37 % 101) as f32) * 0.3 - 11.0).collect();
        let (scale, bias) = (f32s(&[6], &[1., 2., -1., 0.5, 0., 3.]), f32s(&[6], &[0., 1., 2., -3., 4., 0.]));
        for tail in [&[5usize, 7][..], &[35]] {
            let x = f32s(&[&[2, 6][..], tail].concat(), &values);
            let case = |case: Case| {
                let case = case.input(x.clone()).constant(scale.clone()).constant(bias.clone());
                let ways = case.run(1).expect("the case is valid");
                assert!(ways.len() > 2, "the kernel ran");
                let reference =
                    ways.first().and_then(|(_, y)| y.first().cloned().flatten()).expect("an output");
                case.tolerance(1e-4, 1e-5).expect(reference);
            };
            case(Case::new(InstanceNormalization { epsilon: 1e-3 }));
            for num_groups in [1, 2, 3, 6] {
                let stash_type = DataType::F32;
                case(Case::new(GroupNormalization { epsilon: 1e-3, num_groups, stash_type }));
            }
        }
    }
}
