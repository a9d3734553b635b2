//! Where each axis of an output comes from: the one description that reordering, layout, partitioning and pruning read.

use crate::dim::{Dim, Shape};
use crate::signature::Signature;

/// Role of one output axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AxisRole {
    /// Index `i` of this axis depends on index `i` of the listed `(input, axis)` pairs alone (elementwise, batch, permuted).
    /// Inputs that broadcast along the axis are not listed.
    Independent(Vec<(usize, usize)>),
    /// Index `i` depends on a bounded window of the input axis (convolution, pooling, slices with an offset).
    Window {
        /// Which input.
        input: usize,
        /// Which axis of it.
        axis: usize,
    },
    /// Anything else: every index may depend on everything that is not claimed by an independent axis.
    Mixed,
}

/// Roles of all axes around a node.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AxisMap {
    /// For each output, the role of each axis; empty when the rank is unknown.
    pub outputs: Vec<Vec<AxisRole>>,
    /// Input axes that are summed, maximised … over: `(input, axis)`.
    pub reduced: Vec<(usize, usize)>,
}

impl AxisMap {
    /// Nothing is promised.
    pub fn opaque(io: &Signature<'_>) -> Self {
        let outputs = (0..io.outputs.len())
            .map(|i| vec![AxisRole::Mixed; io.output_shape(i).map_or(0, |s| s.rank())])
            .collect();
        Self { outputs, reduced: Vec::new() }
    }

    /// Numpy-style broadcasting of all inputs to each output.
    pub fn elementwise(io: &Signature<'_>) -> Self {
        let outputs = (0..io.outputs.len())
            .map(|o| {
                let rank = io.output_shape(o).map_or(0, |s| s.rank());
                (0..rank).map(|axis| AxisRole::Independent(broadcast_sources(io, rank, axis))).collect()
            })
            .collect();
        Self { outputs, reduced: Vec::new() }
    }

    /// Output 0 has the axes of input `input` in the order `perm`.
    pub fn permuted(input: usize, perm: &[usize]) -> Self {
        let roles = perm.iter().map(|&axis| AxisRole::Independent(vec![(input, axis)])).collect();
        Self { outputs: vec![roles], reduced: Vec::new() }
    }

    /// The given inputs, where present, hold one value per index of output axis `axis`, or a single one for all.
    pub fn with_values_along(mut self, io: &Signature<'_>, axis: usize, inputs: &[usize]) -> Self {
        for (output, role) in self.outputs.iter_mut().map(|roles| roles.get_mut(axis)).enumerate() {
            let Some(role) = role else { continue };
            let has_one = io.output_shape(output).and_then(|s| s.get(axis)) == Some(&Dim::Fixed(1));
            for &input in inputs.iter().filter(|&&input| is_present(io, input)) {
                match io.input_shape(input).map(Shape::dims) {
                    Some([]) => {}
                    Some([Dim::Fixed(1)]) if !has_one => {}
                    Some([_]) => role.also_from(input, 0),
                    _ => *role = AxisRole::Mixed,
                }
            }
        }
        self
    }

    /// The given inputs, where present, broadcast to every output.
    pub fn with_broadcast(mut self, io: &Signature<'_>, inputs: &[usize]) -> Self {
        for roles in &mut self.outputs {
            let rank = roles.len();
            for (axis, role) in roles.iter_mut().enumerate() {
                for &input in inputs.iter().filter(|&&input| is_present(io, input)) {
                    let Some(shape) = io.input_shape(input) else {
                        *role = AxisRole::Mixed;
                        continue;
                    };
                    let own = (axis + shape.rank()).checked_sub(rank);
                    if let Some(own) = own.filter(|&own| shape.get(own) != Some(&Dim::Fixed(1))) {
                        role.also_from(input, own);
                    }
                }
            }
        }
        self
    }

    /// Nothing is promised unless each of the given inputs is absent or a single value.
    pub fn if_single_values(self, io: &Signature<'_>, inputs: &[usize]) -> Self {
        let single = |&input: &usize| {
            !is_present(io, input) || io.input_shape(input).is_some_and(|s| s.numel() == Dim::Fixed(1))
        };
        if inputs.iter().all(single) { self } else { Self::opaque(io) }
    }
}

impl AxisRole {
    /// Index `i` depends on index `i` of this input axis too.
    fn also_from(&mut self, input: usize, axis: usize) {
        match self {
            Self::Independent(sources) if sources.contains(&(input, axis)) => {}
            Self::Independent(sources) => sources.push((input, axis)),
            Self::Window { .. } | Self::Mixed => *self = Self::Mixed,
        }
    }
}

fn is_present(io: &Signature<'_>, input: usize) -> bool {
    io.inputs.get(input).copied().flatten().is_some()
}

fn broadcast_sources(io: &Signature<'_>, rank: usize, axis: usize) -> Vec<(usize, usize)> {
    let mut sources = Vec::new();
    for input in 0..io.inputs.len() {
        let Some(shape) = io.input_shape(input) else { continue };
        let Some(own) = (axis + shape.rank()).checked_sub(rank) else { continue };
        if shape.dims().get(own).is_some_and(|d| *d != Dim::Fixed(1)) {
            sources.push((input, own));
        }
    }
    sources
}
