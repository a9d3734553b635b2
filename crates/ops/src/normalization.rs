//! What the normalising operators share.

use lehr_graph::{AxisMap, AxisRole, Cost, Dim, OpError, Shape, Signature};
use lehr_tensor::checked_len;

/// A tensor seen as `[batch, channels, plane]`; the batch is what the length leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    pub(crate) channels: usize,
    pub(crate) plane: usize,
}

impl Planes {
    /// Axis 0 is the batch, axis 1 (or nothing) the channels, the rest the plane.
    pub(crate) fn of(shape: &[usize]) -> Result<Self, OpError> {
        match shape {
            [] => Err(OpError::shape("input 0: expected at least one axis, got a scalar")),
            [_] => Ok(Self { channels: 1, plane: 1 }),
            [_, channels, rest @ ..] => Ok(Self { channels: *channels, plane: checked_len(rest)? }),
        }
    }

    /// Calls `f(channel, elements)` for each plane of `data`.
    pub(crate) fn for_each_mut(&self, data: &mut [f64], mut f: impl FnMut(usize, &mut [f64])) {
        if self.plane == 0 || self.channels == 0 {
            return;
        }
        for (at, plane) in data.chunks_exact_mut(self.plane).enumerate() {
            f(at % self.channels, plane);
        }
    }
}

/// Mean and population variance.
pub(crate) fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (count, sum) = values.clone().fold((0usize, 0.0), |(n, sum), v| (n + 1, sum + v));
    let mean = sum / count as f64;
    let squares: f64 = values.map(|v| (v - mean) * (v - mean)).sum();
    (mean, squares / count as f64)
}

/// A few operations per element.
pub(crate) fn norm_cost(io: &Signature<'_>) -> Cost {
    let elements = io.input_shape(0).map_or(Dim::Unknown, Shape::numel);
    Cost::of_macs(io, elements.mul(&Dim::Fixed(2)))
}

/// The axes in `kept` are independent; the statistics mix the others.
pub(crate) fn norm_axes(io: &Signature<'_>, kept: impl Fn(usize) -> bool) -> AxisMap {
    let mut map = AxisMap::opaque(io);
    for roles in &mut map.outputs {
        for (axis, role) in roles.iter_mut().enumerate().filter(|(axis, _)| kept(*axis)) {
            *role = AxisRole::Independent(vec![(0, axis)]);
        }
    }
    map
}
